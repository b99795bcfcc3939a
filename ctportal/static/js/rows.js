// In a table marked data-rows, j and k (or the arrows) walk the rows and Enter or o opens one.
import { addShortcut } from "./shortcuts.js";

const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
const current = () => document.querySelector("[data-rows] tbody tr.is-current");

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  current()?.classList.remove("is-current");
  next.classList.add("is-current");
  next.querySelector("a[href]")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

if (document.querySelector("[data-rows]")) {
  addShortcut("j", "Next row", () => step(1));
  addShortcut("k", "Row before", () => step(-1));
  addShortcut("o", "Open the row", () => (current() ?? rows()[0])?.querySelector("a[href]")?.click());
}
