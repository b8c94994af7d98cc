"""What has to be seen of a batch in its trace, wherever its services run."""

from collections.abc import Iterable

from tests.journeys.collector import Collector, Seen

#: From an image's bytes in storage back to the command, and who did each.
BACKWARDS = [
    ("uploader", "upload"),
    ("uploader", "process uploader.ImageReady"),
    ("renderer", "publish ImageReady.v1"),
    ("renderer", "render"),
    ("renderer", "process renderer.IndicesReserved"),
    ("indexer", "publish IndicesReserved.v1"),
    ("indexer", "process indexer.GenerateBatch"),
]
ASKED = ("gateway", "publish GenerateBatch.v1")
#: What an image's time goes to, and whose part it is.
PARTS = {
    "queue": "process renderer.IndicesReserved",
    "submit": "render",
    "gpu": "render",
    "fetch": "render",
    "keep bytes": "render",
    "publish ImageStored.v1": "process uploader.ImageReady",
    "process gateway.ImageStored": "publish ImageStored.v1",
}


def flow(spans: Iterable[Seen]) -> list[tuple[str, str]]:
    return [(span.service.removeprefix("darkroom-"), span.name) for span in spans]


def images_led_back(collected: Collector, batch_id: str) -> list[list[tuple[str, str]]]:
    """Of each of its uploads, by whom it was led to."""
    (command,) = collected.named("process indexer.GenerateBatch", batch_id=batch_id)
    uploads = [span for span in collected.named("upload") if span.trace_id == command.trace_id]
    return [flow(collected.above(upload)) for upload in uploads]


def gaps(collected: Collector, batch_id: str, images: int) -> list[str]:
    """What is missing of the parts of its images, or hangs from something else."""
    (command,) = collected.named("process indexer.GenerateBatch", batch_id=batch_id)
    spans = [span for span in collected.spans if span.trace_id == command.trace_id]
    names = {span.span_id: span.name for span in spans}
    found = [f"{span.name} hangs from {names.get(span.parent_id)}" for span in spans if span.name in PARTS]
    wanted = [f"{name} hangs from {parent}" for name, parent in PARTS.items()] * images
    return sorted(set(found) ^ set(wanted)) or ([] if len(found) == len(wanted) else sorted(found))
