// Several images at once: favourite, delete, put into a collection.

import { call } from "./api.js";
import { name, sure } from "./dialogs.js";
import { fill, h, say, set, toast } from "./dom.js";
import { saved } from "./saving.js";
import { many } from "./words.js";

//: Images that one call may name.
const MOST = 500;
//: Images that an archive may be asked for by their ids.
const ARCHIVED = 100;

export class Selection {
  #chosen = new Set();
  #last = null;

  /** `here` is the character; `shown()` are the images to choose from, in their order; `inside()` is the collection that is looked at, if
      any; `told` hears of all collections as they are now. */
  constructor({ collections, here, shown, inside, told, done }) {
    Object.assign(this, { collections, here, shown, inside, told, done });
    this.count = h("span", { role: "status" });
    this.into = h("select", { "aria-label": "Put into a collection", onchange: () => this.#collect() });
    this.#offer();
    this.element = h(
      "div",
      { class: "selection", hidden: true, role: "toolbar", "aria-label": "Selected images" },
      this.count,
      button("Favourite", () => this.#bulk("favourite", "marked as favourites")),
      button("Not favourite", () => this.#bulk("unfavourite", "no longer favourites")),
      this.into,
      button("Download", () => this.#download()),
      (this.out = button("Take out of the collection", () => this.#takeOut())),
      button("Delete", () => this.#delete(), "danger"),
      button("Clear", () => this.clear()),
    );
  }

  /** The box that chooses an image; with Shift, all from the last one to this. */
  box(image, said) {
    const box = h("input", { type: "checkbox", class: "mark", value: image.id, "aria-label": `Select ${said.toLowerCase()}` });
    box.checked = this.#chosen.has(image.id);
    box.addEventListener("click", (event) => {
      const range = event.shiftKey && this.#last ? this.#range(image.id) : [image.id];
      for (const id of range) box.checked ? this.#chosen.add(id) : this.#chosen.delete(id);
      this.#last = image.id;
      this.#show();
    });
    return box;
  }

  clear() {
    this.#chosen.clear();
    this.#last = null;
    this.#show();
  }

  #range(id) {
    const ids = this.shown().map((each) => each.id);
    const places = [id, this.#last].map((each) => ids.indexOf(each));
    return places.includes(-1) ? [id] : ids.slice(Math.min(...places), Math.max(...places) + 1);
  }

  #show() {
    for (const box of document.querySelectorAll(".mark")) box.checked = this.#chosen.has(box.value);
    set(this.element, "hidden", this.#chosen.size === 0);
    set(this.out, "hidden", !this.inside());
    say(this.count, `${many(this.#chosen.size, "image")} selected`);
  }

  offer(collections) {
    this.collections = collections;
    this.#offer();
  }

  #offer() {
    const options = this.collections.map((each) => h("option", { value: each.id }, each.name));
    fill(this.into, h("option", { value: "" }, "Add to collection …"), ...options, h("option", { value: "new" }, "New collection …"));
  }

  async #delete() {
    const count = this.#chosen.size;
    const yes = await sure(`Delete ${many(count, "image")}?`, "They are taken out of storage. Their numbers are never used again.", "Delete");
    if (yes) await this.#bulk("delete", "deleted");
  }

  async #bulk(action, said) {
    try {
      const ids = [...this.#chosen];
      let done = 0;
      for (let at = 0; at < ids.length; at += MOST) {
        const told = await call("POST", "/v1/images/bulk", { body: { action, ids: ids.slice(at, at + MOST) } });
        done += told.items.filter((each) => !["not_found", "not_stored"].includes(each.status)).length;
      }
      toast(`${many(done, "image")} ${said}`);
      await this.done();
    } catch (error) {
      toast(error.message, "wrong");
    }
  }

  async #download() {
    const ids = [...this.#chosen];
    if (ids.length > ARCHIVED) return toast(`At most ${ARCHIVED} at once; put them into a collection and download that.`, "wrong");
    const one = `/v1/images/${encodeURIComponent(ids[0])}/file`;
    try {
      await (ids.length === 1 ? saved(one, "image") : saved(`${this.here}/export?ids=${ids.map(encodeURIComponent)}`, "images.zip"));
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "wrong");
    }
  }

  async #takeOut() {
    const here = this.inside();
    try {
      for (const id of this.#chosen) {
        await call("DELETE", `/v1/collections/${here}/images/${encodeURIComponent(id)}`);
      }
      await this.done();
    } catch (error) {
      toast(error.message, "wrong");
    }
  }

  async #collect() {
    const chosen = this.into.value;
    this.into.value = "";
    if (!chosen) return;
    const make = (written) => call("POST", "/v1/collections", { body: { name: written } });
    const collection = chosen === "new" ? await name("New collection", "Name", "", "Make", make) : this.collections.find((each) => each.id === chosen);
    if (!collection) return;
    if (chosen === "new") this.told([...this.collections, collection]);
    try {
      const ids = [...this.#chosen];
      for (let at = 0; at < ids.length; at += MOST) {
        await call("POST", `/v1/collections/${collection.id}/images`, { body: { ids: ids.slice(at, at + MOST) } });
      }
      toast(`Put into ${collection.name}`);
      this.clear();
    } catch (error) {
      toast(error.message, "wrong");
    }
  }
}

function button(said, act, kind = "quiet") {
  return h("button", { type: "button", class: kind, onclick: act }, said);
}
