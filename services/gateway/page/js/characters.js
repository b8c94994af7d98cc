// The characters that the caller may picture, and the one he looked at last.

import { all } from "./api.js";

const RECENT = "darkroom.character";

/** Every one of them, by name. */
export async function characters() {
  const known = [];
  for await (const each of all("/v1/characters?limit=100")) known.push(each);
  return known.sort((one, other) => one.name.localeCompare(other.name));
}

/** The last one, if it is among these. */
export function recent(known) {
  return known.find((each) => each.id === localStorage.getItem(RECENT));
}

export function remember(character) {
  localStorage.setItem(RECENT, character.id);
}
