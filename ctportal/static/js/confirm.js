// <form data-confirm="What will happen." data-confirm-title="Close the case?" data-confirm-yes="Close it">
// asks before it is sent; so does an element with hx-post and hx-confirm. Without scripts the form is simply sent.
import { gettext } from "./language.js";

const dialog = document.getElementById("confirm-dialog");

export function ask({ title, words, yes }) {
  dialog.querySelector("[data-title]").textContent = title || gettext("Are you sure?");
  dialog.querySelector("[data-words]").textContent = words || "";
  dialog.querySelector("[data-yes]").textContent = yes || gettext("Yes, do it");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

const question = ({ confirm, confirmTitle, confirmYes }, words) => ({
  title: confirmTitle,
  words: words ?? confirm,
  yes: confirmYes,
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const source = event.submitter?.dataset.confirm ? event.submitter : form;
  if (!source.dataset.confirm || form.dataset.confirmed || form.hasAttribute("hx-post")) return;
  event.preventDefault();
  if (!(await ask(question(source.dataset)))) return;
  form.dataset.confirmed = "yes";
  form.requestSubmit(event.submitter);
  delete form.dataset.confirmed;
});

document.body.addEventListener("htmx:confirm", async (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  if (await ask(question(event.detail.elt.dataset, event.detail.question))) event.detail.issueRequest(true);
});
