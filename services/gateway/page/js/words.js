// What statuses, stages and failures are called on the page.

const BATCH = {
  queued: "waiting",
  running: "being made",
  succeeded: "done",
  partially_succeeded: "done, with gaps",
  failed: "failed",
  canceling: "being cancelled",
  canceled: "cancelled",
};

export function batchWord(batch) {
  return BATCH[batch.status] ?? batch.status;
}

/** Where an image is, in a few words. */
export function stageWord(image) {
  if (image.status === "queued" || image.stage === "queued") {
    return image.ahead ? `queued, ${image.ahead} ahead` : "queued";
  }
  if (image.stage === "cold-start") return "the GPU is starting";
  if (image.status === "running") return image.steps ? `step ${image.step} of ${image.steps}` : "rendering";
  return { failed: "failed", canceled: "cancelled", deleted: "deleted", placeholder: "placeholder" }[image.status] ?? "";
}

/** Why there is no picture, in words. */
export function why(image) {
  return image.error?.detail ?? (image.status === "canceled" ? "The batch was cancelled." : "");
}

export function numbers(batch) {
  if (!batch.indexes) return "numbers are being reserved";
  const { first, last } = batch.indexes;
  return first === last ? `number ${first}` : `numbers ${first} to ${last}`;
}

export function many(count, one, more = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : more}`;
}

export function when(moment) {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** A picture that fits a tile; the stored one where the gateway offers no smaller. */
export function small(image) {
  return image.thumbnail ?? image.url;
}
