// Dead letters on the operate page: looked at, replayed, dropped. A look moves them all, so it is taken only
// when their number has changed, or when somebody asks.

import { call } from "./api.js";
import { sure } from "./dialogs.js";
import { fill, h, say, set, toast } from "./dom.js";
import { many, when } from "./words.js";

const SHOWN = 200;
//: Milliseconds after a replay in which they are looked at again and again: one that dies once more makes
//: their number what it was.
const WATCHED = 15_000;

export class DeadLetters {
  #letters = new Map();
  #chosen = new Set();
  #counted = null;
  #looking = false;
  #stale = false;
  #watchedUntil = 0;

  #title = h("h2", { tabindex: "-1" }, "Dead letters");
  #list = h("ul", { class: "letters" });
  #note = h("p", { class: "facts", role: "status" }, "Looking …");
  #all = h("input", { type: "checkbox", onchange: () => this.#choose([...this.#letters.keys()], this.#all.checked) });
  #queue = h("select", { "aria-label": "Queue", onchange: () => this.#look() }, h("option", { value: "" }, "every queue"));
  #reason = h("input", { type: "search", "aria-label": "Reason", placeholder: "part of the reason", maxlength: 200, onchange: () => this.#look() });
  #replay = h("button", { type: "button", class: "quiet", onclick: () => this.#settle("replay") }, "Replay");
  #drop = h("button", { type: "button", class: "danger", onclick: () => this.#settle("drop") }, "Drop");

  constructor() {
    const again = h("button", { type: "button", class: "quiet", onclick: () => this.#look() }, "Look again");
    this.element = h(
      "section",
      { class: "panel whole", "aria-label": "Dead letters" },
      this.#title,
      h("div", { class: "narrow" }, this.#queue, this.#reason, again),
      this.#note,
      h("div", { class: "actions choice" }, h("label", { class: "check" }, this.#all, "All shown"), this.#replay, this.#drop),
      this.#list,
    );
    this.#show();
  }

  /** What the overview says of their number. */
  counted({ queues }) {
    const dying = queues.filter((queue) => queue.dead_letters !== null);
    this.#offer(dying.map((queue) => queue.name));
    const counted = dying.map((queue) => `${queue.name} ${queue.dead_letters}`).join();
    if (counted === this.#counted && Date.now() > this.#watchedUntil) return;
    this.#counted = counted;
    this.#look();
  }

  #offer(names) {
    const known = new Set([...this.#queue.options].map((option) => option.value));
    this.#queue.append(...names.filter((name) => !known.has(name)).map((name) => h("option", { value: name }, name)));
  }

  async #look() {
    this.#stale = true;
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#stale) {
        this.#stale = false;
        this.#take(await call("GET", `/v1/operate/dead-letters?${this.#asked()}`));
      }
    } catch (error) {
      say(this.#note, error.message);
    } finally {
      this.#looking = false;
    }
  }

  #asked() {
    const asked = new URLSearchParams({ limit: SHOWN });
    if (this.#queue.value) asked.set("queue", this.#queue.value);
    if (this.#reason.value.trim()) asked.set("reason", this.#reason.value.trim());
    return asked;
  }

  /** Those that stay keep their elements: what is open stays open, and the focus where it is. */
  #take({ items, has_more }) {
    const old = this.#letters;
    this.#letters = new Map(items.map((letter) => [letter.id, old.get(letter.id) ?? this.#row(letter)]));
    for (const [id, row] of old) if (!this.#letters.has(id)) this.#forget(id, row);
    let place = this.#list.firstChild;
    for (const { element } of this.#letters.values()) {
      if (element === place) place = place.nextSibling;
      else this.#list.insertBefore(element, place);
    }
    const filtered = this.#queue.value || this.#reason.value.trim();
    const none = filtered ? "None of that kind." : "There are none: every message was handled.";
    say(this.#note, items.length ? `${has_more ? "The first " : ""}${many(items.length, "dead letter")}` : none);
    this.#show();
  }

  #forget(id, { element }) {
    this.#chosen.delete(id);
    element.remove();
  }

  #row(letter) {
    const box = h("input", { type: "checkbox", "aria-label": `Choose ${letter.id}`, onchange: () => this.#choose([letter.id], box.checked) });
    const body = h("div", { class: "stack" });
    const details = h(
      "details",
      { ontoggle: () => details.open && !body.firstChild && open(letter.id, body) },
      h("summary", {}, h("span", { class: "reason" }, letter.reason), h("span", { class: "facts" }, about(letter))),
      body,
    );
    return { element: h("li", {}, box, details), box };
  }

  #choose(ids, chosen) {
    for (const id of ids) {
      if (chosen) this.#chosen.add(id);
      else this.#chosen.delete(id);
    }
    this.#show();
  }

  #show() {
    const count = this.#chosen.size;
    for (const [id, { box }] of this.#letters) box.checked = this.#chosen.has(id);
    this.#all.checked = count > 0 && count === this.#letters.size;
    this.#all.indeterminate = count > 0 && count < this.#letters.size;
    set(this.#all.closest(".choice") ?? this.#all, "hidden", this.#letters.size === 0);
    for (const button of [this.#replay, this.#drop]) button.disabled = count === 0;
    say(this.#replay, count ? `Replay ${count}` : "Replay");
    say(this.#drop, count ? `Drop ${count}` : "Drop");
  }

  async #settle(deed) {
    const ids = [...this.#chosen];
    const [detail, yes, word] = WORDS[deed];
    if (!(await sure(`${yes} ${many(ids.length, "dead letter")}?`, detail, yes))) return;
    try {
      const { items } = await call("POST", `/v1/operate/dead-letters/${deed}`, { body: { ids } });
      const gone = items.filter((item) => item.status === "gone").length;
      toast(`${many(items.length - gone, "dead letter")} ${word}${gone ? `; ${gone} no longer lay there` : ""}`);
    } catch (error) {
      toast(error.message, "wrong");
    }
    this.#watchedUntil = Date.now() + WATCHED;
    await this.#look();
    // The button that had the focus is of no use any more.
    if ([document.body, this.#replay, this.#drop].includes(document.activeElement)) this.#title.focus();
  }
}

const WORDS = {
  replay: ["Each goes back into the queue that it died in. One that fails again comes back with its history.", "Replay", "replayed"],
  drop: ["They are forgotten for good: nobody will ever handle them.", "Drop", "dropped"],
};

function about(letter) {
  const told = [
    letter.queue,
    letter.batch_id && `batch ${letter.batch_id}`,
    letter.died_at ? when(letter.died_at) : "nobody knows when",
    many(letter.attempts, "attempt"),
    letter.earlier.length && `died ${letter.earlier.length + 1} times`,
  ];
  return told.filter(Boolean).join(" · ");
}

async function open(id, room) {
  fill(room, h("p", { class: "facts" }, "Looking …"));
  try {
    const letter = await call("GET", `/v1/operate/dead-letters/${encodeURIComponent(id)}`);
    const headers = Object.entries(letter.headers).filter(([name]) => name !== "x-history");
    fill(
      room,
      ...letter.earlier.map((death) => h("p", { class: "facts" }, `Before, ${death.at ? when(death.at) : "once"}: ${death.reason}`)),
      h("dl", { class: "headers" }, ...headers.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("pre", { tabindex: "0", role: "region", "aria-label": "Body" }, pretty(letter.body)),
      letter.truncated && h("p", { class: "facts" }, `It has ${letter.bytes.toLocaleString()} bytes; this is their beginning.`),
    );
  } catch (error) {
    fill(room, h("p", { class: "wrong" }, error.message));
  }
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
