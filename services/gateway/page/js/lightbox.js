// One image in full, with everything it was made with. Arrows, Escape and f work as one expects.

import { call } from "./api.js";
import { busy, fill, h, say, set, sign, toast } from "./dom.js";
import { sure } from "./dialogs.js";
import { saved } from "./saving.js";
import { when, why } from "./words.js";

/**
 * `images` is a live list of shapes; `more()` may lengthen it. `changed(image)`, `deleted(image)` and
 * `closed(image)`, with the one seen last, tell whoever shows the list, `reuse(settings)` whoever has the form.
 */
export class Lightbox {
  #place = 0;

  constructor({ images, more = async () => {}, changed = () => {}, deleted = () => {}, closed = () => {}, reuse }) {
    Object.assign(this, { images, more, changed, deleted, reuse });
    this.picture = h("img", { class: "full", alt: "" });
    this.caption = h("h2", { id: "lightbox-title" });
    this.facts = h("dl", { class: "facts" });
    this.favourite = tool("star", "Favourite", () => this.#favour());
    this.previous = tool("left", "Previous image", () => this.#go(-1));
    this.next = tool("right", "Next image", () => this.#go(1));
    this.file = tool("download", "Download", () => this.#download());
    this.remove = tool("trash", "Delete", () => this.#delete());
    this.again = h("button", { type: "button", class: "quiet", onclick: () => this.#reuse() }, "Use these again");
    const close = tool("close", "Close", () => this.element.close());
    this.element = h(
      "dialog",
      { class: "lightbox", "aria-labelledby": "lightbox-title", tabindex: -1 },
      h("div", { class: "stage-area" }, this.previous, this.picture, this.next),
      h("div", { class: "side" }, h("div", { class: "tools" }, this.favourite, this.file, this.remove, close), this.caption, this.facts, this.again),
    );
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("close", () => {
      this.element.remove();
      if (this.image) closed(this.image);
    });
  }

  get image() {
    return this.images[this.#place];
  }

  open(image) {
    this.#place = Math.max(0, this.images.indexOf(image));
    document.body.append(this.element);
    this.element.showModal();
    // A button at the end of the list would take the keys with it.
    this.element.focus();
    return this.#show();
  }

  async #show() {
    const image = this.image;
    if (!image) return this.element.close();
    const words = image.prompt ?? image.name ?? "";
    this.picture.src = image.url;
    this.picture.alt = image.placeholder ? `Placeholder: ${why(image)}` : words;
    say(this.caption, image.name ?? `Number ${image.index}`);
    this.#ends();
    set(this.favourite, "aria-pressed", image.favourite ? "true" : "false");
    this.#tell(image, null);
    const known = await call("GET", `/v1/images/${encodeURIComponent(image.id)}`).catch(() => null);
    if (known && this.image === image) this.#tell(image, (this.settings = known));
    if (this.#place >= this.images.length - 5) await this.more();
    this.#ends();
  }

  /** Said, not disabled: whoever goes on by the same button keeps the focus. */
  #ends() {
    set(this.previous, "aria-disabled", this.#place === 0 ? "true" : "false");
    set(this.next, "aria-disabled", this.#place >= this.images.length - 1 ? "true" : "false");
  }

  #tell(image, known) {
    const made = { ...image, ...known, ...known?.settings };
    const rows = [
      ["Prompt", made.prompt],
      ["Not in the picture", made.negative_prompt],
      ["Seed", made.seed],
      ["Size", made.width && `${made.width} × ${made.height}`],
      ["Workflow", made.workflow],
      ["Style", made.style],
      ...Object.entries(made.parameters ?? {}),
      ["Made", made.created_at && when(made.created_at)],
      ["GPU time", made.gpu_ms && `${(made.gpu_ms / 1000).toFixed(1)} s`],
      ["Placeholder", made.placeholder && why(made)],
    ].filter(([, value]) => value);
    fill(this.facts, ...rows.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, String(value))]));
    set(this.again, "hidden", !made.prompt);
  }

  #key(event) {
    if (event.target.closest("input, textarea, dialog:not(.lightbox)")) return;
    if (event.key === "ArrowLeft") this.#go(-1);
    else if (event.key === "ArrowRight") this.#go(1);
    else if (event.key === "f") this.#favour();
    else return;
    event.preventDefault();
  }

  async #go(by) {
    const place = this.#place + by;
    // Whoever is quicker than the list waits for it.
    if (place >= this.images.length) await this.more();
    if (place !== this.#place + by || place < 0 || place >= this.images.length) return;
    this.#place = place;
    await this.#show();
  }

  async #favour() {
    const image = this.image;
    try {
      const kept = await call("PATCH", `/v1/images/${encodeURIComponent(image.id)}`, { body: { favourite: !image.favourite } });
      image.favourite = kept.favourite;
      set(this.favourite, "aria-pressed", image.favourite ? "true" : "false");
      this.changed(image);
    } catch (error) {
      toast(error.message, "wrong");
    }
  }

  async #delete() {
    const image = this.image;
    const yes = await sure("Delete this image?", `${image.name} is taken out of storage. Its number is never used again.`, "Delete");
    if (!yes) return;
    try {
      await call("DELETE", `/v1/images/${encodeURIComponent(image.id)}`);
      this.deleted(image);
      this.#place = Math.min(this.#place, this.images.length - 1);
      await this.#show();
    } catch (error) {
      toast(error.message, "wrong");
    }
  }

  async #download() {
    const { id, name } = this.image;
    try {
      await busy(this.file, () => saved(`/v1/images/${encodeURIComponent(id)}/file`, name));
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "wrong");
    }
  }

  #reuse() {
    const { character, settings } = this.settings ?? {};
    this.element.close();
    this.reuse({ character, ...this.settings, ...settings, quantity: null });
  }
}

function tool(drawn, said, act) {
  return h("button", { type: "button", class: "tool", "aria-label": said, title: said, onclick: act }, sign(drawn));
}
