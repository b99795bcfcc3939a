// What the model says, laid over the images: its map, its curve, the slices that mattered. It may arrive while we look.
import { gettext } from "../language.js";
import { addShortcut } from "../shortcuts.js";
import { Pictures } from "./pictures.js";

const ANYWAY = "reading-maps-anyway"; // in this session, not with a look: who has read why is not asked for each scan

export function connectAnswer(stack) {
  const map = document.getElementById("map");
  const legend = document.getElementById("map-legend");
  const tools = document.getElementById("map-tools");
  const toggle = document.getElementById("map-toggle");
  const opacity = document.getElementById("map-opacity");
  const look = { on: false, opacity: 60 }; // kept nowhere: each scan is seen without the map first
  let isOfferedAnyway = sessionStorage.getItem(ANYWAY) !== null;
  const answer = { prediction: null, label: null, maps: {}, mapsHeldBack: false, telling: [] };
  let maps = new Pictures({});

  function read() {
    Object.assign(answer, JSON.parse(document.getElementById("answer").dataset.answer));
    maps = new Pictures(answer.maps);
    offerMaps();
    showMap();
    showPlace();
    for (const button of document.querySelectorAll("[data-slice]")) markShown(button);
    stack.dispatchEvent(new Event("answered"));
  }

  // Maps that were not shown to point at disease are offered to who has read why and asks for them, in this session.
  function offerMaps() {
    const isHeldBack = answer.mapsHeldBack && !isOfferedAnyway;
    tools.hidden = isHeldBack || !Object.keys(answer.maps).length;
    const anyway = document.getElementById("map-anyway");
    if (anyway) anyway.hidden = !isHeldBack;
  }

  function offerAnyway() {
    isOfferedAnyway = true;
    sessionStorage.setItem(ANYWAY, "yes");
    look.on = true;
    offerMaps();
    showMap();
    toggle.focus();
  }

  async function showMap() {
    toggle.setAttribute("aria-pressed", String(look.on));
    opacity.value = look.opacity;
    opacity.disabled = !look.on;
    map.style.opacity = look.opacity / 100;
    const { number } = stack;
    map.hidden = legend.hidden = true; // never a map over another slice
    if (tools.hidden || !look.on || !maps.has(number)) return;
    try {
      const address = await maps.get(number);
      if (!look.on || number !== stack.number) return;
      map.src = address;
      await map.decode();
      if (number !== stack.number) return;
      map.hidden = legend.hidden = false;
      maps.fetchAhead(number);
    } catch {
      // without its map a slice can still be read; the next one asks again
    }
  }

  function showPlace() {
    const here = document.getElementById("curve-here");
    if (!here || !stack.number) return;
    const x = stack.count > 1 ? ((stack.number - 1) / (stack.count - 1)) * 1000 : 0;
    here.setAttribute("x1", x);
    here.setAttribute("x2", x);
    here.setAttribute("visibility", "visible");
  }

  const markShown = (button) => button.setAttribute("aria-pressed", String(Number(button.dataset.slice) === stack.number));

  function flip() {
    if (tools.hidden) return;
    look.on = !look.on;
    showMap();
  }

  function nextTelling() {
    const { telling } = answer;
    if (telling.length) stack.show(telling.find((number) => number > stack.number) ?? telling[0]);
  }

  toggle.addEventListener("click", flip);
  opacity.addEventListener("input", () => {
    look.opacity = Number(opacity.value);
    map.style.opacity = look.opacity / 100;
  });
  stack.addEventListener("change", () => {
    map.hidden = true;
    showPlace();
    document.querySelectorAll("[data-slice]").forEach(markShown);
  });
  stack.addEventListener("shown", showMap);
  document.addEventListener("click", (event) => {
    if (event.target.closest("#map-anyway")) return offerAnyway();
    const plot = event.target.closest("#curve-plot");
    if (!plot) return;
    const box = plot.getBoundingClientRect();
    stack.show(1 + Math.round(((event.clientX - box.left) / box.width) * (stack.count - 1)));
  });
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "answer") read();
  });
  addShortcut("m", gettext("Map on or off"), flip, gettext("Image"));
  if (stack.count > 1) addShortcut("t", gettext("Next slice that mattered"), nextTelling, gettext("Image"));
  read();
  return answer;
}
