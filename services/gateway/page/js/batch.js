// One batch on the page: what was asked, how it stands, a tile per image, and what can be done about it.

import { OVER } from "./batches.js";
import { h, say, set, toast } from "./dom.js";
import { Tile } from "./tile.js";
import { batchWord, many, numbers, when } from "./words.js";

const UNDER_WAY = new Set(["queued", "running"]);

export class BatchCard {
  #tiles = new Map();
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
    this.reuse = h("button", { type: "button", class: "quiet" }, "Use these settings again");
    this.cancel.addEventListener("click", () => this.#do(this.cancel, () => batches.cancel(this.batch.id)));
    this.retry.addEventListener("click", () => this.#do(this.retry, () => batches.retry(this.batch.id)));
    this.reuse.addEventListener("click", () => reuse(this.batch));
    this.tiles = h("ul", { class: "tiles" });
    this.element = h(
      "article",
      { class: "batch" },
      h("header", {}, this.title, this.facts, h("div", { class: "line" }, this.bar, this.state)),
      this.tiles,
      h("div", { class: "actions" }, this.cancel, this.retry, this.reuse),
    );
  }

  #batches;
  #open;

  update(batch) {
    this.batch = batch;
    say(this.title, batch.prompt);
    const size = `${batch.width} × ${batch.height}`;
    say(this.facts, `${batch.character.name} · ${many(batch.quantity, "image")}, ${numbers(batch)} · ${size} · ${when(batch.created_at)}`);
    say(this.state, `${batchWord(batch)}, ${batch.progress.done} of ${batch.progress.total}`);
    this.bar.value = batch.progress.value;
    this.element.dataset.status = batch.status;
    const over = OVER.has(batch.status);
    set(this.bar, "hidden", over);
    set(this.cancel, "hidden", over);
    set(this.retry, "hidden", !over || !batch.images.some((each) => !["succeeded", "deleted"].includes(each.status)));
    if (batch.error) say(this.state, `refused: ${batch.error.detail}`);
    this.#arrange(batch);
    this.#announce(batch, over);
  }

  #arrange(batch) {
    for (const image of batch.images) {
      let tile = this.#tiles.get(image.ordinal);
      if (!tile) {
        tile = new Tile({ open: (each) => this.#open(each, this.batch), again: (each) => this.#again(tile, each) });
        this.#tiles.set(image.ordinal, tile);
        this.tiles.append(tile.element);
      }
      tile.update(image, batch);
    }
  }

  #again(tile, image) {
    return this.#do(tile.again, () => this.#batches.retry(this.batch.id, [image.ordinal]));
  }

  async #do(button, act) {
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      toast(error.message, "wrong");
    } finally {
      button.disabled = false;
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
