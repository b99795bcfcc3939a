// Fits the slice into its stage, and zooms and moves it there.
const MOST = 12;

export class Zoom {
  #stage = document.getElementById("stage");
  #mover = document.getElementById("stage-move");
  #image = document.getElementById("slice");
  #scale = 1;
  #x = 0;
  #y = 0;

  constructor() {
    new ResizeObserver(() => this.#fit()).observe(this.#stage);
    this.#image.addEventListener("load", () => this.#fit());
    document.getElementById("zoom-in").addEventListener("click", () => this.by(1.25));
    document.getElementById("zoom-out").addEventListener("click", () => this.by(0.8));
    document.getElementById("reset-view").addEventListener("click", () => this.reset());
    this.#fit();
  }

  get isZoomed() {
    return this.#scale > 1;
  }

  reset() {
    this.#scale = 1;
    this.#x = this.#y = 0;
    this.#apply();
  }

  // Around a point of the stage, its middle unless told.
  by(factor, clientX, clientY) {
    const box = this.#stage.getBoundingClientRect();
    const atX = clientX === undefined ? 0 : clientX - box.left - box.width / 2;
    const atY = clientY === undefined ? 0 : clientY - box.top - box.height / 2;
    const scale = Math.min(Math.max(this.#scale * factor, 1), MOST);
    const real = scale / this.#scale;
    this.#x = atX - (atX - this.#x) * real;
    this.#y = atY - (atY - this.#y) * real;
    this.#scale = scale;
    this.#apply();
  }

  move(byX, byY) {
    this.#x += byX;
    this.#y += byY;
    this.#apply();
  }

  #fit() {
    const { naturalWidth: width, naturalHeight: height } = this.#image;
    if (!width || !this.#stage.clientWidth) return;
    const scale = Math.min(this.#stage.clientWidth / width, this.#stage.clientHeight / height);
    this.#mover.style.width = `${width * scale}px`;
    this.#mover.style.height = `${height * scale}px`;
    this.#mover.classList.add("is-fitted");
    this.#apply();
  }

  // Never farther than the picture's edge in the middle of the stage.
  #apply() {
    const farX = (this.#mover.offsetWidth * this.#scale) / 2;
    const farY = (this.#mover.offsetHeight * this.#scale) / 2;
    if (this.#scale === 1) this.#x = this.#y = 0;
    this.#x = Math.min(Math.max(this.#x, -farX), farX);
    this.#y = Math.min(Math.max(this.#y, -farY), farY);
    this.#mover.style.transform = `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    this.#stage.classList.toggle("is-zoomed", this.isZoomed);
  }
}
