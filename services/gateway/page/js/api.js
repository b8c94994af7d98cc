// Calls of the gateway's HTTP API. Every refusal is a Problem with the words that the gateway chose.

import { signOut, token } from "./session.js";

export class Problem extends Error {
  constructor(status, told) {
    super(told.detail || told.title || "The gateway did not answer as expected");
    this.status = status;
    this.code = told.code ?? "unknown";
    this.errors = told.errors ?? [];
  }
}

export class Offline extends Error {
  constructor() {
    super("The gateway can't be reached; trying again");
  }
}

/** The answer's JSON, null where it has none. Raises Problem and Offline. */
export async function call(method, path, { body, headers = {}, signal } = {}) {
  const response = await send(method, path, { body, headers, signal });
  const text = await response.text();
  return text ? read(text) : null;
}

/** JSON whose seeds are kept as text: they have 64 bits, and JavaScript's numbers 53. A quote inside a text is
    escaped, so what looks like a seed here is one. */
export function read(text) {
  return JSON.parse(text.replace(/"seed":\s*(\d+)/g, '"seed":"$1"'));
}

function written(body) {
  return JSON.stringify(body).replace(/"seed":"(\d+)"/g, '"seed":$1');
}

/** The raw answer, once it is a good one. */
export async function send(method, path, { body, headers = {}, signal } = {}) {
  const sent = { ...headers, Authorization: `Bearer ${token()}` };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : written(body),
      signal,
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Offline();
  }
  if (response.ok) return response;
  if (response.status === 401) signOut();
  throw new Problem(response.status, await response.json().catch(() => ({})));
}

/** Every item of a list, page by page. */
export async function* all(path) {
  let cursor = null;
  do {
    const joined = path.includes("?") ? "&" : "?";
    const page = await call("GET", cursor ? `${path}${joined}cursor=${encodeURIComponent(cursor)}` : path);
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor);
}
