"""From rows of the job book to the domain's values and back."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, tuple_, update

from contracts.commands import GenerateBatch
from contracts.events import ImageFailed, ImageReady, IndicesReserved
from messaging.tracing import traceparent
from services.renderer.adapters.tables import WAITING, jobs
from services.renderer.domain.dispatch import lane_of
from services.renderer.domain.equipment import wish_of
from services.renderer.domain.jobs import Batch, Job, Key
from services.renderer.domain.troubles import CANCELLED
from services.renderer.ports import Ending, Owed

Values = dict[str, Any]
#: A row with columns by name, whichever were selected.
Row = Any

KEY = (jobs.c.batch_id, jobs.c.ordinal, jobs.c.round)
#: What a job is made of, besides its batch.
JOB = (
    *KEY,
    jobs.c.created_at,
    jobs.c.tries,
    jobs.c.backend,
    jobs.c.remote_id,
    jobs.c.submitted_at,
    jobs.c.cancel,
    jobs.c.receipt,
    jobs.c.traceparent,
)


def among(keys: Collection[Key]) -> ColumnElement[bool]:
    return tuple_(*KEY).in_([tuple(key) for key in keys])


def key_of(row: Row) -> Key:
    return Key(row.batch_id, row.ordinal, row.round)


def owed_of(row: Row) -> Owed:
    """Needs the columns `state`, `ending` and `traceparent`."""
    return Owed(ending_of(row), row.traceparent)


def ending_of(row: Row) -> Ending:
    """Needs the columns `state` and `ending`."""
    kind = ImageReady if row.state == "done" else ImageFailed
    return kind.decode(row.ending.encode())


def batch_of(row: Row) -> Batch:
    request = GenerateBatch.decode(row.request.encode())
    return Batch(request, row.folder, row.first, row.padding, row.seed)


def job_of(row: Row, batch: Batch, fresh: bool) -> Job:
    """Needs the columns `JOB`."""
    return Job(
        key=key_of(row),
        batch=batch,
        created_at=row.created_at,
        tries=row.tries,
        backend=row.backend,
        remote_id=row.remote_id,
        submitted_at=row.submitted_at,
        fresh=fresh,
        cancelled=row.cancel,
        receipt=row.receipt,
        traceparent=row.traceparent,
    )


def batch_values(reserved: IndicesReserved, seed: int, now: float) -> Values:
    return {
        "batch_id": reserved.batch_id,
        "request": reserved.request.encode().decode(),
        "folder": reserved.folder,
        "first": reserved.first,
        "padding": reserved.padding,
        "seed": seed,
        "username": reserved.request.username,
        "created_at": now,
    }


def waiting_values(key: Key, batch: Batch, now: float) -> Values:
    return {
        **key._asdict(),
        "username": batch.request.username,
        "lane": lane_of(batch.request.username, wish_of(batch.request).key),
        "idx": batch.first + key.ordinal,
        "state": "waiting",
        "created_at": now,
        "not_before": 0.0,
        "tries": 0,
        "cancel": False,
        "lease_until": 0.0,
        "announced": False,
        "traceparent": traceparent(),
        # Named because rows are inserted together with ended ones, which have them.
        "lease_owner": None,
        "ending": None,
        "ended_at": None,
    }


def ended_values(ending: Ending, now: float, announced: bool) -> Values:
    """What a row gets at its end, whatever it was before."""
    done = isinstance(ending, ImageReady)
    return {
        "state": "done" if done else state_of(ending),
        "ending": ending.encode().decode(),
        "ended_at": now,
        "announced": announced,
        "lease_owner": None,
        "lease_until": 0.0,
    }


def state_of(ending: Ending) -> str:
    if isinstance(ending, ImageReady):
        return "done"
    return "cancelled" if ending.code == CANCELLED else "failed"


def of_key() -> list[ColumnElement[bool]]:
    """The row whose key is in the parameters of `key_values`."""
    return [column == bindparam(f"of_{column.name}") for column in KEY]


def key_values(key: Key) -> Values:
    return {f"of_{name}": part for name, part in key._asdict().items()}


def end_waiting() -> Update:
    """Ends one row if it still waits; takes the parameters of `waiting_ended`."""
    return update(jobs).where(*of_key(), WAITING)


def waiting_ended(ending: Ending, now: float, announced: bool) -> Values:
    key = Key(ending.batch_id, ending.ordinal, ending.round)
    return key_values(key) | ended_values(ending, now, announced)
