// What is asked for: character, prompt, how many, size, seed, workflow.

import { call, Problem } from "./api.js";
import { recent } from "./characters.js";
import { newCharacter } from "./dialogs.js";
import { busy, fill, h, say, set, toast } from "./dom.js";
import { Picker } from "./picker.js";

const COUNTS = [1, 2, 4, 8];
const SIZES = [
  ["Portrait", 1024, 1536],
  ["Square", 1024, 1024],
  ["Landscape", 1536, 1024],
  ["Small portrait", 512, 768],
];
const KEPT = "darkroom.form";

/** Tells `accepted` with the new batch, `chosen` with a character. */
export class MakeForm {
  constructor({ accepted, chosen }) {
    this.#accepted = accepted;
    this.picker = new Picker({ chosen, wanted: (name) => this.#register(name) });
    this.prompt = h("textarea", { id: "prompt", rows: 4, required: true, placeholder: "What the pictures show" });
    this.negative = h("textarea", { id: "negative", rows: 2, placeholder: "What they do not show" });
    this.count = h("input", { id: "count", type: "number", min: 1, max: 1000, required: true, value: 4, inputmode: "numeric" });
    this.size = h("select", { id: "size" }, ...SIZES.map(([name, width, height]) => h("option", { value: `${width}x${height}` }, `${name}, ${width} × ${height}`)), h("option", { value: "own" }, "Own size …"));
    this.width = h("input", { id: "width", type: "number", min: 64, max: 4096, step: 8, value: 1024 });
    this.height = h("input", { id: "height", type: "number", min: 64, max: 4096, step: 8, value: 1536 });
    this.own = h("div", { class: "pair", hidden: true }, labelled("Width", this.width), labelled("Height", this.height));
    this.seed = h("input", { id: "seed", inputmode: "numeric", pattern: "[0-9]{1,20}", placeholder: "drawn anew" });
    this.workflow = h("select", { id: "workflow" }, h("option", {}, "portrait"));
    this.style = h("select", { id: "style" }, h("option", { value: "" }, "none"));
    this.submit = h("button", { type: "submit", class: "main" }, "Make 4 images");
    this.with = h("p", { class: "help", hidden: true });
    this.wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    this.element = this.#laidOut();
    this.count.addEventListener("input", () => this.#counted());
    this.size.addEventListener("change", () => this.#sized());
    this.workflow.addEventListener("change", () => {
      this.#styled();
      this.#with({});
    });
    this.element.addEventListener("submit", (event) => this.#ask(event));
    this.#recall();
  }

  #accepted;
  #workflows = [];
  //: Of the batch whose settings are used again; the form has no fields for them.
  #parameters = {};

  async load(characters) {
    this.picker.offer(characters);
    const last = recent(characters);
    if (last && !this.picker.current) this.picker.choose(last);
    const kept = this.workflow.value;
    // Without the list there is still the usual workflow to ask for.
    const told = await call("GET", "/v1/workflows").catch(() => null);
    this.#workflows = told?.items ?? [{ name: kept }];
    fill(this.workflow, ...this.#workflows.map((each) => h("option", { value: each.name }, each.name)));
    if (this.#workflows.some((each) => each.name === kept)) this.workflow.value = kept;
    this.#styled();
  }

  /** The settings of a batch, to be changed and asked for again. */
  reuse(batch) {
    const character = { ...batch.character };
    this.picker.choose(character);
    this.prompt.value = batch.prompt;
    this.negative.value = batch.negative_prompt ?? "";
    if (batch.quantity) this.count.value = batch.quantity;
    this.#own(batch.width, batch.height);
    this.seed.value = batch.seed ?? "";
    this.workflow.value = batch.workflow;
    this.#styled();
    this.style.value = batch.style ?? "";
    this.#with(batch.parameters ?? {});
    this.#counted();
    this.prompt.focus();
  }

  #laidOut() {
    const counts = COUNTS.map((count) => h("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => this.#counted(count), dataset: { count } }, String(count)));
    this.counts = h("div", { class: "counts", role: "group", "aria-label": "How many images" }, ...counts, h("label", { class: "number" }, h("span", { class: "unseen" }, "Another number of images"), this.count));
    return h(
      "form",
      { class: "make-form stack", novalidate: true, "aria-label": "Make images" },
      this.picker.element,
      labelled("Prompt", this.prompt),
      h("fieldset", {}, h("legend", {}, "Images"), this.counts),
      h("details", {}, h("summary", {}, "Size, seed and more"),
        h("div", { class: "stack" },
          labelled("Size", this.size), this.own,
          labelled("Not in the picture", this.negative),
          h("div", { class: "pair" }, labelled("Seed of the first", this.seed), labelled("Style", this.style)),
          labelled("Workflow", this.workflow))),
      this.with,
      this.wrong,
      this.submit,
    );
  }

  #counted(count) {
    if (count) this.count.value = count;
    const wanted = Number(this.count.value);
    for (const button of this.counts.querySelectorAll("button")) {
      set(button, "aria-pressed", Number(button.dataset.count) === wanted ? "true" : "false");
    }
    say(this.submit, `Make ${wanted || ""} image${wanted === 1 ? "" : "s"}`);
  }

  #sized() {
    set(this.own, "hidden", this.size.value !== "own");
    if (this.size.value === "own") return;
    const [width, height] = this.size.value.split("x");
    this.width.value = width;
    this.height.value = height;
  }

  #with(parameters) {
    this.#parameters = parameters;
    const told = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
    const none = h("button", { type: "button", class: "quiet", onclick: () => this.#with({}) }, "Leave out");
    set(this.with, "hidden", told.length === 0);
    fill(this.with, `With ${told.join(", ")} `, none);
  }

  #own(width, height) {
    const preset = `${width}x${height}`;
    this.size.value = [...this.size.options].some((each) => each.value === preset) ? preset : "own";
    this.#sized();
    this.width.value = width;
    this.height.value = height;
  }

  #styled() {
    const workflow = this.#workflows.find((each) => each.name === this.workflow.value);
    const styles = (workflow?.styles ?? []).map((each) => each.name ?? each);
    const kept = this.style.value;
    fill(this.style, h("option", { value: "" }, "none"), ...styles.map((each) => h("option", { value: each }, each)));
    if (styles.includes(kept)) this.style.value = kept;
  }

  async #register(name) {
    const character = await newCharacter(name);
    if (!character) return;
    this.picker.offer([...this.picker.known, character]);
    this.picker.choose(character);
  }

  async #ask(event) {
    event.preventDefault();
    if (this.#complete()) await busy(this.submit, () => this.#send());
  }

  async #send() {
    try {
      const batch = await call("POST", `/v1/characters/${this.picker.current.id}/batches`, {
        body: this.#wish(),
        headers: { Prefer: "respond-async", "Idempotency-Key": crypto.randomUUID() },
      });
      this.#refused("");
      this.#keep();
      this.#accepted(batch);
    } catch (error) {
      if (!(error instanceof Problem)) toast(error.message, "wrong");
      else this.#refused([error.message, ...error.errors.map((each) => `${each.pointer.slice(1)}: ${each.detail}`)].join(" · "));
    }
  }

  #complete() {
    const missing = [
      [!this.picker.current, this.picker.field, "Choose a character first."],
      [!this.prompt.value.trim(), this.prompt, "Write what the pictures show."],
      [!this.count.checkValidity(), this.count, "Ask for 1 to 1,000 images."],
      [!this.seed.checkValidity(), this.seed, "A seed is a whole number."],
      [!this.width.checkValidity() || !this.height.checkValidity(), this.width, "Width and height are 64 to 4,096 and divisible by 8."],
    ].find(([wrong]) => wrong);
    this.#refused(missing ? missing[2] : "");
    missing?.[1].closest("details")?.setAttribute("open", "");
    missing?.[1].focus();
    return !missing;
  }

  #wish() {
    const wish = {
      prompt: this.prompt.value.trim(),
      quantity: Number(this.count.value),
      width: Number(this.width.value),
      height: Number(this.height.value),
      workflow: this.workflow.value,
    };
    if (this.negative.value.trim()) wish.negative_prompt = this.negative.value.trim();
    if (Object.keys(this.#parameters).length) wish.parameters = this.#parameters;
    if (this.style.value) wish.style = this.style.value;
    if (this.seed.value.trim()) wish.seed = this.seed.value.trim().replace(/^0+(?=\d)/, "");
    return wish;
  }

  #refused(text) {
    say(this.wrong, text);
    set(this.wrong, "hidden", !text);
  }

  /** A reload finds the form as it was left. */
  #keep() {
    const { prompt, negative, count, width, height, workflow } = this;
    const kept = Object.entries({ prompt, negative, count, width, height, workflow }).map(([name, field]) => [name, field.value]);
    sessionStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(kept)));
  }

  #recall() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    for (const [name, value] of Object.entries(kept)) if (name !== "workflow") this[name].value = value;
    this.#own(this.width.value, this.height.value);
    this.#counted();
  }
}

function labelled(text, field) {
  return h("div", { class: "field" }, h("label", { for: field.id }, text), field);
}
