// Files for the disk. They come through the gateway: a bare link has no token, and browsers don't give a name of
// ours to what another host delivers.

import { send } from "./api.js";
import { h } from "./dom.js";

//: Whatever is larger, or says no size, goes straight to the disk where the browser can, not through its memory.
const SMALL = 64 << 20;

/** Downloads what `path` answers, under the name that the answer gives it, else `name`. Raises Problem, Offline,
    and AbortError where nobody wants it after all. */
export async function saved(path, name) {
  const response = await send("GET", path);
  const given = response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] ?? name;
  const size = Number(response.headers.get("Content-Length") ?? Infinity);
  if (window.showSaveFilePicker && !(size < SMALL)) {
    const file = await window.showSaveFilePicker({ suggestedName: given });
    return response.body.pipeTo(await file.createWritable());
  }
  const address = URL.createObjectURL(await response.blob());
  h("a", { href: address, download: given }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
