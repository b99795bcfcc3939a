// Any element may carry data-shortcut="k" (or two keys, "g w"): the key presses, follows or focuses it.
// data-shortcut-words says what it does (else its own text), data-shortcut-group where the list shows it.
// A module adds keys that belong to no element with addShortcut().
import { gettext } from "./language.js";

const ANYWHERE = "anywhere";
const added = [];
const dialog = document.getElementById("shortcuts-dialog");
let pending = "";
let pendingTimer = 0;

export function addShortcut(keys, words, run, group = gettext("On this page"), works = undefined) {
  added.push({ keys, words, run, group, works });
}

const isVisible = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;

function activate(element) {
  if (element.dataset.opens) document.getElementById(element.dataset.opens).showModal();
  else if (element.matches("input:not([type=checkbox], [type=radio]), textarea, select")) {
    element.focus();
    element.select?.();
  } else element.click();
}

function known() {
  const marked = [...document.querySelectorAll("[data-shortcut]:not([data-shortcut=''])")].map((element) => ({
    keys: element.dataset.shortcut,
    words: element.dataset.shortcutWords || element.textContent.trim().replace(/\s+/g, " "),
    group: element.dataset.shortcutGroup || gettext("On this page"),
    run: () => activate(element),
    works: () => !element.disabled && (isVisible(element) || element.closest(".bar-menu")),
  }));
  // The page's own keys win over those of the frame, which work anywhere.
  const all = [...added, ...marked];
  const own = all.filter(({ group }) => group !== ANYWHERE);
  return [...own, ...all.filter(({ group }) => group === ANYWHERE)].filter((shortcut) => shortcut.works?.() ?? true);
}

const isTyping = (target) =>
  target.isContentEditable || target.matches?.("textarea, select, input:not([type=checkbox], [type=radio], [type=range])");

// With Caps Lock on, "C" means "c" wherever nothing else is called "C".
function pressedKeys(key, shortcuts) {
  const exact = pending ? `${pending} ${key}` : key;
  return shortcuts.some(({ keys }) => keys === exact) ? exact : exact.toLowerCase();
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]") || event.key.length > 1) return;
  const shortcuts = known();
  const pressed = pressedKeys(event.key, shortcuts);
  clearTimeout(pendingTimer);
  pending = "";
  const hit = shortcuts.find(({ keys }) => keys === pressed);
  if (hit) {
    event.preventDefault();
    hit.run(event);
  } else if (shortcuts.some(({ keys }) => keys.startsWith(`${event.key} `))) {
    pending = event.key;
    pendingTimer = setTimeout(() => (pending = ""), 1200);
  }
}

function line({ keys, words }) {
  const row = document.createElement("div");
  const name = document.createElement("span");
  const keyList = document.createElement("span");
  row.className = "shortcut";
  keyList.className = "nowrap";
  name.textContent = words;
  keys.split(" ").forEach((key, index) => {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    if (index) keyList.append(" ");
    keyList.append(cap);
  });
  row.append(name, keyList);
  return row;
}

function fill() {
  const groups = new Map();
  for (const shortcut of known()) {
    const lines = groups.get(shortcut.group) ?? new Map();
    if (!lines.has(shortcut.keys)) lines.set(shortcut.keys, line(shortcut));
    groups.set(shortcut.group, lines);
  }
  const sections = [...groups].map(([name, lines]) => {
    const section = document.createElement("section");
    const heading = document.createElement("h3");
    heading.textContent = name === ANYWHERE ? gettext("Anywhere") : name;
    section.append(heading, ...lines.values());
    return section;
  });
  dialog.querySelector("[data-groups]").replaceChildren(...sections);
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
});
new MutationObserver(() => dialog.open && fill()).observe(dialog, { attributeFilter: ["open"] });
