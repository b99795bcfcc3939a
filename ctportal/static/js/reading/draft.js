// Keeps on the server what is chosen and typed, as it is typed; nothing of it stays in the browser.
import { gettext } from "../language.js";

const PAUSE = 500; // milliseconds without a key
const AGAIN = 5000; // after a failure

export const KEPT = "kept";
export const OFFLINE = "offline";
export const REFUSED = "refused";

export class Draft {
  #form;
  #state;
  #timer = 0;
  #saving = null;
  #isDirty = false;
  #isOver = false;

  constructor(form) {
    this.#form = form;
    this.#state = form.querySelector("#draft-state");
    form.addEventListener("input", () => this.touch());
    form.addEventListener("change", () => this.touch());
    window.addEventListener("pagehide", () => this.#leave());
    document.addEventListener("visibilitychange", () => document.hidden && this.#leave());
    window.addEventListener("online", () => this.#isDirty && this.flush());
  }

  touch() {
    this.#isDirty = true;
    this.#plan(PAUSE);
  }

  // Saves at once what is not saved yet. Says whether it is kept.
  async flush() {
    clearTimeout(this.#timer);
    await this.#saving;
    if (!this.#isDirty || this.#isOver) return KEPT;
    this.#isDirty = false;
    this.#saving = this.#send();
    const outcome = await this.#saving;
    this.#saving = null;
    this.#say(outcome);
    if (outcome === OFFLINE) {
      this.#isDirty = true;
      this.#plan(AGAIN);
    }
    return outcome;
  }

  // The decision is on its way: no later message may bring the draft back.
  async stop() {
    clearTimeout(this.#timer);
    this.#isOver = true;
    await this.#saving;
  }

  resume() {
    this.#isOver = false;
    this.touch();
  }

  #plan(pause) {
    clearTimeout(this.#timer);
    if (!this.#isOver) this.#timer = setTimeout(() => this.flush(), pause);
  }

  async #send(options = {}) {
    try {
      const response = await fetch(this.#form.dataset.draft, {
        method: "POST",
        body: new FormData(this.#form),
        headers: { Accept: "application/json" },
        redirect: "manual",
        ...options,
      });
      if (response.ok) return KEPT;
      return response.status >= 500 ? OFFLINE : REFUSED;
    } catch {
      return OFFLINE;
    }
  }

  #leave() {
    if (!this.#isDirty || this.#isOver) return;
    clearTimeout(this.#timer);
    this.#isDirty = false;
    this.#send({ keepalive: true });
  }

  #say(outcome) {
    const words = {
      [KEPT]: gettext("Kept as a draft, not recorded yet."),
      [OFFLINE]: gettext("Not kept: the portal does not answer. It is tried again."),
      [REFUSED]: gettext("Not kept: this page is out of date. Reload it."),
    };
    this.#state.textContent = words[outcome];
  }
}
