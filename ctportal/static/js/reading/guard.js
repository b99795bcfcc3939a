// Holds decisions back until the picture of this scan has been on screen for a moment, however they are sent: by the
// button, by a key or by a script. A second click of a double click therefore never decides the scan that follows.
export const SETTLE = 700; // milliseconds

export class Guard extends EventTarget {
  #timer = 0;
  #isShown = false;
  isArmed = false;

  constructor(stack) {
    super();
    stack.addEventListener("shown", () => {
      this.#isShown = true;
      this.restart();
    }, { once: true });
    document.addEventListener("visibilitychange", () => this.restart());
  }

  // What is on screen has changed, so that it has to be looked at first.
  restart() {
    clearTimeout(this.#timer);
    this.#set(false);
    if (!this.#isShown || document.visibilityState !== "visible") return;
    this.#timer = setTimeout(() => this.#set(true), SETTLE);
  }

  #set(isArmed) {
    this.isArmed = isArmed;
    this.dispatchEvent(new Event("change"));
  }
}
