"""From what the gateway knows to what people see. Pure, but for progress, which is looked up."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from chassis.cloudinary_delivery import WIDTHS, thumbnail_url
from contracts import names
from contracts.transient import RenderProgress
from services.gateway.adapters.http.shapes import (
    BatchShape,
    BatchSummary,
    CharacterShape,
    ErrorShape,
    ImageShape,
    Indexes,
    Metrics,
    Progress,
    StandingShape,
    StepShape,
)
from services.gateway.domain.batches import Batch, batch_status, count
from services.gateway.domain.images import ENDED, GONE, ImageState, Status
from services.gateway.domain.rebuilding import UNKNOWN_MD5
from services.gateway.ports import Character, Summary

#: (ordinal, round) -> the last progress that was heard.
Live = Callable[[int, int], RenderProgress | None]

BATCHES = "/v1/batches"
IMAGES = "/v1/images"
#: Pixels of the width of a thumbnail: one of a grid, also on a screen with twice the points.
THUMBNAIL = WIDTHS[1]
#: Seconds after which it is worth to look at a batch again.
RETRY_AFTER = "2"


def character(known: Character) -> CharacterShape:
    collection = names.PREMADE if known.premade else names.CHARACTERS
    values = {name: value for name, value in vars(known).items() if name != "created_at"}
    return CharacterShape(**values, collection=collection, created_at=_time(known.created_at))


def batch(known: Batch, images: Sequence[ImageState], live: Live, begun: float | None = None) -> BatchShape:
    """`begun`: when this process heard that an image of the batch is on a GPU."""
    shown = [image(each, live, known) for each in images]
    counts = count(images)
    started = any(each.stage == "running" for each in shown)
    request = known.request
    waits = [each.queue_ms for each in shown if each.queue_ms is not None]
    queue = [each.ahead for each in shown if each.stage == "queued" and each.ahead is not None]
    ahead = min(queue, default=None)
    return BatchShape(
        **_head(known, batch_status(known, counts, started).value, begun),
        negative_prompt=request.negative_prompt,
        width=request.width,
        height=request.height,
        seed=request.seed,
        style=request.style,
        workflow=request.workflow,
        parameters=request.parameters,
        on_failure=request.on_failure,
        folder=known.folder,
        ahead=ahead,
        queue_position=None if ahead is None else ahead + 1,
        progress=_progress(shown, request.quantity),
        images=shown,
        metrics=Metrics(queue_ms=max(waits, default=None), gpu_ms=sum(each.gpu_ms or 0 for each in shown)),
        error=_rejection(known),
    )


def summary(known: Summary) -> BatchSummary:
    return BatchSummary(**_head(known.batch, batch_status(known.batch, known.counts).value))


def standing(known: Summary, heard: Iterable[RenderProgress]) -> StandingShape:
    """How a batch stands; `heard` of those of its images that have not ended."""
    batch, heard = known.batch, tuple(heard)
    started = any(each.stage == "running" for each in heard)
    done = sum(known.counts.get(status, 0) for status in ENDED)
    shares = (_share(each.step, each.steps) for each in heard)
    return StandingShape(
        status=batch_status(batch, known.counts, started).value,
        indexes=_indexes(batch),
        progress=_of_work(done, shares, batch.request.quantity),
    )


def step(heard: RenderProgress) -> StepShape:
    told = heard.model_dump(include={"ordinal", "index", "stage", "step", "steps", "ahead"})
    return StepShape(**told, value=round(_share(heard.step, heard.steps), 4))


def image(known: ImageState, live: Live, of: Batch | None) -> ImageShape:
    """`of`: its batch, where what was asked for is known."""
    ended, asset, error = known.status in ENDED, known.asset, known.error
    heard = None if ended else live(known.ordinal, known.round)
    running = known.status is Status.RUNNING or (heard is not None and heard.stage != "queued")
    gone = known.status in GONE
    shown = asset if asset and ended and not gone else None
    return ImageShape(
        id=image_id(known.batch_id, known.ordinal),
        ordinal=known.ordinal,
        index=known.index,
        moved_from=of.moved_from(known) if of else None,
        round=known.round,
        name=asset.name if asset else _name(known, of),
        status=Status.RUNNING.value if running and not ended else word(known),
        stage=heard.stage if heard else None,
        step=heard.step if heard else None,
        steps=heard.steps if heard else None,
        ahead=heard.ahead if heard else None,
        url=shown.url if shown else None,
        thumbnail=thumbnail_url(shown.url, THUMBNAIL) if shown else None,
        public_id=shown.public_id if shown else None,
        content_type=shown.media_type if shown else None,
        width=shown.width if shown else None,
        height=shown.height if shown else None,
        hash=shown.md5 if shown and shown.md5 != UNKNOWN_MD5 else None,
        seed=asset.seed if asset else None,
        placeholder=known.status is Status.PLACEHOLDER,
        favourite=known.favourite,
        used_embedding=asset.used_embedding if asset else None,
        backend=asset.backend if asset else None,
        queue_ms=asset.queue_ms if asset else None,
        gpu_ms=asset.gpu_ms if asset else None,
        created_at=asset.created_at if asset else None,
        error=ErrorShape(code=error.code, detail=error.detail, retryable=error.retryable) if error else None,
    )


def word(known: ImageState) -> str:
    """How an image stands, as people see it."""
    return "deleting" if known.delete_requested and known.lies_in_storage else known.status.word


def image_id(batch_id: str, ordinal: int) -> str:
    return f"{batch_id}.{ordinal}"


def _name(known: ImageState, of: Batch | None) -> str | None:
    """Known as soon as the number is."""
    if of is None:
        return None
    slug = names.slug(of.request.character.name)
    return names.image_name(of.request.username, slug, known.index, of.padding)


def _head(known: Batch, status: str, begun: float | None = None) -> dict[str, object]:
    request = known.request
    starts = [moment for moment in (known.started_at, begun) if moment is not None]
    here = f"{BATCHES}/{request.batch_id}"
    return {
        "id": request.batch_id,
        "status": status,
        "character": {"id": request.character.id, "name": request.character.name},
        "prompt": request.prompt,
        "quantity": request.quantity,
        "indexes": _indexes(known),
        "created_at": _time(known.created_at),
        # Clocks of three machines are compared here.
        "started_at": _time(max(min(starts), known.created_at)) if starts else None,
        "completed_at": None if known.finished_at is None else _time(known.finished_at),
        "urls": {"self": here, **{name: f"{here}/{name}" for name in ("events", "cancel", "retry")}},
    }


def _indexes(known: Batch) -> Indexes | None:
    first = known.first
    return None if first is None else Indexes(first=first, last=first + known.request.quantity - 1)


def _progress(shown: Sequence[ImageShape], quantity: int) -> Progress:
    open_ = [each for each in shown if each.status not in ENDED]
    return _of_work(len(shown) - len(open_), (_share(each.step, each.steps) for each in open_), quantity)


def _of_work(done: int, shares: Iterable[float], quantity: int) -> Progress:
    value = min(1.0, round((done + sum(shares)) / quantity, 4))
    return Progress(value=value, done=done, total=quantity)


def _share(step: int | None, steps: int | None) -> float:
    return min(1.0, (step or 0) / steps) if steps else 0.0


def _rejection(known: Batch) -> ErrorShape | None:
    if known.reserved or known.rejected is None:
        return None
    return ErrorShape(code=known.rejected.code, detail=known.rejected.reason, retryable=False)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
