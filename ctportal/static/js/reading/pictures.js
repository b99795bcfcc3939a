// Pictures fetched once each and kept in memory; those near the shown one are fetched ahead, the nearest first.
const AHEAD = 12;
const AT_ONCE = 4;

export class Pictures {
  #addresses;
  #kept = new Map(); // number → promise of an address in memory
  #fetching = 0;
  #near = 1;

  // addresses: number → address; numbers count from 1.
  constructor(addresses) {
    this.#addresses = addresses;
  }

  has(number) {
    return number in this.#addresses;
  }

  get(number) {
    if (!this.#kept.has(number)) {
      const picture = this.#fetch(number);
      picture.catch(() => this.#kept.delete(number));
      this.#kept.set(number, picture);
    }
    return this.#kept.get(number);
  }

  fetchAhead(number) {
    this.#near = number;
    this.#fetchMore();
  }

  async #fetch(number) {
    const response = await fetch(this.#addresses[number]);
    if (!response.ok || response.redirected) throw new Error(`status ${response.status}`);
    return URL.createObjectURL(await response.blob());
  }

  #fetchMore() {
    while (this.#fetching < AT_ONCE) {
      const next = this.#nearestMissing();
      if (!next) return;
      this.#fetching += 1;
      this.get(next).then(() => true, () => false).then((loaded) => {
        this.#fetching -= 1;
        if (loaded) this.#fetchMore();
      });
    }
  }

  #nearestMissing() {
    for (let distance = 1; distance <= AHEAD; distance += 1) {
      for (const number of [this.#near + distance, this.#near - distance]) {
        if (this.has(number) && !this.#kept.has(number)) return number;
      }
    }
    return 0;
  }
}
