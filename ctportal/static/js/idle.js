// Warns before the session ends for want of use: in time to stay logged in, with one key. The portal alone knows how
// long the session lives, since other windows use it too; it is asked when the end may be near, and not before.
import { filled, gettext, ngettext } from "./language.js";

const WARN = 300; // seconds
const ASK_AGAIN = 15; // while the warning is open
const USE = 240; // seconds between two reports that somebody uses this page without asking the portal for anything

const dialog = document.getElementById("idle-dialog");

// The longest warning leaves half of a short idle time without one.
const warnFrom = () => Math.min(WARN, Number(dialog.dataset.seconds) / 2);

let timer = 0;
let isClosedByOthers = false;
let isLastWarning = false; // the session has lasted as long as any may; using it does not prolong it
let lastContact = Date.now();

function plan(seconds) {
  clearTimeout(timer);
  timer = setTimeout(look, Math.max(seconds, 1) * 1000);
}

// Seconds that the session lives on; null if the portal does not answer, 0 if it is over. A mere question is no use.
async function secondsLeft({ isUse }) {
  try {
    const headers = { Accept: "application/json", ...(isUse ? {} : { "X-Poll": "1" }) };
    const response = await fetch(dialog.dataset.address, { headers, redirect: "manual", cache: "no-store" });
    if (response.type === "opaqueredirect" || response.status === 401) return 0;
    if (!response.ok) return null;
    return (await response.json()).seconds_left;
  } catch {
    return null;
  }
}

function wordsFor(left) {
  const until = new Date(Date.now() + left * 1000).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
  const minutes = Math.ceil(left / 60);
  const rest = left < 60 ? gettext("less than a minute") : filled(ngettext("%(minutes)s minute", "%(minutes)s minutes", minutes), { minutes });
  const words = isLastWarning
    ? gettext("Every session ends after some hours. Yours ends at %(until)s, in %(rest)s. Finish what you do.")
    : gettext("Nobody has used the portal for a while. You will be logged out at %(until)s, in %(rest)s.");
  return filled(words, { until, rest });
}

function warn(left) {
  const place = dialog.querySelector("[data-words]");
  const words = wordsFor(left);
  if (place.textContent !== words) place.textContent = words;
  if (!dialog.open) dialog.showModal();
}

async function look() {
  const left = await secondsLeft({ isUse: false });
  if (left === null) plan(ASK_AGAIN);
  else if (left <= 0) leave();
  else if (left > warnFrom()) {
    if (dialog.open) {
      isClosedByOthers = true; // another window was used
      dialog.close();
    }
    plan(left - warnFrom());
  } else {
    warn(left);
    plan(Math.min(ASK_AGAIN, left + 1));
  }
}

// What the page shows of patients goes with the session; pages that hold a draft save it when they are left.
function leave() {
  location.assign(`${dialog.dataset.login}?next=${encodeURIComponent(pageToReturnTo())}`);
}

function pageToReturnTo() {
  const form = document.querySelector("form[data-page]");
  return form ? form.dataset.page : location.pathname;
}

async function stay() {
  lastContact = Date.now();
  const left = await secondsLeft({ isUse: true });
  if (left === 0) leave();
  else if (left === null) plan(ASK_AGAIN);
  else if (left > warnFrom()) plan(left - warnFrom());
  else if (isLastWarning) plan(left + 1);
  else {
    isLastWarning = true;
    warn(left);
  }
}

function onClose() {
  if (!isClosedByOthers) stay();
  isClosedByOthers = false;
}

function noteUse() {
  if (dialog.open || Date.now() - lastContact < USE * 1000) return;
  stay();
}

if (dialog) {
  dialog.addEventListener("close", onClose);
  for (const name of ["keydown", "pointerdown", "wheel"]) {
    document.addEventListener(name, noteUse, { passive: true, capture: true });
  }
  document.addEventListener("visibilitychange", () => document.hidden || look());
  plan(Number(dialog.dataset.seconds) - warnFrom());
}
