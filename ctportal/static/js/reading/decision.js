// The reader's decision: one button follows the choice, and one guard checks whatever sends it.
import { gettext } from "../language.js";
import { addShortcut } from "../shortcuts.js";
import { Choice } from "./choice.js";
import { Draft, OFFLINE } from "./draft.js";
import { Guard, SETTLE } from "./guard.js";
import { sendDecision } from "./send.js";
import { Trouble } from "./trouble.js";

const UNREACHED = gettext(
  "You were logged out, and the portal does not answer. What you chose and typed is still here; leave this page open and record it once more when the connection is back.",
);

export function connectDecision(stack, answer) {
  connectNext();
  const form = document.getElementById("decision");
  if (!form) {
    addShortcut("c", gettext("Only a reader of this site can decide"), () => {}, gettext("Decision")); // it must not open a new case here
    return;
  }
  const guard = new Guard(stack);
  const choice = new Choice(form, answer);
  const draft = new Draft(form);
  const trouble = new Trouble(form);
  const button = () => form.querySelector("#record");
  let isSending = false;

  function showState() {
    button().setAttribute("aria-disabled", String(isSending || !guard.isArmed));
    if (isSending) button().querySelector("#record-words").textContent = gettext("Recording…");
    else choice.refresh();
  }

  async function record() {
    isSending = true;
    showState();
    trouble.clear();
    await draft.stop();
    const told = await sendDecision(form, button());
    if (told.next) {
      location.assign(told.next);
      return;
    }
    draft.resume();
    if (told.isLoggedOut) await goToLogIn();
    else trouble.show(told);
    if (told.lookAgain) await draft.flush();
    isSending = false;
    showState();
  }

  // The draft is kept even without a session; the page of the scan leads to the log-in and back.
  async function goToLogIn() {
    const outcome = await draft.flush();
    if (outcome === OFFLINE) trouble.show({ detail: UNREACHED });
    else location.assign(form.dataset.page);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isSending && guard.isArmed) record();
  });
  form.addEventListener("click", (event) => {
    if (event.target.name !== "label") return; // also one that is chosen once more
    choice.refresh();
    choice.focusReason({ byKey: !event.isTrusted });
  });
  guard.addEventListener("change", showState);
  stack.addEventListener("answered", () => {
    guard.restart();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat || !form.checkVisibility()) return;
    event.preventDefault();
    form.requestSubmit(button());
  });
  addShortcut("c", gettext("Confirm, or record the chosen label"), (event) => {
    if (!event.repeat && form.checkVisibility()) form.requestSubmit(button());
  }, gettext("Decision"));
  window.addEventListener("pageshow", (event) => event.persisted && location.reload()); // what it shows may be over
  showState();
}

// The way to the next case: it, too, ignores the second click of a double click.
function connectNext() {
  let isSettled = false;
  setTimeout(() => (isSettled = true), SETTLE);
  addShortcut("n", gettext("Next case"), (event) => {
    if (!event.repeat && isSettled) document.getElementById("next-case")?.click();
  }, gettext("Decision"));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-waits]") && !isSettled) event.preventDefault();
  });
}
