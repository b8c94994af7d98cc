// The page where images are made: the form, and the batches as they come in.

import { BatchCard } from "./batch.js";
import { Batches } from "./batches.js";
import { characters, remember } from "./characters.js";
import { fill, h, set } from "./dom.js";
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

  batches.addEventListener("changed", ({ detail: batch }) => {
    if (!cards.has(batch.id)) {
      const card = new BatchCard(batches, { open, reuse });
      // Newest first, also where the older ones are still being loaded.
      const older = [...list.children].find((each) => each.dataset.at < batch.created_at);
      card.element.dataset.at = batch.created_at;
      cards.set(batch.id, card);
      list.insertBefore(card.element, older ?? null);
    }
    cards.get(batch.id).update(batch);
    set(nothing, "hidden", true);
  });
  batches.addEventListener("line", ({ detail }) => set(lost, "hidden", detail !== "lost"));

  fill(room, h("h1", { class: "unseen" }, "Make images"), h("div", { class: "make" }, h("aside", {}, form.element), list));
  await Promise.all([characters().then((known) => form.load(known)), batches.load()]);
  set(nothing, "hidden", cards.size > 0);
  if (wish) reuse(wish);
  return () => batches.close();
}
