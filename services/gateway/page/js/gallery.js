// A character's images: a grid that grows while one scrolls, filters, selection, collections.

import { all, call } from "./api.js";
import { characters, recent, remember } from "./characters.js";
import { fill, h, say, set, toast } from "./dom.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { Lightbox } from "./lightbox.js";
import { Picker } from "./picker.js";
import { Selection } from "./selection.js";
import { many } from "./words.js";

/** Fills `room`; `path` names the character, else it is the last one looked at, and a batch of it, if any. */
export async function gallery(room, { path, go }) {
  const leaving = new AbortController();
  const empty = h("p", { class: "empty", hidden: true });
  const counted = h("p", { class: "facts", role: "status" });
  let shown = null;
  const picker = new Picker({ chosen: (character) => character !== shown && go(`gallery/${encodeURIComponent(character.id)}`), wanted: () => toast("A new character is made where images are made.", "wrong") });
  const head = h("div", { class: "gallery-head" }, picker.element);
  fill(room, h("h1", { class: "unseen" }, "Gallery"), head, empty);

  const known = await characters();
  picker.offer(known);
  const character = known.find((each) => each.id === path[0]) ?? recent(known) ?? known[0];
  if (!character) {
    say(empty, "No characters yet. Make the first images, and they appear here.");
    set(empty, "hidden", false);
    return () => leaving.abort();
  }
  remember(character);
  shown = character;
  picker.choose(character);

  const here = `/v1/characters/${encodeURIComponent(character.id)}`;
  const collections = await gather("/v1/collections?limit=100");
  const told = (now) => [selection, filters].forEach((each) => each.offer(now));
  const again = () => grid.restart();
  const selection = new Selection({ collections, here, told, done: again, shown: () => grid.images, inside: () => filters.collection.value });
  const filters = new Filters({ collections, told, here, batch: path[1] ?? "", changed: again });
  const grid = new Grid({
    signal: leaving.signal,
    load: (cursor) => call("GET", `${here}/images?${filters.query(cursor)}`, { signal: leaving.signal }),
    selection,
    open: (image) => lightbox().open(image),
    told: ({ images, over }) => {
      say(counted, `${many(images.length, "image")}${over ? "" : " so far"}`);
      set(empty, "hidden", images.length > 0 || !over);
      say(empty, filters.active ? "Nothing here with these filters." : "No images of this character yet.");
    },
  });
  const lightbox = () =>
    new Lightbox({
      images: grid.images,
      more: () => grid.more(),
      changed: (image) => grid.refresh(image),
      deleted: (image) => grid.drop(image),
      closed: (image) => grid.reveal(image),
      reuse: (wish) => go("make", { wish }),
    });

  head.append(filters.element, counted);
  empty.before(selection.element);
  empty.after(grid.element);
  await grid.restart();
  return () => leaving.abort();
}

async function gather(path) {
  const found = [];
  for await (const each of all(path)) found.push(each);
  return found;
}
