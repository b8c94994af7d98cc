// The parts of the operate page that only show: each has its element, and shows an overview in it.

import { fill, h, say } from "./dom.js";
import { many } from "./words.js";

/** The figures that one looks at first. */
export function tiles() {
  const figures = h("dl", { class: "figures" });
  const show = ({ images, in_flight, dead_letters, processes: all, backends: fleet }) => {
    const ready = all.filter((each) => each.ready && !each.silent).length;
    const healthy = fleet.filter((each) => each.healthy).length;
    fill(
      figures,
      figure("Images a minute", images.per_minute_of_5.toLocaleString(), `${images.per_minute_of_60.toLocaleString()} over the last hour`),
      figure("Waiting", images.outstanding.toLocaleString(), `${in_flight.toLocaleString()} in flight`),
      figure("Without a picture", (images.placeholders_last_hour + images.failed_last_hour).toLocaleString(), `${many(images.placeholders_last_hour, "placeholder")} in the last hour`, images.failed_last_hour > 0),
      figure("Dead letters", dead_letters.toLocaleString(), dead_letters ? "see below" : "none", dead_letters > 0),
      figure("Processes ready", `${ready} of ${all.length}`, ready < all.length ? "some are not" : "all of them", ready < all.length),
      figure("Backends healthy", `${healthy} of ${fleet.length}`, healthy < fleet.length ? "some rest" : "all of them", healthy < fleet.length),
    );
  };
  return { element: section("Figures", [figures], "unseen"), show };
}

function figure(name, value, more, wrong = false) {
  return h("div", { class: wrong ? "figure bad" : "figure" }, h("dt", {}, name), h("dd", { class: "value" }, value), h("dd", { class: "facts" }, more));
}

export function queues() {
  const { element, rows } = list("Queues", ["Queue", null, "#Waiting", "#Dead"]);
  const show = ({ queues: all }) => {
    const full = all.filter((queue) => queue.waiting || queue.dead_letters);
    const empty = all.length - full.length;
    const most = Math.max(1, ...full.map((queue) => queue.waiting));
    const note = full.length ? `${many(empty, "other queue is", "other queues are")} empty.` : "All queues are empty.";
    rows(
      full.map((queue) => [
        [queue.name],
        [bar(queue.waiting, most)],
        [queue.waiting.toLocaleString()],
        [queue.dead_letters ? h("span", { class: "wrong" }, queue.dead_letters.toLocaleString()) : queue.dead_letters],
      ]),
      empty > 0 && note,
    );
  };
  return { element, show };
}

export function processes() {
  const { element, rows } = list("Processes", ["Process", "State", "#In flight", "#Heard"]);
  const show = ({ processes: all }) =>
    rows(
      all.map((each) => [
        [each.service, h("span", { class: "facts under" }, each.instance)],
        state(each),
        [each.in_flight.toLocaleString()],
        [`${Math.round(each.seconds_ago)} s`],
      ]),
      all.length === 0 && "No process has said anything yet.",
    );
  return { element, show };
}

function state(process) {
  if (process.silent) return [mark("silent", false)];
  return process.ready ? [mark("ready", true)] : [mark("not ready", false), h("span", { class: "facts under" }, process.reason)];
}

export function backends() {
  const { element, rows } = list("Backends", ["Backend", "State", "#Busy", "#Speed"]);
  const show = ({ backends: all }) => rows(all.map(backend), all.length === 0 && "No renderer has told of a backend.");
  return { element, show };
}

function backend(each) {
  const partly = each.healthy && each.healthy_for < each.renderers;
  const word = partly ? `healthy for ${each.healthy_for} of ${each.renderers} renderers` : "healthy";
  const speed = each.seconds_per_image;
  return [
    [each.name, each.embeddings.length > 0 && h("span", { class: "facts under" }, `knows ${each.embeddings.join(", ")}`)],
    [mark(each.healthy ? word : "resting", each.healthy), each.reason && h("span", { class: "facts under" }, each.reason)],
    [`${each.busy} of ${each.depth}`],
    [speed === null ? "?" : `${speed.toLocaleString(undefined, { maximumFractionDigits: 1 })} s`],
  ];
}

export function failures() {
  const { element, rows } = list("Failures by cause, in the last hour", ["Cause", null, "#Images"]);
  const show = ({ failures: all }) => {
    const most = Math.max(1, ...all.map((each) => each.count));
    const told = all.map((each) => [[each.code], [bar(each.count, most)], [each.count.toLocaleString()]]);
    rows(told, all.length === 0 && "Nothing failed in the last hour.");
  };
  return { element, show };
}

/** As the number beside it says. */
function bar(value, most) {
  return h("progress", { max: most, value, "aria-hidden": "true" });
}

function mark(word, good) {
  return h("span", { class: good ? "mark good" : "mark bad" }, word);
}

/** A table and a note below it. Of its headings, null is that of bars, and `#` stands before those of numbers.
    `rows(lines, note)` shows lines of cells, each with its children. */
function list(title, headings) {
  const classes = headings.map((name) => (name === null ? "bar-cell" : name.startsWith("#") ? "number" : null));
  const head = (name, at) => (name === null ? h("td", { class: "bar-cell" }) : h("th", { scope: "col", class: classes[at] }, name.replace("#", "")));
  const body = h("tbody");
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...headings.map(head))), body);
  const note = h("p", { class: "facts" });
  const cell = (children, at) => h(at ? "td" : "th", at ? { class: classes[at] } : { scope: "row" }, ...children);
  const rows = (lines, words) => {
    fill(body, ...lines.map((line) => h("tr", {}, ...line.map(cell))));
    table.hidden = lines.length === 0;
    note.hidden = !words;
    say(note, words || "");
  };
  return { element: section(title, [table, note]), rows };
}

function section(title, content, heading = "") {
  return h("section", { class: heading ? "panel whole" : "panel", "aria-label": title }, h("h2", { class: heading || null }, title), ...content);
}
