// What became of a decision that was not recorded, in the form itself; everything typed stays where it is.
import { gettext } from "../language.js";

export class Trouble {
  #place;
  #fields;
  #form;

  constructor(form) {
    this.#form = form;
    this.#place = form.querySelector("#decision-trouble");
    this.#fields = { label: form.querySelector("#label-errors"), reason: form.querySelector("#reason-errors") };
  }

  clear() {
    this.#place.replaceChildren();
    for (const place of Object.values(this.#fields)) place.replaceChildren();
    this.#form.querySelector("#reason").removeAttribute("aria-invalid");
  }

  show({ errors = {}, detail = "", lookAgain = false }) {
    for (const [name, place] of Object.entries(this.#fields)) {
      for (const { message } of errors[name] ?? []) place.append(line("p", "field-errors", message, "alert"));
    }
    if (errors.reason) {
      this.#form.querySelector("#reason").setAttribute("aria-invalid", "true");
      this.#form.querySelector("#reason").focus();
    }
    const words = [detail, ...(errors.__all__ ?? []).map(({ message }) => message)].filter(Boolean);
    if (words.length) this.#place.append(this.#notice(words.join(" "), lookAgain));
    this.#place.scrollIntoView({ block: "nearest" });
  }

  #notice(words, lookAgain) {
    const notice = line("div", "notice notice-error", "", "alert");
    const inner = line("div", "notice-words", words);
    notice.append(inner);
    if (lookAgain) {
      const again = line("a", "btn btn-sm btn-outline-secondary", gettext("Look again"));
      again.href = this.#form.dataset.page;
      again.id = "look-again";
      inner.append(" ", again);
    }
    return notice;
  }
}

function line(kind, classes, words, role = "") {
  const element = document.createElement(kind);
  element.className = classes;
  element.textContent = words;
  if (role) element.setAttribute("role", role);
  return element;
}
