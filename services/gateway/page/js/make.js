// The page where images are made: the form, and the batches as they come in.

import { BatchCard } from "./batch.js";
import { Batches } from "./batches.js";
import { characters, remember } from "./characters.js";
import { fill, h, set, toast } from "./dom.js";
import { MakeForm } from "./form.js";
import { Lightbox } from "./lightbox.js";

/** Fills `room`; gives back what ends it. `wish`, where given, are settings to use again. */
export async function make(room, { wish }) {
  const batches = new Batches();
  const cards = new Map();
  const lost = h("p", { class: "note", hidden: true, role: "status" }, "The connection is lost. What is being made goes on; this page catches up by itself.");
  const nothing = h("p", { class: "empty", hidden: true }, "Nothing made yet. Choose a character, write a prompt, and watch the pictures come in.");
  const list = h("section", { class: "batches", "aria-label": "Batches" }, lost, nothing);
  const form = new MakeForm({ accepted: (batch) => accept(batch), chosen: remember });
  const reuse = (settings) => form.reuse(settings);

  function open(image, batch) {
    const images = batch.images.filter((each) => each.url).map((each) => ({ ...each, prompt: batch.prompt }));
    const deleted = (gone) => images.splice(images.indexOf(gone), 1);
    new Lightbox({ images, reuse, deleted }).open(images.find((each) => each.ordinal === image.ordinal));
  }

  function accept(batch) {
    batches.take(batch);
    cards.get(batch.id).element.scrollIntoView({ block: "nearest" });
  }

  const eye = new IntersectionObserver(seen, { rootMargin: "400px" });
  function seen(entries) {
    for (const { target } of entries.filter((each) => each.isIntersecting)) {
      eye.unobserve(target);
      batches.look(target.dataset.id);
    }
  }

  function card(batch) {
    const made = new BatchCard(batches, { open, reuse });
    Object.assign(made.element.dataset, { id: batch.id, at: batch.created_at });
    // Newest first, also where the older ones are still being loaded.
    const below = [...list.children].find((each) => each.dataset.at < batch.created_at);
    cards.set(batch.id, made);
    list.insertBefore(made.element, below ?? null);
    eye.observe(made.element);
    set(nothing, "hidden", true);
    return made;
  }

  // However many news of one batch come between two frames, it is shown once.
  const stale = new Map();
  batches.addEventListener("changed", ({ detail: batch }) => {
    if (!cards.has(batch.id)) card(batch).update(batch);
    if (stale.size === 0) requestAnimationFrame(show);
    stale.set(batch.id, batch);
  });
  function show() {
    for (const [id, batch] of stale) cards.get(id).update(batch);
    stale.clear();
  }
  batches.addEventListener("line", ({ detail }) => set(lost, "hidden", detail !== "lost"));

  const older = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => load().catch((error) => toast(error.message, "wrong")) }, "Show older batches");
  const load = async () => set(older, "hidden", !(await batches.load()));
  const shown = h("div", { class: "stack" }, list, h("div", {}, older));
  fill(room, h("h1", { class: "unseen" }, "Make images"), h("div", { class: "make" }, h("aside", {}, form.element), shown));
  await Promise.all([characters().then((known) => form.load(known)), load()]);
  set(nothing, "hidden", cards.size > 0);
  if (wish) reuse(wish);
  return () => {
    eye.disconnect();
    batches.close();
  };
}
