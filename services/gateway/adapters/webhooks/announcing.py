"""Writes down what is to be told, in the transaction that makes it true."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts.events import BatchFinished
from services.gateway.adapters.batch_rows import images_of
from services.gateway.adapters.rows import to_batch
from services.gateway.adapters.webhooks import bodies
from services.gateway.adapters.webhooks.tables import DELIVERIES, WEBHOOKS
from services.gateway.domain.news import OF_IMAGES, News, of_end, of_image
from services.gateway.domain.webhooks import PACE, DeliveryStatus

# Put together once: that costs more than to have it answered.
_LISTENING = (
    select(WEBHOOKS.c.username)
    .where(WEBHOOKS.c.username.in_(bindparam("usernames", expanding=True)), WEBHOOKS.c.disabled.is_(None))
    .distinct()
)


async def announce(
    database: Database,
    connection: AsyncConnection,
    batch: Mapping[Any, Any],
    news: Sequence[News],
    now: float,
) -> None:
    """For every webhook that listens, one delivery of each; what was written down before stays as it is.
    `batch`: its row, locked. Nothing is told of a batch whose owner is not known yet."""
    username = batch["username"] or _owner(news)
    if not news or username is None:
        return
    listeners = await _listeners(connection, username, batch["batch_id"])
    heard = [each for each in news if any(each.word in words for words in listeners.values())]
    if not heard:
        return
    told = await _told(connection, batch, heard, now)
    paces = await _paces(connection, batch["batch_id"], listeners)
    rows = [
        {
            "id": each.key(webhook_id),
            "webhook_id": webhook_id,
            "username": username,
            "batch_id": each.batch_id,
            "word": each.word.value,
            "body": body,
            "created_at": now,
            "first_at": (first_at := _first_at(paces, webhook_id, each, now)),
            "status": DeliveryStatus.PENDING.value,
            "tries": 0,
            "next_at": first_at,
        }
        for webhook_id, words in listeners.items()
        for each, body in told
        if each.word in words
    ]
    await connection.execute(database.insert(DELIVERIES).on_conflict_do_nothing(), rows)


async def announce_all(
    database: Database,
    connection: AsyncConnection,
    told: Sequence[tuple[Mapping[Any, Any], Sequence[News]]],
    now: float,
    known: Mapping[str, bool],
) -> None:
    """The news of several batches, each with its row, as `announce` does it. `known` says of users whether
    they listen, which is unusual; about the others that is one question."""
    owners = {batch["batch_id"]: batch["username"] or _owner(news) for batch, news in told if news}
    usernames = {username for username in owners.values() if username is not None}
    hears = {username for username in usernames if known.get(username)}
    hears |= await listening(connection, usernames - set(known))
    for batch, news in told:
        if owners.get(batch["batch_id"]) in hears:
            await announce(database, connection, batch, news, now)


async def listening(connection: AsyncConnection, usernames: Collection[str]) -> set[str]:
    """Those of these users of whom any webhook may want to hear."""
    if not usernames:
        return set()
    return set(await connection.scalars(_LISTENING, {"usernames": sorted(usernames)}))


async def announce_known(
    database: Database, connection: AsyncConnection, batch: Mapping[Any, Any], now: float
) -> None:
    """What was heard of the batch's images before anybody knew whose they are."""
    images = await images_of(connection, batch["batch_id"])
    news = [each for image in images for each in of_image(None, image)]
    await announce(database, connection, batch, news, now)


def of_its_end(batch: Mapping[Any, Any], end: BatchFinished | None) -> Sequence[News]:
    """`batch`: its row before what ended it, if it did."""
    if end is None:
        return ()
    # One that was refused before may have come to be after all.
    revived = batch["rejected"] is not None and end.results
    return (of_end(end),) if batch["finished_at"] is None or revived else ()


def _owner(news: Iterable[News]) -> str | None:
    """As the images say it."""
    assets = (each.image.asset for each in news if each.image)
    return next((asset.username for asset in assets if asset), None)


async def _listeners(connection: AsyncConnection, username: str, batch_id: str) -> Mapping[str, set[str]]:
    """Webhook -> the events that it hears of."""
    ours = or_(WEBHOOKS.c.batch_id.is_(None), WEBHOOKS.c.batch_id == batch_id)
    query = select(WEBHOOKS.c.id, WEBHOOKS.c.events).where(
        WEBHOOKS.c.username == username, WEBHOOKS.c.disabled.is_(None), ours
    )
    return {row.id: set(row.events.split()) for row in await connection.execute(query)}


async def _told(
    connection: AsyncConnection, batch: Mapping[Any, Any], news: Sequence[News], now: float
) -> list[tuple[News, str]]:
    """Each with its body."""
    ends = now if any(each.end for each in news) else None
    known = to_batch({**batch, "finished_at": ends}) if batch["request"] else None
    whole = None
    # A batch has its request before it has numbers, a refusal or an end.
    if known and any(each.image is None for each in news):
        whole = bodies.of_batch(known, await images_of(connection, batch["batch_id"]))
    told = []
    for each in news:
        data = bodies.of_image(each.image, known) if each.image else whole
        assert data is not None
        told.append((each, bodies.written(each.word, data, now)))
    return told


async def _paces(
    connection: AsyncConnection, batch_id: str, listeners: Mapping[str, set[str]]
) -> dict[str, float]:
    """Webhook -> when the last event about an image of the batch is sent to it."""
    ours = DELIVERIES.c.webhook_id.in_(listeners) & (DELIVERIES.c.batch_id == batch_id)
    last = func.max(DELIVERIES.c.first_at).label("last")
    query = select(DELIVERIES.c.webhook_id, last).where(ours, DELIVERIES.c.word.in_(OF_IMAGES))
    found: Sequence[RowMapping] = (
        (await connection.execute(query.group_by(DELIVERIES.c.webhook_id))).mappings().all()
    )
    return {row["webhook_id"]: row["last"] for row in found}


def _first_at(paces: dict[str, float], webhook_id: str, news: News, now: float) -> float:
    if news.word not in OF_IMAGES:
        return now
    last = paces.get(webhook_id)
    paces[webhook_id] = now if last is None else max(now, last + PACE)
    return paces[webhook_id]
