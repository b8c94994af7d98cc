"""From a caller's wish to a batch that is under way, and the wait for its end."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from http import HTTPStatus
from time import monotonic
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from fastapi import Request
from prometheus_client import Gauge

from contracts import acceptance, commands, names
from contracts.transient import RenderProgress
from messaging import tracing
from services.gateway.adapters.http import views
from services.gateway.adapters.http.codes import CODES
from services.gateway.adapters.http.desk import Desk, Followed
from services.gateway.adapters.http.idempotency import key_of
from services.gateway.adapters.http.problems import FieldError, Problem, not_found
from services.gateway.adapters.http.shapes import BatchShape
from services.gateway.domain.batches import Batch
from services.gateway.domain.images import ImageState
from services.gateway.domain.limits import Excess, largest
from services.gateway.domain.webhooks import WebhookWish
from services.gateway.ports import Character, OtherContent, TooMuch

WAITING = Gauge("darkroom_waiting_callers", "Callers who wait for the end of a batch")

_FILTER = "webhook_events_filter"

Known = tuple[Batch, Sequence[ImageState]]


def new_batch_id(request: Request) -> str:
    """Of a call under a key always the same one, so that a batch that was half accepted is found again."""
    key = key_of(request)
    return f"bat_{key.thing if key else uuid4().hex}"


def batch_id_of(username: str, client_id: str) -> str:
    """The batch that this user's own id names, the same at every call."""
    return str(uuid5(NAMESPACE_URL, f"darkroom/{username}/{client_id}"))


def character_id_of(owner: str, slug: str, premade: bool) -> str:
    """The same for the same character, so that a lost database is rebuilt with the same ids."""
    collection = names.PREMADE if premade else names.CHARACTERS
    return f"chr_{sha256(f'{owner}/{collection}/{slug}'.encode()).hexdigest()[:24]}"


async def order(desk: Desk, username: str, character_id: str, batch_id: str, wish: dict[str, Any]) -> Batch:
    """Accepts the batch: kept together with its command, which is sent then. Raises Problem."""
    tracing.concerns(batch_id=batch_id, username=username)
    character = await known_character(desk, character_id, username)
    wish, webhook = _webhook(desk, wish)
    request = requested(username, character, batch_id, wish)
    if refusal := acceptance.refusal(request, desk.workflows):
        told = FieldError(pointer=f"/{refusal.field}", detail=refusal.reason)
        # A name that does not fit is the character's own, not a part of this body.
        raise Problem(refusal.code, refusal.reason, [told] if refusal.field in wish else [])
    most = largest(desk.limits)
    if most is not None and request.quantity > most:
        detail = f"nobody may have more than {most} images outstanding; ask for fewer"
        raise Problem("invalid_quantity", detail, [FieldError(pointer="/quantity", detail=detail)])
    try:
        batch = await desk.batches.accept(request, webhook)
    except OtherContent:
        raise Problem("batch_id_reuse", CODES["batch_id_reuse"].example) from None
    except TooMuch as why:
        raise too_much(why.excess) from None
    desk.stage.changed_for(username)
    return batch


def _webhook(desk: Desk, wish: dict[str, Any]) -> tuple[dict[str, Any], WebhookWish | None]:
    """The wish without what it says of a webhook, and that. Raises Problem."""
    rest = {name: value for name, value in wish.items() if name not in ("webhook", _FILTER)}
    url, words = wish.get("webhook"), wish.get(_FILTER)
    if url is None and words:
        told = FieldError(pointer=f"/{_FILTER}", detail="filters nothing; name a webhook too")
        raise Problem("invalid_webhook", "there is a filter, but no webhook", [told])
    return rest, None if url is None else desk.webhooks.wish(url, words or (), field="webhook")


def too_much(excess: Excess) -> Problem:
    """Ask again later, and which limit was met."""
    headers = {"Retry-After": str(excess.retry_after)}
    if CODES[excess.code].status == HTTPStatus.TOO_MANY_REQUESTS:
        window = f";w={excess.window}" if excess.window else ""
        headers["RateLimit-Policy"] = f'"{excess.code}";q={excess.limit}{window}'
        headers["RateLimit"] = f'"{excess.code}";r={excess.left};t={excess.retry_after}'
    return Problem(excess.code, excess.detail, headers=headers, limit=excess.limit)


def requested(
    username: str, character: Character, batch_id: str, wish: dict[str, Any]
) -> commands.GenerateBatch:
    asked = {name: value for name, value in wish.items() if value is not None}
    pictured = commands.Character(
        id=character.id,
        name=character.name,
        collection=names.PREMADE if character.premade else names.CHARACTERS,
        embedding=character.embedding,
        private=character.private,
    )
    style = asked.pop("style", None) or character.style
    return commands.GenerateBatch(
        batch_id=batch_id, username=username, character=pictured, style=style, **asked
    )


async def known_character(desk: Desk, character_id: str, username: str) -> Character:
    """Raises Problem."""
    # No id has a NUL, and PostgreSQL can't even be asked for one.
    character = None if "\0" in character_id else await desk.registry.find(character_id, username)
    if character is None:
        raise not_found("character")
    return character


async def named(desk: Desk, name: str, username: str) -> Known:
    """The caller's batch of this id, else the one that he asked for under this id of his own. Raises
    Problem."""
    tracing.concerns(batch_id=name)
    known = None if "\0" in name else await desk.batches.find(name, username)
    return known or await found(desk, batch_id_of(username, name), username)


async def found(desk: Followed, batch_id: str, username: str) -> Known:
    tracing.concerns(batch_id=batch_id)
    known = await desk.batches.find(batch_id, username)
    if known is None:
        raise not_found("batch")
    return known


def shown(desk: Followed, known: Known) -> BatchShape:
    """The batch as people see it, with live progress."""
    batch, images = known
    batch_id = batch.request.batch_id

    def live(ordinal: int, round_: int) -> RenderProgress | None:
        return desk.stage.progress(batch_id, ordinal, round_)

    return views.batch(batch, images, live, desk.stage.begun(batch_id))


async def outcome(desk: Desk, batch: Batch, username: str, seconds: float, gone: Callable[[], Any]) -> Known:
    """The batch once it has ended, or as it is after `seconds`, when the caller is gone, or at the stop of
    the process. Woken by changes, so nobody waits for a fixed time; read once, at the end, since a caller who
    waits is shown nothing in between."""
    if batch.fresh and seconds <= 0:
        return batch, ()
    batch_id, until = batch.request.batch_id, monotonic() + seconds
    # Nothing can have come of what was accepted just now.
    looks = not batch.fresh
    with WAITING.track_inprogress(), desk.stage.listening(batch_id) as ear:
        while True:
            left = until - monotonic()
            if left <= 0 or desk.stage.closing or ear.over:
                return await found(desk, batch_id, username)
            if (looks and await desk.batches.is_over(batch_id)) or await gone():
                return await found(desk, batch_id, username)
            await ear.news(left)
            looks = True
