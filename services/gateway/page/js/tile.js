// One image of a batch: its number at once, its stage while it is made, then the picture.

import { fill, h, picture, say, set, sign } from "./dom.js";
import { small, stageWord, why } from "./words.js";

const SHOWN = new Set(["succeeded", "placeholder"]);
export const MENDABLE = new Set(["failed", "canceled", "placeholder"]);

/** Keeps its elements over all states, so that focus and screen readers stay where they are. */
export class Tile {
  #shown = "";

  constructor({ open, again }) {
    this.number = h("span", { class: "number" });
    this.stage = h("span", { class: "stage" });
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "share of the steps" });
    this.frame = h("div", { class: "frame" });
    this.foot = h("div", { class: "foot" }, this.number, this.stage);
    this.why = h("p", { class: "why", hidden: true });
    this.again = h("button", { type: "button", class: "quiet", hidden: true }, sign("again"), "Render again");
    this.again.addEventListener("click", () => again(this.image));
    this.element = h("li", { class: "tile" }, this.frame, this.bar, this.foot, this.why, this.again);
    this.#open = open;
  }

  #open;

  update(image, batch) {
    this.image = image;
    const { width, height, status } = image.width ? image : { ...image, ...batch, status: image.status };
    this.element.dataset.status = status;
    this.frame.style.aspectRatio = `${width} / ${height}`;
    const taken = image.moved_from == null ? "" : ` (number ${image.moved_from} was taken)`;
    say(this.number, `#${image.index}${taken}`);
    say(this.stage, stageWord(image));
    set(this.bar, "hidden", status !== "running");
    if (image.steps) this.bar.value = image.step / image.steps;
    else this.bar.removeAttribute("value");
    this.#picture(image, batch);
    const reason = status === "succeeded" ? "" : why(image);
    say(this.why, reason);
    set(this.why, "hidden", !reason);
    const mendable = MENDABLE.has(status) && !["queued", "running", "canceling"].includes(batch.status);
    set(this.again, "hidden", !mendable);
    set(this.again, "aria-label", `Render number ${image.index} again`);
  }

  #picture(image, batch) {
    const address = SHOWN.has(image.status) ? small(image) : "";
    if (address === this.#shown) return;
    this.#shown = address;
    if (!address) return void fill(this.frame);
    const said = image.placeholder ? `Placeholder of number ${image.index}` : `Number ${image.index}: ${batch.prompt}`;
    const seen = picture(address, { alt: said, class: "arriving" });
    seen.addEventListener("load", () => seen.classList.remove("arriving"), { once: true });
    const door = h("button", { type: "button", class: "door", "aria-label": `Open ${said}` }, seen);
    door.addEventListener("click", () => this.#open(this.image));
    fill(this.frame, door);
  }
}
