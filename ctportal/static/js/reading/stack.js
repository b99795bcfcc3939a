// The slices of a scan, one shown at a time. Number, slider and picture change together, once the picture is there:
// then "change" and "shown" are dispatched. A slice that cannot be loaded leaves everything as it was and says so.
import { filled, gettext } from "../language.js";
import { Pictures } from "./pictures.js";

export class Stack extends EventTarget {
  #views;
  #image = document.getElementById("slice");
  #range = document.getElementById("slice-range");
  #words = document.getElementById("slice-words");
  #original = document.getElementById("original");
  #trouble = document.getElementById("stage-trouble");
  #retry = document.getElementById("stage-retry");
  #pictures;
  #wanted = 0;
  number = 0; // of the slice that is on screen; 0 before the first is

  constructor(viewer, views) {
    super();
    this.#views = views;
    this.#pictures = new Pictures(Object.fromEntries(views.map(({ view }, index) => [index + 1, view])));
    this.#words.textContent = gettext("Loading…");
    this.#range?.addEventListener("input", () => {
      const wanted = Number(this.#range.value);
      this.#range.value = this.number || wanted;
      this.show(wanted);
    });
    for (const control of viewer.querySelectorAll("[data-step]")) {
      control.addEventListener("click", (event) => {
        event.preventDefault();
        this.step(Number(control.dataset.step));
      });
    }
    document.addEventListener("click", (event) => {
      const jump = event.target.closest("[data-slice]");
      if (jump) this.show(Number(jump.dataset.slice));
    });
    this.#retry.addEventListener("click", () => this.show(Number(this.#retry.dataset.number)));
  }

  get count() {
    return this.#views.length;
  }

  // From the slice that was asked for last, so that quick steps add up while pictures are on their way.
  step(by) {
    this.show(this.#wanted + by);
  }

  async show(wanted) {
    const number = Math.min(Math.max(wanted, 1), this.count);
    if (number === this.#wanted && number === this.number) return;
    this.#wanted = number;
    try {
      const picture = new Image();
      picture.src = await this.#pictures.get(number);
      await picture.decode();
      if (this.#isNearer(number)) this.#put(number, picture.src);
    } catch {
      if (number === this.#wanted) this.#say(number);
    }
  }

  // While one scrolls, pictures passed are shown too, but none farther off than the one on screen.
  #isNearer(number) {
    if (number === this.number) return false;
    return this.number === 0 || Math.abs(number - this.#wanted) < Math.abs(this.number - this.#wanted);
  }

  #put(number, address) {
    this.number = number;
    this.#image.src = address;
    this.#image.alt = filled(gettext("Slice %(number)s of %(count)s"), { number, count: this.count });
    this.#words.textContent = `${number} / ${this.count}`;
    this.#original.href = this.#views[number - 1].original;
    this.#trouble.hidden = true;
    this.#follow();
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("shown"));
    this.#pictures.fetchAhead(number);
  }

  #follow() {
    if (!this.#range) return;
    this.#range.value = this.number;
    this.#range.setAttribute("aria-valuetext", filled(gettext("Slice %(number)s of %(count)s"), { number: this.number, count: this.count }));
  }

  #say(number) {
    this.#wanted = this.number;
    const words = this.number
      ? gettext("Slice %(number)s could not be loaded. Slice %(shown)s is still shown. Check the connection and whether you are still logged in.")
      : gettext("Slice %(number)s could not be loaded. Check the connection and whether you are still logged in.");
    this.#trouble.firstElementChild.textContent = filled(words, { number, shown: this.number });
    this.#retry.dataset.number = number;
    this.#trouble.hidden = false;
  }
}
