// The slices of a scan, one shown at a time. Tells of "change" when the number changes, of "shown" when the picture stands.
import { Pictures } from "./pictures.js";

export class Stack extends EventTarget {
  #views;
  #image = document.getElementById("slice");
  #range = document.getElementById("slice-range");
  #words = document.getElementById("slice-words");
  #original = document.getElementById("original");
  #trouble = document.getElementById("stage-trouble");
  #pictures;
  number = 0;

  constructor(viewer, views) {
    super();
    this.#views = views;
    this.#pictures = new Pictures(Object.fromEntries(views.map(({ view }, index) => [index + 1, view])));
    this.#range?.addEventListener("input", () => this.show(Number(this.#range.value)));
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
  }

  get count() {
    return this.#views.length;
  }

  step(by) {
    this.show(this.number + by);
  }

  async show(wanted) {
    const number = Math.min(Math.max(wanted, 1), this.count);
    if (number === this.number) return;
    this.number = number;
    this.#tell();
    try {
      const address = await this.#pictures.get(number);
      if (number !== this.number) return; // scrolled on meanwhile
      this.#image.src = address;
      await this.#image.decode();
      this.#trouble.hidden = true;
    } catch (error) {
      if (number !== this.number || error.name === "EncodingError") return;
      this.#trouble.textContent = `Slice ${number} could not be loaded. Check the connection and whether you are still logged in, then reload the page.`;
      this.#trouble.hidden = false;
      return;
    }
    this.dispatchEvent(new Event("shown"));
    this.#pictures.fetchAhead(number);
  }

  #tell() {
    this.#image.alt = `Slice ${this.number} of ${this.count}`;
    this.#words.textContent = `${this.number} / ${this.count}`;
    this.#original.href = this.#views[this.number - 1].original;
    if (this.#range) {
      this.#range.value = this.number;
      this.#range.setAttribute("aria-valuetext", `Slice ${this.number} of ${this.count}`);
    }
    this.dispatchEvent(new Event("change"));
  }
}
