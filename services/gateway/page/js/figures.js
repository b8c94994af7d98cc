// The parts of the operate page that only show: each has its element, and shows an overview in it.

import { fill, h } from "./dom.js";
import { many } from "./words.js";

/** The figures that one looks at first. */
export function tiles() {
  const list = h("dl", { class: "figures" });
  const show = ({ images, in_flight, dead_letters, processes: all, backends: fleet }) => {
    const ready = all.filter((each) => each.ready && !each.silent).length;
    const healthy = fleet.filter((each) => each.healthy).length;
    fill(
      list,
      figure("Images a minute", images.per_minute_of_5.toLocaleString(), `${images.per_minute_of_60.toLocaleString()} over the last hour`),
      figure("Waiting", images.outstanding.toLocaleString(), `${in_flight.toLocaleString()} in flight`),
      figure("Without a picture", (images.placeholders_last_hour + images.failed_last_hour).toLocaleString(), `${many(images.placeholders_last_hour, "placeholder")} in the last hour`, images.failed_last_hour > 0),
      figure("Dead letters", dead_letters.toLocaleString(), dead_letters ? "see below" : "none", dead_letters > 0),
      figure("Processes ready", `${ready} of ${all.length}`, ready < all.length ? "some are not" : "all of them", ready < all.length),
      figure("Backends healthy", `${healthy} of ${fleet.length}`, healthy < fleet.length ? "some rest" : "all of them", healthy < fleet.length),
    );
  };
  return { element: section("Figures", list, "unseen"), show };
}

function figure(name, value, more, wrong = false) {
  return h("div", { class: wrong ? "figure bad" : "figure" }, h("dt", {}, name), h("dd", { class: "value" }, value), h("dd", { class: "facts" }, more));
}

export function queues() {
  const body = h("tbody");
  const show = ({ queues: all }) => {
    const full = all.filter((queue) => queue.waiting || queue.dead_letters);
    const most = Math.max(1, ...all.map((queue) => queue.waiting));
    const empty = all.length - full.length;
    fill(
      body,
      ...full.map((queue) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, queue.name),
          h("td", { class: "bar-cell" }, bar(queue.waiting, most)),
          h("td", { class: "number" }, queue.waiting.toLocaleString()),
          h("td", { class: queue.dead_letters ? "number wrong" : "number" }, queue.dead_letters === null ? "" : queue.dead_letters.toLocaleString()),
        ),
      ),
      empty > 0 && nothing(4, full.length ? `${many(empty, "other queue is", "other queues are")} empty.` : `All ${empty} queues are empty.`),
    );
  };
  return { element: section("Queues", table(["Queue", null, "Waiting", "Dead"], body)), show };
}

export function processes() {
  const body = h("tbody");
  const show = ({ processes: all }) => {
    const rows = all.map((each) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, each.service, h("span", { class: "facts under" }, each.instance)),
        h("td", {}, ...state(each)),
        h("td", { class: "number" }, each.in_flight.toLocaleString()),
        h("td", { class: "number" }, `${Math.round(each.seconds_ago)} s`),
      ),
    );
    fill(body, ...(rows.length ? rows : [nothing(4, "No process has said anything yet.")]));
  };
  return { element: section("Processes", table(["Process", "State", "In flight", "Heard"], body)), show };
}

function state(process) {
  if (process.silent) return [mark("silent", false)];
  return process.ready ? [mark("ready", true)] : [mark("not ready", false), h("span", { class: "facts under" }, process.reason)];
}

export function backends() {
  const body = h("tbody");
  const show = ({ backends: all }) => {
    fill(body, ...(all.length ? all.map(backend) : [nothing(4, "No renderer has told of a backend.")]));
  };
  return { element: section("Backends", table(["Backend", "State", "Busy", "Speed"], body)), show };
}

function backend(each) {
  const partly = each.healthy && each.healthy_for < each.renderers;
  const told = [
    mark(each.healthy ? (partly ? `healthy for ${each.healthy_for} of ${each.renderers} renderers` : "healthy") : "resting", each.healthy),
    each.reason && h("span", { class: "facts under" }, each.reason),
  ];
  const offered = each.embeddings.length && h("details", { class: "under" }, h("summary", {}, many(each.embeddings.length, "embedding")), h("p", { class: "facts" }, each.embeddings.join(", ")));
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, each.name, offered || null),
    h("td", {}, ...told),
    h("td", { class: "number" }, `${each.busy} of ${each.depth}`),
    h("td", { class: "number" }, each.seconds_per_image === null ? "?" : `${each.seconds_per_image.toLocaleString(undefined, { maximumFractionDigits: 1 })} s`),
  );
}

export function failures() {
  const body = h("tbody");
  const show = ({ failures: all }) => {
    const most = Math.max(1, ...all.map((each) => each.count));
    const rows = all.map((each) =>
      h("tr", {}, h("th", { scope: "row" }, each.code), h("td", { class: "bar-cell" }, bar(each.count, most)), h("td", { class: "number" }, each.count.toLocaleString())),
    );
    fill(body, ...(rows.length ? rows : [nothing(3, "Nothing failed in the last hour.")]));
  };
  return { element: section("Failures by cause, in the last hour", table(["Cause", null, "Images"], body)), show };
}

/** As the number beside it says. */
function bar(value, most) {
  return h("progress", { max: most, value, "aria-hidden": "true" });
}

function mark(word, good) {
  return h("span", { class: good ? "mark good" : "mark bad" }, word);
}

function nothing(columns, words) {
  return h("tr", {}, h("td", { colspan: columns, class: "facts" }, words));
}

/** A heading of null is one that needs no words. */
function table(headings, body) {
  const heads = headings.map((name) => (name === null ? h("td") : h("th", { scope: "col" }, name)));
  return h("table", {}, h("thead", {}, h("tr", {}, ...heads)), body);
}

function section(title, content, heading = "") {
  return h("section", { class: heading ? "panel wide" : "panel", "aria-label": title }, h("h2", { class: heading || null }, title), content);
}
