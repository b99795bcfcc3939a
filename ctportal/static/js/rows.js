// In a table marked data-rows, j and k walk the rows and o opens one. The place survives a refresh of the table.
import { gettext } from "./language.js";
import { addShortcut } from "./shortcuts.js";

const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
const current = () => document.querySelector("[data-rows] tbody tr.is-current");
let place = "";

function mark(row) {
  current()?.classList.remove("is-current");
  row?.classList.add("is-current");
  place = row?.id ?? "";
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  mark(next);
  next.querySelector("a[href]")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

const hasRows = () => rows().length > 0;
const open = () => (current() ?? rows()[0]).querySelector("a[href]")?.click();
addShortcut("j", gettext("Next row"), () => step(1), gettext("List"), hasRows);
addShortcut("k", gettext("Row before"), () => step(-1), gettext("List"), hasRows);
addShortcut("o", gettext("Open the row"), open, gettext("List"), hasRows);

document.body.addEventListener("htmx:afterSettle", () => {
  if (place && !current()) mark(document.getElementById(place));
});
