// The grid itself. Images stand in chapters that the browser skips while they are out of sight, so ten thousand
// cost no more than what is seen.

import { fill, h, picture, set, sign, toast } from "./dom.js";
import { small } from "./words.js";

//: How far below the edge the next page is asked for.
const AHEAD = "1200px";

export class Grid {
  #cursor = null;
  #over = false;
  #loading = null;
  #round = 0;
  #items = new Map();

  constructor({ load, open, selection, told, signal }) {
    Object.assign(this, { load, open, selection, told });
    this.images = [];
    this.element = h("div", { class: "grid" });
    this.edge = h("div", { class: "edge", "aria-hidden": "true" });
    this.eye = new IntersectionObserver(([seen]) => seen.isIntersecting && this.more(), { rootMargin: AHEAD });
    signal.addEventListener("abort", () => this.eye.disconnect());
  }

  /** From the beginning, with the filters as they are now. */
  async restart() {
    this.#round += 1;
    this.images.length = 0;
    this.#items.clear();
    this.#cursor = null;
    this.#over = false;
    this.#loading = null;
    this.selection.clear();
    fill(this.element, this.edge);
    await this.more();
    this.eye.unobserve(this.edge);
    this.eye.observe(this.edge);
  }

  /** The next page; callers at the same time share it. */
  more() {
    if (this.#over) return Promise.resolve();
    this.#loading ??= this.#page().finally(() => (this.#loading = null));
    return this.#loading;
  }

  refresh(image) {
    const item = this.#items.get(image.id);
    if (item) set(item, "data-favourite", image.favourite ? "" : null);
  }

  drop(image) {
    this.#items.get(image.id)?.remove();
    this.#items.delete(image.id);
    const place = this.images.findIndex((each) => each.id === image.id);
    if (place >= 0) this.images.splice(place, 1);
    this.told({ images: this.images, over: this.#over });
  }

  async #page() {
    const round = this.#round;
    let page;
    try {
      page = await this.load(this.#cursor);
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "wrong");
      return;
    }
    if (round !== this.#round) return;
    const fresh = page.items.filter((each) => each.url && !this.#items.has(each.id));
    this.images.push(...fresh);
    if (fresh.length) this.edge.before(h("ul", { class: "chapter", role: "list" }, ...fresh.map((each) => this.#item(each))));
    this.#cursor = page.next_cursor;
    this.#over = !page.next_cursor;
    this.told({ images: this.images, over: this.#over });
    // Still in sight: the observer tells only of changes.
    if (!this.#over && fresh.length === 0) await this.#page();
    else if (!this.#over) this.#lookAgain();
  }

  #lookAgain() {
    this.eye.unobserve(this.edge);
    requestAnimationFrame(() => this.eye.observe(this.edge));
  }

  #item(image) {
    const said = `Number ${image.index}${image.placeholder ? ", placeholder" : ""}`;
    const seen = picture(small(image), { alt: "", loading: "lazy" });
    const door = h("button", { type: "button", class: "door", "aria-label": `Open ${said}`, onclick: () => this.open(image) }, seen);
    const mark = this.selection.box(image, said);
    const item = h("li", { class: "item", "data-favourite": image.favourite ? "" : null, "data-placeholder": image.placeholder ? "" : null }, door, mark, h("span", { class: "number" }, `#${image.index}`), sign("star"));
    item.style.aspectRatio = `${image.width ?? 2} / ${image.height ?? 3}`;
    this.#items.set(image.id, item);
    return item;
  }
}
