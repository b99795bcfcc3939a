// The reader's decision: one key confirms, a number chooses a label. A key that is held down never decides the next case.
import { addShortcut } from "../shortcuts.js";

const NOTICE_STAYS = 8000;
const SETTLE = 700; // milliseconds for which a fresh page ignores the confirming key

export function connectDecision(stack, answer) {
  let isArmed = false;
  stack.addEventListener("shown", () => setTimeout(() => (isArmed = true), SETTLE), { once: true });

  addShortcut("c", "Confirm the model's answer", (event) => {
    if (!event.repeat && isArmed) document.getElementById("confirm")?.click();
  }, "Decision");
  addShortcut("n", "Next case", (event) => {
    if (!event.repeat && isArmed) document.getElementById("next-case")?.click();
  }, "Decision");

  for (const notice of document.querySelectorAll(".messages .notice-success, .messages .notice-info")) {
    setTimeout(() => notice.remove(), NOTICE_STAYS);
  }

  const form = document.getElementById("decision");
  if (!form) return;
  const reason = form.querySelector("#reason");

  const needsReason = (label) => "changes" in form.dataset || (answer.label !== null && answer.label !== label);

  function askForReason() {
    const chosen = form.querySelector("[name=label]:checked");
    reason.required = Boolean(chosen) && needsReason(chosen.value);
  }

  stack.addEventListener("answered", askForReason);
  form.addEventListener("change", (event) => {
    if (event.target.name !== "label") return;
    askForReason();
    if (reason.required && !reason.value) reason.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat || !form.checkVisibility()) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("#record"));
  });
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => delete form.dataset.sent); // back from the browser's memory
}
