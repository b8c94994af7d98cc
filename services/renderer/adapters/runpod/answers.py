"""What an endpoint's answers mean: where a job stands, its one image, and how many machines are up. Pure."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.renderer.adapters.runpod.failures import failure, trouble
from services.renderer.domain.remote import Attached, Finished, Image, Link, Queued, Remote, Running, Seen
from services.renderer.domain.troubles import Passing

Json = Mapping[str, Any]

#: Our own key for a job, beside its workflow; the worker ignores it.
KEY = "darkroom_key"


@dataclass(frozen=True)
class Health:
    """From `GET /health`: machines that are up, and jobs that wait."""

    workers: int
    waiting: int

    @property
    def cold(self) -> bool:
        """Jobs wait and nothing is up: a machine is being started, or none is to be had."""
        return self.waiting > 0 and self.workers == 0


def health(answer: Json) -> Health:
    workers, jobs = _object(answer.get("workers")), _object(answer.get("jobs"))
    return Health(_count(workers, "idle") + _count(workers, "running"), _count(jobs, "inQueue"))


def seen_in_status(answer: Json, remote: Remote) -> Seen:
    """From `GET /status/{id}`. Raises Hopeless or Passing where the job failed."""
    match answer.get("status"):
        case "IN_QUEUE":
            return Queued()
        case "COMPLETED":
            image = _result(answer.get("output"), remote)
            return Finished(image, _ms(answer, "executionTime"), _ms(answer, "delayTime"))
        case "FAILED":
            raise failure(answer)
        case "TIMED_OUT":
            raise Passing("render_deadline", "RunPod stopped the job at its time limit")
        case "CANCELLED":
            raise Passing("interrupted", "somebody cancelled the job at RunPod")
        case _:
            # A word that is not known is a job that goes on: the deadline ends it if it does not.
            return Running()


def is_ours(answer: Json, remote: Remote) -> bool:
    """Whether the job is the one that was sent under this key, as far as it says anything of itself. Asked
    where the id comes from somebody who cannot be trusted."""
    sent = _object(answer.get("input")).get(KEY)
    if sent is not None:
        return bool(sent == remote.key)
    names = [name for name, _ in _images(answer.get("output"))]
    return not names or any(name.startswith(_stem(remote)) for name in names)


def waited(answer: Json) -> float | None:
    """Seconds in RunPod's queue before it ran."""
    delay = _ms(answer, "delayTime")
    return None if delay is None else delay / 1000


def _result(output: Any, remote: Remote) -> Image:
    """A graph that failed after it had saved something is COMPLETED too, with `errors` beside the images:
    the same graph fails on a pod, and so it does here."""
    said = _object(output)
    errors = said.get("errors") or said.get("error")
    if errors:
        texts = errors if isinstance(errors, list) else [errors]
        raise trouble([text for text in texts if isinstance(text, str)])
    if output is None:
        raise Passing(
            "no_result",
            "the job is done but RunPod has no result of it, as happens with results that are too large; "
            "give the endpoint's worker an S3 bucket (BUCKET_ENDPOINT_URL and its keys), or ask for less",
        )
    # One file may be listed twice.
    return _one_image(list(dict.fromkeys(_images(output))), remote)


def _one_image(images: Sequence[tuple[str, str]], remote: Remote) -> Image:
    """A result names no node: the image is known by its name, or by being alone."""
    named = [data for name, data in images if name.startswith(_stem(remote))]
    found = named or [data for _, data in images]
    if not found:
        raise Passing("no_image", f"the workflow ended without an image from its output node {remote.output}")
    if len(found) > 1:
        raise Passing("too_many_images", f"the workflow made {len(found)} images where one was expected")
    return _image(found[0])


def _images(output: Any) -> Iterator[tuple[str, str]]:
    """Names and data."""
    images = _object(output).get("images")
    for image in images if isinstance(images, list) else ():
        about = _object(image)
        data = about.get("data")
        if isinstance(data, str) and data:
            yield str(about.get("filename", "")), data


def _image(data: str) -> Image:
    """The form counts, not the word beside it, which has changed before."""
    if data.startswith(("http://", "https://")):
        return Link(data)
    text = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return Attached(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise Passing("bad_image", "the endpoint's result is neither base64 nor a URL") from None


def _stem(remote: Remote) -> str:
    """The image's name with the `_` that ends it, so that image 1 is not taken for image 10."""
    return remote.file.filename.removesuffix("00001_.png")


def _ms(answer: Json, name: str) -> int | None:
    value = answer.get(name)
    return round(value) if isinstance(value, int | float) and value >= 0 else None


def _count(counts: Json, name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _object(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}
