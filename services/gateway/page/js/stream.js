// Server-sent events over fetch: EventSource can't send the token as a header, and an address is no place for it.

import { Problem, read, send } from "./api.js";

const LONGEST_PAUSE = 15_000;
//: The gateway says something every 15 seconds; longer silence is a connection that died unseen.
const SILENCE = 40_000;

/**
 * Follows a stream until `signal` aborts or the gateway says that nothing more will come, over lost connections
 * and restarts. `told({event, data, id})` hears each event once; `state("live" | "lost")` how the line is.
 */
export async function follow(path, { told, state = () => {}, signal }) {
  let last = null;
  let pause = 500;
  while (!signal.aborted) {
    const line = new AbortController();
    const stop = () => line.abort();
    signal.addEventListener("abort", stop);
    try {
      const headers = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
      const response = await send("GET", path, { headers, signal: line.signal });
      state("live");
      if (response.status === 204) return;
      pause = 500;
      for await (const event of events(response.body, line)) {
        if (event.retry) pause = event.retry;
        if (event.id !== undefined) last = event.id;
        if (event.data !== undefined) told({ ...event, data: read(event.data) });
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
      state("lost");
    } finally {
      signal.removeEventListener("abort", stop);
    }
    await pauseFor(pause + Math.random() * 500, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

async function* events(body, line) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let kept = "";
  for (;;) {
    const watchdog = setTimeout(() => line.abort(), SILENCE);
    const { value, done } = await reader.read().finally(() => clearTimeout(watchdog));
    if (done) return;
    const text = kept + value;
    // Half of a line's end may still be on its way.
    const held = text.endsWith("\r") ? "\r" : "";
    const blocks = text.slice(0, text.length - held.length).replace(/\r\n?/g, "\n").split("\n\n");
    kept = blocks.pop() + held;
    for (const block of blocks) yield parsed(block);
  }
}

/** One event of the stream's text. */
export function parsed(block) {
  const event = { event: "message" };
  for (const line of block.split("\n")) {
    const [, name, value] = line.match(/^([^:]*)(?:: ?)?(.*)$/);
    if (name === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`;
    else if (name === "event" || name === "id") event[name] = value;
    else if (name === "retry" && /^\d+$/.test(value)) event.retry = Number(value);
  }
  return event;
}

function pauseFor(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      removeEventListener("online", done);
      resolve();
    }
    signal.addEventListener("abort", done);
    addEventListener("online", done);
  });
}
