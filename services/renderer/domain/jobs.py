"""One image in one round: what is asked for, and the words in which it ends."""

from dataclasses import dataclass
from typing import NamedTuple

from contracts import names
from contracts.commands import GenerateBatch
from contracts.events import ImageFailed, ImageReady
from contracts.limits import MAX_SEED
from services.renderer.domain.remote import File, Remote
from services.renderer.domain.troubles import CANCELLED, lasting

#: A batch without a seed of its own gets one below this: exact in every JSON reader, with room to count up.
DRAWN_SEEDS = 2**48


class Key(NamedTuple):
    """Which image, and the how manieth attempt that somebody asked for."""

    batch_id: str
    ordinal: int
    round: int


@dataclass(frozen=True)
class Batch:
    """What all images of a batch have in common."""

    request: GenerateBatch
    folder: str
    first: int
    padding: int
    #: Drawn once, used where the request has none.
    seed: int


@dataclass(frozen=True)
class Job:
    """A row of the job book under our lease."""

    key: Key
    batch: Batch
    #: Epoch seconds of the round's beginning.
    created_at: float
    #: What those tries have cost that failed through no outage; each makes it more.
    tries: int
    backend: str
    remote_id: str
    #: Epoch seconds at which this try began.
    submitted_at: float
    #: True where nothing can have been sent under this remote id yet.
    fresh: bool
    cancelled: bool = False
    #: The backend's own name for the job, once it is known.
    receipt: str | None = None
    #: Where in which trace it was asked for, as W3C writes it.
    traceparent: str | None = None

    @property
    def index(self) -> int:
        return self.batch.first + self.key.ordinal

    @property
    def seed(self) -> int:
        """The batch's seed counted up by ordinal, so that the same request draws the same images."""
        asked = self.batch.request.seed
        return ((self.batch.seed if asked is None else asked) + self.key.ordinal) % (MAX_SEED + 1)

    @property
    def name(self) -> str:
        request = self.batch.request
        character = names.slug(request.character.name)
        return names.image_name(request.username, character, self.index, self.batch.padding)

    @property
    def subfolder(self) -> str:
        """Where the backend saves the image. A later try gets a place of its own: an identical graph would
        only be answered from the backend's cache, with the file that failed before."""
        place = f"{self.key.batch_id}/{self.key.round}"
        return f"{place}.{self.tries}" if self.tries else place

    @property
    def filename_prefix(self) -> str:
        return f"{self.subfolder}/{self.name}"

    def remote(self, output: str = "") -> Remote:
        """The job at its backend; `output` is the node whose image is wanted."""
        batch_id, ordinal, round_ = self.key
        return Remote(
            key=self.remote_id,
            receipt=self.receipt,
            label=f"{batch_id}/{ordinal}/{round_}.{self.tries}",
            output=output,
            file=File(f"{self.name}_00001_.png", self.subfolder),
        )


@dataclass(frozen=True)
class Picture:
    """Bytes that are an image to their end."""

    data: bytes
    md5: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True)
class Cost:
    """Milliseconds from the round's beginning to the start on a GPU, and from there to the finished image."""

    queue_ms: int
    gpu_ms: int


def cost(job: Job, finished_at: float, gpu_ms: int, queue_ms: int | None = None) -> Cost:
    """From our own clock and the backend's own durations; the two clocks are never compared. A backend that
    knows how long the job waited there knows it better than we, who look at it now and then."""
    if queue_ms is not None:
        return Cost(max(0, round((job.submitted_at - job.created_at) * 1000)) + queue_ms, gpu_ms)
    return Cost(max(0, round((finished_at - job.created_at) * 1000) - gpu_ms), gpu_ms)


def ready(job: Job, picture: Picture, spent: Cost, blob_key: str, used_embedding: bool) -> ImageReady:
    request = job.batch.request
    return ImageReady(
        batch_id=job.key.batch_id,
        ordinal=job.key.ordinal,
        round=job.key.round,
        index=job.index,
        folder=job.batch.folder,
        name=job.name,
        username=request.username,
        character=request.character,
        md5=picture.md5,
        byte_count=len(picture.data),
        media_type=picture.media_type,
        width=picture.width,
        height=picture.height,
        seed=job.seed,
        used_embedding=used_embedding,
        backend=job.backend,
        queue_ms=spent.queue_ms,
        gpu_ms=spent.gpu_ms,
        blob_key=blob_key,
    )


def failed(key: Key, batch: Batch, code: str, detail: str) -> ImageFailed:
    """A placeholder follows where the request wants one, except for what somebody did not want any more."""
    return ImageFailed(
        batch_id=key.batch_id,
        ordinal=key.ordinal,
        round=key.round,
        index=batch.first + key.ordinal,
        stage="render",
        code=code,
        detail=detail,
        retryable=not lasting(code),
        placeholder_follows=batch.request.on_failure == "placeholder" and code != CANCELLED,
    )


def cancelled(key: Key, batch: Batch) -> ImageFailed:
    return failed(key, batch, CANCELLED, "cancelled before it was rendered")


def buried(batch: Batch, quantity: int, reason: str) -> list[ImageFailed]:
    """What a batch says whose reservation never reached the job book."""
    detail = f"the renderer could not take the batch: {reason}"[:1000]
    keys = (Key(batch.request.batch_id, ordinal, 1) for ordinal in range(quantity))
    return [failed(key, batch, "dead_letter", detail) for key in keys]
