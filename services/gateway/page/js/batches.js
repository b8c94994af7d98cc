// The batches on the page: what is known of each, kept up to date by its stream.

import { call, Problem } from "./api.js";
import { toast } from "./dom.js";
import { follow } from "./stream.js";

export const OVER = new Set(["succeeded", "partially_succeeded", "failed", "canceled"]);
//: Streams at once: browsers keep six connections to one host, and pictures need some.
const STREAMS = 3;
const LOOK = 3_000;

/** Tells `changed` (a batch that is known better now) and `line` (whether news come in). */
export class Batches extends EventTarget {
  #known = new Map();
  #followed = new Map();
  #asked = new Map();
  #cursor = null;
  #leaving = new AbortController();

  /** The heads of the newest, then of the older ones; false where there are no more. Their images come with
      `look`, and with the stream of what is under way. */
  async load(count = 12) {
    const after = this.#cursor ? `&cursor=${encodeURIComponent(this.#cursor)}` : "";
    const page = await call("GET", `/v1/batches?limit=${count}${after}`);
    this.#cursor = page.next_cursor;
    for (const head of page.items) if (!this.#known.has(head.id)) this.take({ ...head, images: null });
    return page.has_more;
  }

  /** Somebody sees it: its images are asked for, once, unless its stream brings them. */
  async look(id) {
    if (this.#followed.has(id)) return;
    try {
      await this.whole(id);
    } catch (error) {
      toast(error.message, "wrong");
    }
  }

  /** The batch with its images and settings. Raises Problem and Offline. */
  whole(id) {
    const known = this.#known.get(id);
    if (known.images) return Promise.resolve(known);
    if (!this.#asked.has(id)) {
      const asked = call("GET", `/v1/batches/${id}`, { signal: this.#leaving.signal }).finally(() => this.#asked.delete(id));
      this.#asked.set(id, asked.then((batch) => (this.take(batch), batch)));
    }
    return this.#asked.get(id);
  }

  get(id) {
    return this.#known.get(id);
  }

  /** A whole batch, as the gateway answered it. */
  take(batch) {
    this.#known.set(batch.id, batch);
    this.#changed(batch.id);
    if (!OVER.has(batch.status)) this.#follow(batch.id);
  }

  async cancel(id) {
    this.take(await call("POST", `/v1/batches/${id}/cancel`));
  }

  async retry(id, ordinals) {
    this.take(await call("POST", `/v1/batches/${id}/retry`, { body: ordinals ? { ordinals } : {} }));
  }

  close() {
    this.#leaving.abort();
  }

  async #follow(id) {
    if (this.#followed.has(id)) return;
    this.#followed.set(id, true);
    try {
      if (this.#followed.size <= STREAMS) await this.#stream(id);
      else await this.#poll(id);
    } catch (error) {
      if (error instanceof Problem) toast(error.message, "wrong");
      else throw error;
    } finally {
      this.#followed.delete(id);
      if (!this.#leaving.signal.aborted && !OVER.has(this.#known.get(id)?.status)) this.#follow(id);
    }
  }

  #stream(id) {
    const told = ({ event, data }) => this.#told(id, event, data);
    const state = (line) => this.dispatchEvent(new CustomEvent("line", { detail: line }));
    return follow(`/v1/batches/${id}/events`, { told, state, signal: this.#leaving.signal });
  }

  /** Beyond the streams there is a look now and then, until one is free. */
  async #poll(id) {
    while (this.#followed.size > STREAMS && !this.#leaving.signal.aborted) {
      if (this.#known.get(id).images) await new Promise((resolve) => setTimeout(resolve, LOOK));
      const batch = await call("GET", `/v1/batches/${id}`, { signal: this.#leaving.signal });
      this.#known.set(id, batch);
      this.#changed(id);
      if (OVER.has(batch.status)) return;
    }
  }

  #told(id, event, data) {
    const batch = this.#known.get(id);
    if (event === "completed" || (event === "status" && data.images)) this.#known.set(id, data);
    else if (event === "status") Object.assign(batch, data);
    else if (!batch.images) return;
    else if (event === "output") replaceImage(batch, data);
    else if (event === "progress") applyStep(batch, data);
    this.#changed(id);
  }

  #changed(id) {
    this.dispatchEvent(new CustomEvent("changed", { detail: this.#known.get(id) }));
  }
}

function replaceImage(batch, image) {
  const place = batch.images.findIndex((each) => each.ordinal === image.ordinal);
  if (place < 0) batch.images.push(image);
  else batch.images[place] = image;
  batch.images.sort((one, other) => one.ordinal - other.ordinal);
}

function applyStep(batch, told) {
  const image = batch.images.find((each) => each.ordinal === told.ordinal);
  if (!image || image.url) return;
  const { stage, step, steps, ahead } = told;
  Object.assign(image, { stage, step, steps, ahead });
  if (stage !== "queued") image.status = "running";
}
