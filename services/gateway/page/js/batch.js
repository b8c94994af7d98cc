// One batch on the page: what was asked, how it stands, a tile per image, and what can be done about it.

import { OVER } from "./batches.js";
import { busy, h, say, set, toast } from "./dom.js";
import { MENDABLE, Tile } from "./tile.js";
import { batchWord, many, numbers, when } from "./words.js";

const UNDER_WAY = new Set(["queued", "running"]);
//: Tiles that a batch begins with, and with which it goes on where somebody wants to see more.
const FEW = 24;
const MORE = 96;

export class BatchCard {
  #tiles = new Map();
  #limit = FEW;
  #status = null;

  constructor(batches, { open, reuse }) {
    this.#batches = batches;
    this.#open = open;
    this.title = h("h2", { class: "prompt" });
    this.facts = h("p", { class: "facts" });
    this.state = h("span", { class: "state" });
    this.bar = h("progress", { max: 1, value: 0, "aria-label": "share of the batch" });
    this.cancel = h("button", { type: "button", class: "quiet" }, "Cancel");
    this.retry = h("button", { type: "button", class: "quiet" }, "Render the missing again");
    this.all = h("a", { class: "quiet", hidden: true }, "See in the gallery");
    this.reuse = h("button", { type: "button", class: "quiet" }, "Use these settings again");
    this.cancel.addEventListener("click", () => this.#do(this.cancel, () => batches.cancel(this.batch.id)));
    this.retry.addEventListener("click", () => this.#do(this.retry, () => batches.retry(this.batch.id)));
    this.reuse.addEventListener("click", () => this.#do(this.reuse, async () => reuse(await batches.whole(this.batch.id))));
    this.tiles = h("ul", { class: "tiles" });
    this.more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.#more() });
    this.element = h(
      "article",
      { class: "batch" },
      h("header", {}, this.title, this.facts, h("div", { class: "line" }, this.bar, this.state)),
      this.tiles,
      h("div", { class: "actions" }, this.more, this.cancel, this.retry, this.reuse, this.all),
    );
  }

  #batches;
  #open;

  /** `batch.images` is null where only its head is known yet. */
  update(batch) {
    this.batch = batch;
    const over = OVER.has(batch.status);
    this.#head(batch, over);
    set(this.bar, "hidden", over);
    set(this.cancel, "hidden", over);
    set(this.retry, "hidden", !over || !lacking(batch));
    set(this.all, "hidden", !over || batch.status === "failed");
    set(this.all, "href", `#/gallery/${encodeURIComponent(batch.character.id)}/${encodeURIComponent(batch.id)}`);
    set(this.tiles, "aria-busy", batch.images ? null : "true");
    if (!batch.images) return;
    this.#arrange(batch);
    this.#announce(batch, over);
  }

  #head(batch, over) {
    say(this.title, batch.prompt);
    const size = batch.width && `${batch.width} × ${batch.height}`;
    const facts = [batch.character.name, `${many(batch.quantity, "image")}, ${numbers(batch)}`, size, when(batch.created_at)];
    say(this.facts, facts.filter(Boolean).join(" · "));
    const { value, done, total } = batch.progress ?? { value: 0, done: over ? batch.quantity : 0, total: batch.quantity };
    say(this.state, batch.error ? `refused: ${batch.error.detail}` : `${batchWord(batch)}, ${done} of ${total}`);
    this.bar.value = value;
    this.element.dataset.status = batch.status;
  }

  /** The first ones, and of the others those that somebody may want to mend. What is shown once stays. */
  #arrange(batch) {
    const { images } = batch;
    const troubled = images.slice(this.#limit).filter((each) => MENDABLE.has(each.status));
    for (const image of [...images.slice(0, this.#limit), ...troubled.slice(0, FEW)]) {
      if (!this.#tiles.has(image.ordinal)) this.#add(image.ordinal);
    }
    for (const image of images) this.#tiles.get(image.ordinal)?.update(image, batch);
    const rest = images.length - this.#tiles.size;
    set(this.more, "hidden", rest === 0);
    say(this.more, `Show ${rest > MORE ? `${MORE} of ${rest.toLocaleString()}` : rest} more`);
  }

  #add(ordinal) {
    const tile = new Tile({ open: (each) => this.#open(each, this.batch), again: (each) => this.#again(tile, each) });
    const later = [...this.tiles.children].find((each) => Number(each.dataset.ordinal) > ordinal);
    tile.element.dataset.ordinal = ordinal;
    this.#tiles.set(ordinal, tile);
    this.tiles.insertBefore(tile.element, later ?? null);
  }

  #more() {
    this.#limit += MORE;
    this.#arrange(this.batch);
  }

  #again(tile, image) {
    return this.#do(tile.again, () => this.#batches.retry(this.batch.id, [image.ordinal]));
  }

  async #do(button, act) {
    try {
      await busy(button, act);
    } catch (error) {
      toast(error.message, "wrong");
    }
  }

  /** Once, when it ends before one's eyes; how it stands is told a moment before its last images are. */
  #announce(batch, over) {
    if (over && batch.images.some((each) => UNDER_WAY.has(each.status))) return;
    if (this.#status && !OVER.has(this.#status) && over) {
      const made = batch.images.filter((each) => each.status === "succeeded").length;
      toast(`${many(made, "image")} of ${batch.quantity} made of ${batch.character.name}`);
    }
    this.#status = batch.status;
  }
}

/** Whether something of it could be rendered again. */
function lacking({ images, status }) {
  if (!images) return status !== "succeeded";
  return images.some((each) => !["succeeded", "deleted"].includes(each.status));
}
