// What of a character's images is shown, and in which order; and the archive of it.

import { send } from "./api.js";
import { fill, h, set, toast } from "./dom.js";

const SORTS = [
  ["newest", "Newest first"],
  ["oldest", "Oldest first"],
  ["-index", "Highest number first"],
  ["index", "Lowest number first"],
];

export class Filters {
  constructor({ collections, here, changed }) {
    this.favourite = toggle("Favourites", changed);
    this.placeholder = toggle("Placeholders", changed);
    this.sort = h("select", { "aria-label": "Order", onchange: changed }, ...SORTS.map(([value, said]) => h("option", { value }, said)));
    this.collection = h("select", { "aria-label": "Collection", onchange: changed });
    this.batch = h("input", { "aria-label": "Batch", type: "search", placeholder: "batch id", onchange: changed });
    this.archive = h("button", { type: "button", class: "quiet", onclick: () => this.#export(here) }, "Download all");
    this.element = h(
      "div",
      { class: "filters", role: "group", "aria-label": "Filters" },
      this.favourite,
      this.placeholder,
      this.sort,
      this.collection,
      this.batch,
      this.archive,
    );
    this.offer(collections);
  }

  offer(collections) {
    const kept = this.collection.value;
    const options = collections.map((each) => h("option", { value: each.id }, each.name));
    fill(this.collection, h("option", { value: "" }, "Every collection"), ...options);
    this.collection.value = kept;
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

  /** The token goes as a header, so the archive comes through here and not by a bare link. */
  async #export(here) {
    this.archive.disabled = true;
    try {
      const response = await send("GET", `${here}/export`);
      const name = response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] ?? "images.zip";
      await save(response, name);
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "wrong");
    } finally {
      this.archive.disabled = false;
    }
  }
}

/** Straight to the disk where the browser can, else through its memory. */
async function save(response, name) {
  if (window.showSaveFilePicker) {
    const file = await window.showSaveFilePicker({ suggestedName: name });
    return response.body.pipeTo(await file.createWritable());
  }
  const address = URL.createObjectURL(await response.blob());
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
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
