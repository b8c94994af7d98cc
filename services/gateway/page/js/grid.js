// The grid itself: every image has its place, but only those near the screen have elements, so that ten thousand
// cost no more than what is seen.

import { h, picture, set, sign, toast } from "./dom.js";
import { between, laidOut, spot } from "./layout.js";
import { small } from "./words.js";

//: Pixels above and below the screen that are kept ready.
const AHEAD = 1_200;
//: Milliseconds of a frame that new elements may take; the others come with the next frames.
const SHARE = 4;

export class Grid {
  #cursor = null;
  #over = false;
  #loading = null;
  #round = 0;
  #ids = new Set();
  #tiles = new Map();
  #layout = laidOut([], 0, 0);
  #width = 0;
  #frame = 0;

  constructor({ load, open, selection, told, signal }) {
    Object.assign(this, { load, open, selection, told });
    this.images = [];
    this.element = h("div", { class: "grid", role: "list", "aria-label": "Images", hidden: true });
    const eye = new ResizeObserver(() => this.#resized());
    eye.observe(this.element);
    addEventListener("scroll", () => this.#soon(), { passive: true, signal });
    signal.addEventListener("abort", () => {
      eye.disconnect();
      cancelAnimationFrame(this.#frame);
    });
  }

  /** From the beginning, with the filters as they are now. */
  async restart() {
    this.#round += 1;
    this.images.length = 0;
    this.#ids.clear();
    this.#cursor = null;
    this.#over = false;
    this.#loading = null;
    this.selection.clear();
    this.#arrange();
    await this.more();
  }

  /** The next page; callers at the same time share it. */
  more() {
    if (this.#over) return Promise.resolve();
    if (!this.#loading) {
      const loading = this.#page(this.#round).finally(() => this.#loading === loading && (this.#loading = null));
      this.#loading = loading;
    }
    return this.#loading;
  }

  refresh(image) {
    const tile = this.#tiles.get(image);
    if (tile) set(tile.element, "data-favourite", image.favourite ? "" : null);
  }

  drop(image) {
    const place = this.images.indexOf(image);
    if (place < 0) return;
    this.images.splice(place, 1);
    this.#arrange();
    this.told({ images: this.images, over: this.#over });
  }

  /** Scrolls to an image, and puts the focus there. */
  reveal(image) {
    const place = this.images.indexOf(image);
    if (place < 0) return;
    const { top, height } = spot(this.#layout, place, image);
    const screen = this.element.getBoundingClientRect().top + top;
    if (screen < 0 || screen + height > innerHeight) scrollBy(0, screen - (innerHeight - height) / 2);
    this.#look();
    this.#tiles.get(image)?.door.focus({ preventScroll: true });
  }

  async #page(round) {
    let page;
    try {
      page = await this.load(this.#cursor);
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "wrong");
      return;
    }
    if (round !== this.#round) return;
    // What is being deleted still lies there for a moment.
    const fresh = page.items.filter((each) => each.url && each.status !== "deleting" && !this.#ids.has(each.id));
    for (const each of fresh) this.#ids.add(each.id);
    this.images.push(...fresh);
    this.#cursor = page.next_cursor;
    this.#over = !page.next_cursor;
    this.told({ images: this.images, over: this.#over });
    this.#arrange();
  }

  #arrange() {
    set(this.element, "hidden", this.images.length === 0);
    this.#width = this.element.clientWidth;
    this.#layout = laidOut(this.images, this.#width, innerWidth);
    this.element.style.height = `${this.#layout.height}px`;
    this.#soon();
  }

  /** The image at the top of the screen stays there. */
  #resized() {
    if (this.element.clientWidth === this.#width) return;
    const seen = -this.element.getBoundingClientRect().top;
    const old = this.#layout;
    const [place] = between(old, this.images.length, seen, seen);
    this.#arrange();
    if (seen <= 0 || old.columns === this.#layout.columns || !this.images[place]) return;
    const image = this.images[place];
    scrollBy(0, spot(this.#layout, place, image).top - spot(old, place, image).top);
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => this.#look());
  }

  /** Makes what comes near, lets go what is far, and asks for more towards the end. */
  #look() {
    this.#frame = 0;
    const top = -this.element.getBoundingClientRect().top;
    const bottom = top + innerHeight;
    const places = this.#places(top - AHEAD, bottom + AHEAD);
    this.#letGo(new Set(places.map((place) => this.images[place])));
    const whole = this.#make(places, between(this.#layout, this.images.length, top, bottom));
    this.#put(places);
    if (!whole) this.#soon();
    else if (bottom + AHEAD > this.#layout.height) this.more();
  }

  /** Those between two heights, and the one that has the focus wherever it is. */
  #places(top, bottom) {
    const [first, last] = between(this.#layout, this.images.length, top, bottom);
    const places = Array.from({ length: last - first }, (_, at) => first + at);
    const held = [...this.#tiles].find(([, tile]) => tile.element.contains(document.activeElement));
    const place = held ? this.images.indexOf(held[0]) : -1;
    if (place >= 0 && place < first) places.unshift(place);
    if (place >= last) places.push(place);
    return places;
  }

  #letGo(near) {
    for (const [image, tile] of this.#tiles) {
      if (near.has(image)) continue;
      tile.element.remove();
      this.#tiles.delete(image);
    }
  }

  /** What is seen first, then what is near it. False where the frame's share was not enough. */
  #make(places, [first, last]) {
    const missing = places.filter((place) => !this.#tiles.has(this.images[place]));
    const away = (place) => Math.abs(place - (first + last) / 2);
    missing.sort((one, other) => away(one) - away(other));
    const end = performance.now() + SHARE;
    for (const place of missing) {
      this.#tiles.set(this.images[place], this.#tile(this.images[place], place));
      if (performance.now() > end) return place === missing.at(-1);
    }
    return true;
  }

  /** Everybody at his place, also in the order in which the Tab key goes. */
  #put(places) {
    let next = null;
    for (const place of places.reverse()) {
      const tile = this.#tiles.get(this.images[place]);
      if (!tile) continue;
      const { left, top, width, height } = spot(this.#layout, place, this.images[place]);
      const where = `${left}px ${top}px ${width}px ${height}px`;
      if (tile.where !== where) {
        const pixels = { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` };
        Object.assign(tile.element.style, pixels);
        tile.where = where;
      }
      if (tile.element.parentNode === null || tile.element.nextSibling !== next) this.element.insertBefore(tile.element, next);
      next = tile.element;
    }
  }

  #tile(image, place) {
    const said = `Number ${image.index}${image.placeholder ? ", placeholder" : ""}`;
    const seen = picture(small(image), { alt: "" });
    const door = h("button", { type: "button", class: "door", "aria-label": `Open ${said}`, onclick: () => this.open(image) }, seen);
    const given = { "data-favourite": image.favourite ? "" : null, "data-placeholder": image.placeholder ? "" : null };
    const size = this.#over ? this.images.length : -1;
    const element = h(
      "div",
      { class: "item", role: "listitem", "aria-posinset": place + 1, "aria-setsize": size, ...given },
      door,
      this.selection.box(image, said),
      h("span", { class: "number" }, `#${image.index}`),
      sign("star"),
    );
    return { element, door, where: "" };
  }
}
