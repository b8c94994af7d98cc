"""What the gateway counts: what is asked for, what comes of it, and how long that takes."""

from prometheus_client import Counter, Histogram

from services.gateway.domain.images import ImageState

#: Seconds: from a lone image on a fast GPU to one that waited behind a day's work.
_WHOLE = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 86_400)

ACCEPTED = Counter("darkroom_images_accepted", "Images of batches that were accepted")
FINISHED = Counter(
    "darkroom_images_finished",
    "Images that came to an end, a retried one each time: `succeeded`, `placeholder`, `failed`, `canceled`",
    ["end"],
)
SECONDS = Histogram(
    "darkroom_image_seconds",
    "From the acceptance of a batch to the end of its image, its first one",
    ["end"],
    buckets=_WHOLE,
)
HTTP = Histogram(
    "darkroom_http_seconds", "From the head of a request to the head of its answer", ["route", "answer"]
)


def ended(image: ImageState, seconds: float) -> None:
    end = image.status.word
    FINISHED.labels(end).inc()
    if image.round == 1:
        SECONDS.labels(end).observe(max(seconds, 0.0))
