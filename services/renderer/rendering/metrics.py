"""What the renderer counts; submits divided by images that were delivered is what a picture costs."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from contracts.events import ImageFailed, ImageReady
from contracts.transient import BackendStatus

#: Seconds. Serverless queues and cold starts take minutes, a full book hours.
_RENDERS = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900)
_QUEUES = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86_400)

SUBMITTED = Counter("darkroom_renders_submitted", "Jobs that a backend took", ["backend"])
RENDERED = Counter("darkroom_images_rendered", "Images that were delivered", ["backend"])
ENDED = Counter(
    "darkroom_images_ended", "Images by how they ended: `done`, or the code of their failure", ["code"]
)
RETRIED = Counter(
    "darkroom_render_retries", "Tries of an image that were given up for another one, by reason", ["code"]
)
WAITING = Gauge("darkroom_images_waiting", "Images that wait in the job book, of all replicas")
WASTED = Counter(
    "darkroom_renders_wasted",
    "Images that a backend made although they had gone elsewhere, or were not wanted any more",
    ["backend"],
)
GPU_SECONDS = Counter("darkroom_gpu_seconds", "Seconds of execution on a backend", ["backend"])
RENDER_SECONDS = Histogram(
    "darkroom_render_seconds", "Execution of an image on its backend", ["backend"], buckets=_RENDERS
)
QUEUE_SECONDS = Histogram(
    "darkroom_queue_seconds", "From the request for an image to the begin of its execution", buckets=_QUEUES
)
SUBMITS_PER_IMAGE = Gauge(
    "darkroom_submits_per_image", "Jobs that backends took for each image delivered, since this process began"
)
HEALTHY = Gauge("darkroom_backend_healthy", "1 while the backend is given images", ["backend"])
BUSY = Gauge("darkroom_backend_busy", "Images that this process has at the backend", ["backend"])
IN_FLIGHT = Gauge("darkroom_images_in_flight", "Images that this process is at work on")


def ended(ending: ImageReady | ImageFailed) -> None:
    """Counts an image's end, its first one."""
    if isinstance(ending, ImageFailed):
        ENDED.labels(ending.code).inc()
        return
    ENDED.labels("done").inc()
    RENDERED.labels(ending.backend).inc()
    RENDER_SECONDS.labels(ending.backend).observe(ending.gpu_ms / 1000)
    QUEUE_SECONDS.observe(ending.queue_ms / 1000)


def in_vain(ending: ImageReady | ImageFailed) -> None:
    """Counts an end that came after another one: if it brought an image, that was paid for and is dropped."""
    if isinstance(ending, ImageReady):
        WASTED.labels(ending.backend).inc()


def show(backends: Iterable[BackendStatus], in_flight: int) -> None:
    """The fleet as it is now; a backend that left it is shown no longer."""
    HEALTHY.clear()
    BUSY.clear()
    for each in backends:
        HEALTHY.labels(each.name).set(each.healthy)
        BUSY.labels(each.name).set(each.busy)
    IN_FLIGHT.set(in_flight)


def _total(counter: Counter) -> float:
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


def _submits_per_image() -> float:
    rendered = _total(RENDERED)
    return _total(SUBMITTED) / rendered if rendered else 0.0


SUBMITS_PER_IMAGE.set_function(_submits_per_image)
