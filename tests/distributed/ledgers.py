"""The four promises once more, as the ledgers of the four services tell them: rows, not answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from tests.journeys.evidence import Batch

Row = Mapping[str, Any]


async def broken_ledgers(url: str, batches: Sequence[Batch]) -> list[str]:
    """What in any of the four schemas does not agree with these batches, all of whose images were made."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), ssl=False)
    try:
        return [
            *_numbers(
                await connection.fetch("SELECT * FROM indexer.reservations"),
                await connection.fetch("SELECT * FROM indexer.counters"),
                batches,
            ),
            *_job_book(await connection.fetch("SELECT * FROM renderer.jobs"), batches),
            *_assets(await connection.fetch("SELECT * FROM uploader.assets"), batches),
            *_gateway(
                await connection.fetch("SELECT * FROM gateway.images"),
                await connection.fetch("SELECT * FROM gateway.outbox"),
                batches,
            ),
        ]
    finally:
        await connection.close()


def broken_blocks(blocks: Sequence[tuple[int, int]]) -> list[str]:
    """Blocks are (first, quantity); together they are 1, 2, 3, ... without a gap or a repetition."""
    following = 1
    for first, quantity in sorted(blocks):
        if first != following:
            return [f"after {following - 1} comes {first}"]
        following += quantity
    return []


def _numbers(reservations: Sequence[Row], counters: Sequence[Row], batches: Sequence[Batch]) -> list[str]:
    taken, asked = {row["batch_id"] for row in reservations}, {batch["id"] for batch in batches}
    broken = _differing("reserved", taken, asked)
    for counter in counters:
        folder = counter["folder"]
        blocks = [(row["first"], row["quantity"]) for row in reservations if row["folder"] == folder]
        broken += [f"{folder}: {why}" for why in broken_blocks(blocks)]
        if counter["next_index"] != 1 + sum(quantity for _, quantity in blocks):
            broken.append(f"the counter of {folder} says {counter['next_index']}")
    return broken


def _job_book(jobs: Sequence[Row], batches: Sequence[Batch]) -> list[str]:
    broken = _differing("in the job book", {_key(row) for row in jobs}, set(_images(batches)))
    return broken + [
        f"job {_key(row)} is {row['state']}, announced: {row['announced']}, tries: {row['tries']}"
        for row in jobs
        if (row["state"], row["announced"], row["round"], row["tries"]) != ("done", True, 1, 0)
    ]


def _assets(assets: Sequence[Row], batches: Sequence[Batch]) -> list[str]:
    images = _images(batches)
    broken = _differing("in the asset ledger", {_key(row) for row in assets}, set(images))
    for row in assets:
        image = images.get(_key(row), {})
        said = (image.get("public_id"), image.get("hash"), image.get("index"))
        if row["state"] != "stored" or row["lease"] or (row["public_id"], row["md5"], row["index"]) != said:
            broken.append(f"asset {_key(row)} is {dict(row)}, but readers see {said}")
    return broken


def _gateway(images: Sequence[Row], outbox: Sequence[Row], batches: Sequence[Batch]) -> list[str]:
    broken = _differing("in the gateway", {_key(row) for row in images}, set(_images(batches)))
    broken += [f"{_key(row)} is {row['status']}" for row in images if row["status"] != "succeeded"]
    return broken + [f"{row['route']} of {row['batch_id']} is never answered" for row in outbox]


def _images(batches: Sequence[Batch]) -> dict[tuple[str, int], Mapping[str, Any]]:
    return {(batch["id"], image["ordinal"]): image for batch in batches for image in batch["images"]}


def _key(row: Row) -> tuple[str, int]:
    return row["batch_id"], row["ordinal"]


def _differing(where: str, there: set[Any], asked: set[Any]) -> list[str]:
    return [f"{each} is {where} or was asked for, not both" for each in sorted(there ^ asked)]
