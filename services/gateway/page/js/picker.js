// Chooses a character: a search field with a list under it (the WAI-ARIA combobox pattern).

import { fill, h, set } from "./dom.js";

let made = 0;

/** Tells `chosen` with the character, and `wanted` with a name that nobody has yet. */
export class Picker {
  #characters = [];
  #offered = [];
  #active = -1;

  constructor({ chosen, wanted }) {
    const id = `picker-${++made}`;
    this.#chosen = chosen;
    this.#wanted = wanted;
    this.list = h("ul", { id: `${id}-list`, role: "listbox", class: "choices", hidden: true, "aria-label": "Characters" });
    this.field = h("input", {
      id,
      type: "text",
      role: "combobox",
      autocomplete: "off",
      placeholder: "Search or name a new one",
      // Until it is known what there is to choose from.
      disabled: true,
      "aria-expanded": "false",
      "aria-controls": `${id}-list`,
      "aria-autocomplete": "list",
    });
    this.field.addEventListener("input", () => this.#show());
    this.field.addEventListener("focus", () => this.field.select());
    this.field.addEventListener("click", () => this.#show(""));
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("blur", () => this.#leave());
    this.element = h("div", { class: "picker" }, h("label", { for: id }, "Character"), this.field, this.list);
  }

  #chosen;
  #wanted;

  get current() {
    return this.character ?? null;
  }

  get known() {
    return this.#characters;
  }

  offer(characters) {
    this.#characters = characters;
    set(this.field, "disabled", false);
  }

  choose(character) {
    this.character = character;
    this.field.value = character?.name ?? "";
    this.#hide();
    if (character) this.#chosen(character);
  }

  #show(words = this.field.value) {
    const sought = words.trim().toLowerCase();
    const found = this.#characters.filter((each) => each.name.toLowerCase().includes(sought));
    const named = this.#characters.some((each) => each.name.toLowerCase() === sought);
    this.#offered = found.slice(0, 50).map((character) => ({ character }));
    if (sought && !named) this.#offered.push({ name: words.trim() });
    this.#active = -1;
    fill(this.list, ...this.#offered.map((each, place) => this.#choice(each, place)));
    set(this.list, "hidden", this.#offered.length === 0);
    set(this.field, "aria-expanded", this.#offered.length > 0 ? "true" : "false");
    set(this.field, "aria-activedescendant", null);
  }

  #choice({ character, name }, place) {
    const said = character
      ? [h("span", {}, character.name), character.premade && h("span", { class: "badge" }, "premade")]
      : [h("span", {}, `New character “${name}” …`)];
    const choice = h("li", { role: "option", id: `${this.list.id}-${place}`, "aria-selected": "false" }, ...said);
    // Before the field loses focus, which would close the list.
    choice.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.#take(place);
    });
    return choice;
  }

  #key(event) {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) this.#show("");
      else this.#move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      this.#take(Math.max(this.#active, 0));
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      this.#hide();
    }
  }

  #move(by) {
    const count = this.#offered.length;
    this.#active = (this.#active + by + count + (this.#active < 0 && by < 0 ? 1 : 0)) % count;
    [...this.list.children].forEach((child, place) => {
      set(child, "aria-selected", place === this.#active ? "true" : "false");
      if (place === this.#active) {
        set(this.field, "aria-activedescendant", child.id);
        child.scrollIntoView({ block: "nearest" });
      }
    });
  }

  #take(place) {
    const offered = this.#offered[place];
    if (!offered) return;
    if (offered.character) this.choose(offered.character);
    else {
      this.#hide();
      this.#wanted(offered.name);
    }
  }

  #leave() {
    this.#hide();
    if (this.character) this.field.value = this.character.name;
  }

  #hide() {
    set(this.list, "hidden", true);
    set(this.field, "aria-expanded", "false");
    set(this.field, "aria-activedescendant", null);
  }
}
