"""Fetches what is known of a run: files of the storage, rows of the database, logs of the stand-ins. Nothing
of ours is imported here, either."""

import asyncio
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import httpx

from tests.chaos.system.evidence import Asset, Row, Struck, Submit

SCHEMAS = ("gateway", "indexer", "renderer", "uploader")
PNG = b"\x89PNG\r\n\x1a\n"
#: Tables that no promise is about, among them those whose rows hold secrets.
PASSED_OVER = ("idempotency_keys", "alembic_version")


def stored_assets(folder: Path) -> list[Asset]:
    """What lies in the stand-in's folder, record by record, with the bytes that are there."""
    found = []
    for path in sorted((folder / "records").glob("*.json")):
        record = json.loads(path.read_bytes())
        kind, _, public_id = record["address"]
        data = (folder / "bytes" / f"{record['asset_id']}.{record['version']}").read_bytes()
        described = record["description"]
        found.append(
            Asset(
                kind=kind,
                public_id=public_id,
                md5=hashlib.md5(data).hexdigest(),
                overwrites=record["overwrites"],
                context=described["context"],
                tags=tuple(described["tags"]),
                uploaded_at=record["uploaded_at"],
                made_for=made_for(data) if kind == "image" else None,
                text=data.decode(errors="replace") if kind == "raw" else "",
            )
        )
    return found


def made_for(data: bytes) -> str | None:
    """The filename prefix in the graph that a PNG file carries, if it carries one."""
    graph = json.loads(_texts(data).get("prompt", "{}"))
    prefixes = [node["inputs"].get("filename_prefix") for node in graph.values()]
    return next((prefix for prefix in prefixes if prefix), None)


async def tables(database_url: str) -> dict[str, list[Row]]:
    """Every row of the four services, by plain SQL in one snapshot."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""), ssl=False)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            names = await connection.fetch(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " WHERE table_schema = ANY($1::text[])",
                SCHEMAS,
            )
            return {
                f"{schema}.{table}": [
                    dict(row) for row in await connection.fetch(f'SELECT * FROM {schema}."{table}"')
                ]
                for schema, table in names
                if table not in PASSED_OVER
            }
    finally:
        await connection.close()


async def jobs(
    client: httpx.AsyncClient, pods: Sequence[str], endpoints: Sequence[str]
) -> tuple[list[Submit], list[Struck], dict[str, str]]:
    """Every job that a backend took, every fault that struck, and MD5 -> prefix of the pictures that do not
    say themselves what they were made for."""
    submits: list[Submit] = []
    struck: list[Struck] = []
    pictures: dict[str, str] = {}
    for backend in (*pods, *endpoints):
        timeline, history, stats = await asyncio.gather(
            *(_got(client, f"{backend}/sandbox/{what}") for what in ("timeline", "faults/history", "stats"))
        )
        submits += [_submit(backend, backend in endpoints, entry) for entry in timeline["entries"]]
        struck += [_struck(backend, each) for each in history["struck"]]
        pictures |= stats.get("pictures", {})
    return submits, struck, pictures


def _submit(backend: str, serverless: bool, entry: Mapping[str, Any]) -> Submit:
    runs = tuple((run[0], run[1] if len(run) > 1 else None) for run in entry["runs"])
    return Submit(backend, serverless, entry["labels"][0], entry["accepted_at"], runs)


def _struck(backend: str, each: Mapping[str, Any]) -> Struck:
    return Struck(backend, each["kind"], each["at"], tuple(each["prefixes"]), each["route"])


async def _got(client: httpx.AsyncClient, url: str) -> Any:
    return (await client.get(url)).raise_for_status().json()


def _texts(data: bytes) -> dict[str, str]:
    """Text chunks of a PNG file, by keyword (PNG, section 11.3.3)."""
    found = {}
    for kind, body in _chunks(data):
        if kind == b"tEXt":
            keyword, _, text = body.partition(b"\0")
            found[keyword.decode("latin-1")] = text.decode("latin-1")
        elif kind == b"zTXt":
            keyword, _, packed = body.partition(b"\0")
            found[keyword.decode("latin-1")] = zlib.decompress(packed[1:]).decode("latin-1")
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(PNG) if data.startswith(PNG) else len(data)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += length + 12
