// For whoever runs it: how the processes, the fleet and the queues stand, asked every two seconds while seen.

import { call, Offline, Problem } from "./api.js";
import { DeadLetters } from "./dead.js";
import { fill, h, say } from "./dom.js";
import { backends, failures, processes, queues, tiles } from "./figures.js";

const LOOK = 2_000;

export async function operate(room) {
  const told = await call("GET", "/v1/operate");
  const news = h("p", { class: "facts", role: "status" });
  const parts = [tiles(), queues(), failures(), processes(), backends()];
  const [first, ...others] = parts.map((part) => part.element);
  const dead = new DeadLetters();
  fill(
    room,
    h(
      "div",
      { class: "operate" },
      h("header", {}, h("h1", {}, "Operate"), news),
      first,
      h("div", { class: "column" }, ...others.slice(0, 2)),
      h("div", { class: "column" }, ...others.slice(2)),
      dead.element,
    ),
  );
  const show = (overview) => {
    for (const part of parts) part.show(overview);
    dead.counted(overview);
  };
  show(told);
  return repeat(async (signal) => {
    try {
      show(await call("GET", "/v1/operate", { signal }));
      say(news, "");
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Offline || error instanceof Problem)) throw error;
      say(news, `These figures are old: ${error.message}`);
    }
  });
}

/** Works again and again while the page is seen, and at once when it is seen again; what ends it comes back. */
function repeat(work) {
  const leaving = new AbortController();
  let timer;
  let busy = false;
  const round = async () => {
    clearTimeout(timer);
    if (busy || document.hidden || leaving.signal.aborted) return;
    busy = true;
    try {
      await work(leaving.signal);
    } finally {
      busy = false;
      if (!leaving.signal.aborted) timer = setTimeout(round, LOOK);
    }
  };
  timer = setTimeout(round, LOOK);
  document.addEventListener("visibilitychange", round, { signal: leaving.signal });
  return () => {
    clearTimeout(timer);
    leaving.abort();
  };
}
