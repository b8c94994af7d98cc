// What of a character's images is shown, and in which order; and the archive of that.

import { call } from "./api.js";
import { name, sure } from "./dialogs.js";
import { busy, fill, h, set, toast } from "./dom.js";
import { saved } from "./saving.js";

const SORTS = [
  ["newest", "Newest first"],
  ["oldest", "Oldest first"],
  ["-index", "Highest number first"],
  ["index", "Lowest number first"],
];

export class Filters {
  /** `told` hears of all collections as they are now, `changed` that something else is to be shown. */
  constructor({ collections, here, batch, changed, told }) {
    Object.assign(this, { changed, told });
    this.favourite = toggle("Favourites", changed);
    this.placeholder = toggle("Placeholders", changed);
    this.sort = h("select", { "aria-label": "Order", onchange: changed }, ...SORTS.map(([value, said]) => h("option", { value }, said)));
    this.collection = h("select", { "aria-label": "Collection", onchange: changed });
    this.rename = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.#rename() }, "Rename collection");
    this.drop = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.#drop() }, "Drop collection");
    this.collection.addEventListener("change", () => this.#chosenCollection());
    this.batch = h("input", { "aria-label": "Batch", type: "search", placeholder: "batch id", value: batch, onchange: changed });
    this.archive = h("button", { type: "button", class: "quiet", title: "What is shown, as one archive", onclick: () => this.#export(here) }, "Download");
    this.element = h(
      "div",
      { class: "filters", role: "group", "aria-label": "Filters" },
      this.favourite,
      this.placeholder,
      this.sort,
      this.collection,
      this.rename,
      this.drop,
      this.batch,
      this.archive,
    );
    this.offer(collections);
  }

  /** Shows what there is to choose from, after somebody made, renamed or dropped one. */
  offer(collections) {
    this.collections = collections;
    const kept = this.collection.value;
    const options = collections.map((each) => h("option", { value: each.id }, each.name));
    fill(this.collection, h("option", { value: "" }, "Every collection"), ...options);
    this.collection.value = collections.some((each) => each.id === kept) ? kept : "";
    this.#chosenCollection();
  }

  #chosenCollection() {
    for (const button of [this.rename, this.drop]) set(button, "hidden", !this.collection.value);
  }

  async #rename() {
    const known = this.collections.find((each) => each.id === this.collection.value);
    const act = (written) => call("PATCH", `/v1/collections/${known.id}`, { body: { name: written } });
    const renamed = await name("Rename collection", "Name", known.name, "Rename", act);
    if (!renamed) return;
    Object.assign(known, renamed);
    this.told(this.collections);
  }

  async #drop() {
    const known = this.collections.find((each) => each.id === this.collection.value);
    if (!(await sure(`Drop ${known.name}?`, "Its images stay where they are.", "Drop"))) return;
    try {
      await call("DELETE", `/v1/collections/${known.id}`);
      this.told(this.collections.filter((each) => each !== known));
      this.changed();
    } catch (error) {
      toast(error.message, "wrong");
    }
  }

  get active() {
    return this.#chosen().size > 0;
  }

  query(cursor) {
    const asked = this.#chosen();
    asked.set("sort", this.sort.value);
    asked.set("limit", "60");
    if (cursor) asked.set("cursor", cursor);
    return asked.toString();
  }

  #chosen() {
    const asked = new URLSearchParams();
    if (pressed(this.favourite)) asked.set("favourite", "true");
    if (pressed(this.placeholder)) asked.set("placeholder", "true");
    if (this.collection.value) asked.set("collection", this.collection.value);
    if (this.batch.value.trim()) asked.set("batch", this.batch.value.trim());
    return asked;
  }

  async #export(here) {
    try {
      await busy(this.archive, () => saved(`${here}/export?${this.#chosen()}`, "images.zip"));
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "wrong");
    }
  }
}

function toggle(said, changed) {
  const button = h("button", { type: "button", class: "quiet", "aria-pressed": "false" }, said);
  button.addEventListener("click", () => {
    set(button, "aria-pressed", pressed(button) ? "false" : "true");
    changed();
  });
  return button;
}

function pressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}
