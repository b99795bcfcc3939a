// The reading page: the stack of slices, its view, the model's map and curve, and the decision.
import { connectAnswer } from "./answer.js";
import { connectDecision } from "./decision.js";
import { connectGestures } from "./gestures.js";
import { connectKeys } from "./keys.js";
import { Look } from "./look.js";
import { connectMore } from "./more.js";
import { connectNotices } from "./notices.js";
import { connectPicker } from "./picker.js";
import { Stack } from "./stack.js";
import { Zoom } from "./zoom.js";

const viewer = document.getElementById("viewer");
const stack = new Stack(viewer, JSON.parse(document.getElementById("viewer-data").textContent));
const zoom = new Zoom();
const look = new Look();

const answer = connectAnswer(stack);
connectGestures(stack, zoom, look);
connectKeys(stack, zoom, look);
connectDecision(stack, answer);
connectMore();
connectNotices();
connectPicker();
stack.show(Number(viewer.dataset.first));
