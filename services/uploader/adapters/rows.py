"""Ledger rows to and from the columns of their table."""

from typing import Any

from sqlalchemy import RowMapping

from contracts.events import Found, ImageReady, ImageStored
from services.uploader.domain.rows import Place, Row, State


def columns(row: Row, now: float) -> dict[str, Any]:
    """Every column, so that a write leaves nothing of an older row."""
    return {
        "batch_id": row.batch_id,
        "ordinal": row.ordinal,
        "public_id": None if row.state is State.TAKEN else row.place.public_id,
        "folder": row.place.folder,
        "name": row.place.name,
        "index": row.place.index,
        "round": row.round,
        "state": row.state.value,
        "placeholder": row.placeholder,
        "md5": row.md5,
        "byte_count": row.byte_count,
        "placeholder_md5s": " ".join(row.placeholder_md5s),
        "ready": row.ready.encode().decode() if row.ready else None,
        "said": row.said.encode().decode() if row.said else None,
        "found": row.found.model_dump_json() if row.found else None,
        "asset_id": row.asset_id,
        "lease": row.lease,
        "lease_until": row.lease_until,
        "changed_at": now,
    }


def row_of(line: RowMapping) -> Row:
    return Row(
        batch_id=line["batch_id"],
        ordinal=line["ordinal"],
        round=line["round"],
        place=Place(line["folder"], line["name"], line["index"]),
        state=State(line["state"]),
        placeholder=line["placeholder"],
        md5=line["md5"],
        byte_count=line["byte_count"],
        placeholder_md5s=tuple(line["placeholder_md5s"].split()),
        ready=ImageReady.decode(line["ready"].encode()) if line["ready"] else None,
        said=ImageStored.decode(line["said"].encode()) if line["said"] else None,
        found=Found.model_validate_json(line["found"]) if line["found"] else None,
        asset_id=line["asset_id"],
        lease=line["lease"],
        lease_until=line["lease_until"],
    )
