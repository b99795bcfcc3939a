// The chosen label, the button that follows it, and a reason for each label: none is ever sent with another label.
import { filled, gettext } from "../language.js";

export class Choice {
  #form;
  #answer;
  #reason;
  #reasons = new Map(); // label → what was typed for it; "" before any is chosen
  #shown = "";

  constructor(form, answer) {
    this.#form = form;
    this.#answer = answer;
    this.#reason = form.querySelector("#reason");
    this.#shown = this.label;
    this.#reason.addEventListener("input", () => this.#showOther());
    form.querySelector("#other-reason button").addEventListener("click", () => this.#takeOther());
    this.refresh();
  }

  get label() {
    return this.#form.querySelector("[name=label]:checked")?.value ?? "";
  }

  get needsReason() {
    const differs = this.#answer.label !== null && this.label !== this.#answer.label;
    return this.label !== "" && ("changes" in this.#form.dataset || differs);
  }

  // After a label was chosen, or the model has answered.
  refresh() {
    this.#swapReason();
    this.#reason.required = this.needsReason;
    this.#form.querySelector("#reason-for").value = this.label;
    this.#nameButton();
    this.#showOther();
  }

  // Whoever chooses by key may type on: the letters belong to the reason, not to the page's keys.
  focusReason({ byKey }) {
    if (byKey || this.#reason.required) this.#reason.focus();
  }

  #swapReason() {
    if (this.label === this.#shown) return;
    const typed = this.#reason.value;
    if (this.#shown === "") {
      if (typed) this.#reasons.set(this.label, typed); // typed before any label was chosen
    } else this.#reasons.set(this.#shown, typed);
    this.#reason.value = this.#reasons.get(this.label) ?? "";
    this.#shown = this.label;
  }

  #nameButton() {
    const button = this.#form.querySelector("#record");
    const { words, name, value } = this.#button();
    button.querySelector("#record-words").textContent = words;
    button.name = name;
    button.value = value;
    button.formNoValidate = name === "confirm" && this.label === "";
  }

  #button() {
    const { label } = this;
    const model = this.#answer.label ?? "";
    const changes = "changes" in this.#form.dataset;
    if (label === "") {
      if (model && !changes) return { words: filled(gettext("Confirm: %(label)s"), { label: this.#words(model) }), name: "confirm", value: model };
      return { words: changes ? gettext("Change the decision") : gettext("Record the decision"), name: "", value: "" };
    }
    if (label === model && !changes) return { words: filled(gettext("Confirm: %(label)s"), { label: this.#words(label) }), name: "confirm", value: label };
    const words = filled(this.#record(changes, model && label !== model), { label: this.#words(label) });
    return { words, name: "record", value: label };
  }

  #record(changes, isAgainst) {
    if (changes && isAgainst) return gettext("Change to: %(label)s, against the model's answer");
    if (changes) return gettext("Change to: %(label)s");
    return isAgainst ? gettext("Record: %(label)s, against the model's answer") : gettext("Record: %(label)s");
  }

  #other() {
    return [...this.#reasons].find(([label, typed]) => label !== this.label && typed.trim());
  }

  #showOther() {
    const line = this.#form.querySelector("#other-reason");
    const other = this.#reason.value ? undefined : this.#other();
    line.hidden = !other;
    if (other) line.firstElementChild.textContent = filled(gettext("Typed for %(label)s: “%(reason)s”"), { label: this.#words(other[0]), reason: other[1] });
  }

  #takeOther() {
    const [label, typed] = this.#other();
    this.#reasons.delete(label);
    this.#reason.value = typed;
    this.#reason.dispatchEvent(new Event("input", { bubbles: true }));
    this.#reason.focus();
  }

  #words(label) {
    return this.#form.querySelector(`[name=label][value=${label}]`).dataset.words;
  }
}
