// Brightness, contrast and inversion of the shown scan. They are kept nowhere: the next patient is seen as stored.
import { filled, gettext } from "../language.js";

const PLAIN = { brightness: 100, contrast: 100, invert: false };

export class Look {
  #image = document.getElementById("slice");
  #brightness = document.getElementById("brightness");
  #contrast = document.getElementById("contrast");
  #invert = document.getElementById("invert");
  #words = document.getElementById("look-words");
  #now = { ...PLAIN };

  constructor() {
    this.#brightness.addEventListener("input", () => this.#set({ brightness: Number(this.#brightness.value) }));
    this.#contrast.addEventListener("input", () => this.#set({ contrast: Number(this.#contrast.value) }));
    this.#invert.addEventListener("click", () => this.toggleInvert());
    document.getElementById("reset-view").addEventListener("click", () => this.reset());
    this.#set({});
  }

  reset() {
    this.#set(PLAIN);
  }

  toggleInvert() {
    this.#set({ invert: !this.#now.invert });
  }

  // As on a radiologist's workstation: drag up for brighter, to the right for more contrast.
  drag(byX, byY) {
    const held = (value) => Math.min(Math.max(value, 20), 300);
    this.#set({ brightness: held(this.#now.brightness - byY / 2), contrast: held(this.#now.contrast + byX / 2) });
  }

  #set(change) {
    Object.assign(this.#now, change);
    const { brightness, contrast, invert } = this.#now;
    this.#brightness.value = brightness;
    this.#contrast.value = contrast;
    this.#invert.setAttribute("aria-pressed", String(invert));
    const changed = brightness !== 100 || contrast !== 100 || invert;
    this.#image.style.filter = changed
      ? `${invert ? "invert(1) " : ""}brightness(${brightness}%) contrast(${contrast}%)`
      : "";
    this.#words.hidden = !changed;
    const words = invert
      ? gettext("Inverted, brightness %(brightness)s %, contrast %(contrast)s %")
      : gettext("Brightness %(brightness)s %, contrast %(contrast)s %");
    this.#words.textContent = filled(words, { brightness: Math.round(brightness), contrast: Math.round(contrast) });
  }
}
