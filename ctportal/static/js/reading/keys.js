// The keys of the image. Arrow keys are handled here, since they are more than one letter; letters are shortcuts.
import { gettext } from "../language.js";
import { addShortcut } from "../shortcuts.js";

const GROUP = gettext("Image");
const STEPS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -5, PageDown: 5, Home: -1e6, End: 1e6 };

export function connectKeys(stack, zoom, look) {
  document.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not(#slice-range), textarea, select, [role=menu], .dropdown-menu, .curve-scroll, .reading-answer, .scan-picker, dialog")) return;
    if (stack.count === 1) return;
    event.preventDefault();
    stack.step(step);
  });
  if (stack.count > 1) {
    addShortcut("↑ ↓", gettext("Slice before, next slice"), () => {}, GROUP);
    addShortcut("PgUp PgDn", gettext("Five slices"), () => {}, GROUP);
  }
  addShortcut("+", gettext("Larger"), () => zoom.by(1.25), GROUP);
  addShortcut("-", gettext("Smaller"), () => zoom.by(0.8), GROUP);
  addShortcut("0", gettext("Fit; undo brightness and contrast"), () => { zoom.reset(); look.reset(); }, GROUP);
  addShortcut("i", gettext("Invert"), () => look.toggleInvert(), GROUP);
}
