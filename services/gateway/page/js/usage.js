// What was made and what it cost, day by day.

import { call } from "./api.js";
import { characters } from "./characters.js";
import { fill, h, say } from "./dom.js";
import { many } from "./words.js";

const SPANS = [7, 30, 90];

export async function usage(room) {
  const names = new Map((await characters()).map((each) => [each.id, each.name]));
  const span = h("select", { id: "span" }, ...SPANS.map((days) => h("option", { value: days }, `the last ${days} days`)));
  span.value = "30";
  const total = h("p", { class: "facts", role: "status" });
  const rows = h("tbody");
  const heads = ["Day", "Character", "Images", "Placeholders", "Failures", "Cancelled", "GPU seconds"];
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((each, at) => h("th", { scope: "col", class: at > 1 ? "figure" : null }, each)))), rows);

  async function show() {
    const last = new Date();
    const first = new Date(last.getTime() - (span.value - 1) * 86_400_000);
    const told = await call("GET", `/v1/usage?first=${day(first)}&last=${day(last)}`);
    say(total, `${many(told.total.images, "image")}, ${many(Math.round(told.total.gpu_seconds), "GPU second")}`);
    fill(rows, ...told.items.map((each) => row(each, names)));
  }

  span.addEventListener("change", show);
  fill(
    room,
    h(
      "div",
      { class: "stack" },
      h("h1", {}, "Usage"),
      h("div", { class: "actions" }, h("label", { for: "span", class: "unseen" }, "Days"), h("div", {}, span)),
      total,
      h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Usage by day" }, table),
    ),
  );
  await show();
  return () => {};
}

function row(each, names) {
  const figures = [each.images, each.placeholders, each.failures, each.canceled, each.gpu_seconds.toFixed(1)];
  const name = names.get(each.character_id) ?? each.character_id;
  return h("tr", {}, h("td", {}, each.day), h("td", {}, name), ...figures.map((figure) => h("td", { class: "figure" }, figure)));
}

function day(moment) {
  return moment.toISOString().slice(0, 10);
}
