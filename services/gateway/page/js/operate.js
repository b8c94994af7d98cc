// For whoever runs it: how the processes, the fleet and the queues stand.

import { fill, h } from "./dom.js";

export async function operate(room) {
  fill(room, h("h1", {}, "Operate"));
  return () => {};
}
