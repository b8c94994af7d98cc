"""What many deliveries do to the ledger in one transaction: whoever holds a lease writes his row, then the
others decide, and each sees what those before it have changed."""

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, bindparam, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.process import INSTANCE
from contracts.events import IndicesReserved
from messaging.errors import DeliveryError
from services.uploader.adapters.names import lock_names
from services.uploader.adapters.rows import columns, row_of
from services.uploader.adapters.tables import ASSETS, BATCHES, GRAVES
from services.uploader.domain.rows import Known, Row, State
from services.uploader.domain.steps import Cause, Step, Store, wished

Key = tuple[str, int]
#: What a wish gets: its step, or what it is told instead. What a kept row gets: whether its lease was held.
Answer = Step | DeliveryError | bool

_KEYS = tuple_(ASSETS.c.batch_id, ASSETS.c.ordinal)
# In order, so that two transactions that want the same rows never wait for each other in a ring.
OWN = (
    select(ASSETS)
    .where(_KEYS.in_(bindparam("keys", expanding=True)))
    .order_by(ASSETS.c.batch_id, ASSETS.c.ordinal)
)
OWN_LOCKED = OWN.with_for_update()
_NAMED = select(ASSETS).where(ASSETS.c.public_id.in_(bindparam("names", expanding=True)))
_BURIED = select(GRAVES.c.public_id).where(GRAVES.c.public_id.in_(bindparam("names", expanding=True)))
_BATCHES = select(BATCHES.c.reserved).where(BATCHES.c.batch_id.in_(bindparam("ids", expanding=True)))
_NEW = insert(ASSETS)
#: With the parameters of `changed`.
CHANGED = update(ASSETS).where(
    ASSETS.c.batch_id == bindparam("of_batch"), ASSETS.c.ordinal == bindparam("of_ordinal")
)


@dataclass(frozen=True)
class Wish:
    """A delivery that wants to know what follows."""

    cause: Cause
    rule: Callable[[Known, Any, float], Step]

    @property
    def key(self) -> Key:
        return self.cause.batch_id, self.cause.ordinal


@dataclass(frozen=True)
class Kept:
    """A row as it is to be, and the lease under which it may be written."""

    row: Row
    lease: str

    @property
    def key(self) -> Key:
        return self.row.key


Change = Wish | Kept


@dataclass
class _Ledger:
    """The part of the ledger that a group of changes is about."""

    rows: dict[Key, Row]
    leases: dict[Key, str | None]
    batches: Mapping[str, IndicesReserved]
    buried: frozenset[str] = frozenset()
    names: dict[str, Row] = field(default_factory=dict)
    changed: dict[Key, Row] = field(default_factory=dict)

    def wished_name(self, wish: Wish) -> str | None:
        """The name that this wish is about and its image has not got; raises as `wished`."""
        row = self.rows.get(wish.key)
        place = wished(wish.cause, row, self.batches.get(wish.cause.batch_id))
        return None if place is None or (row is not None and row.place == place) else place.public_id

    def decide(self, wish: Wish, now: float, lease: float) -> Step:
        row, batch = self.rows.get(wish.key), self.batches.get(wish.cause.batch_id)
        name = self.wished_name(wish)
        rival = self.names.get(name) if name else None
        if rival is not None and rival.key == wish.key:
            rival = None
        step = wish.rule(Known(row, rival, name in self.buried, batch), wish.cause, now)
        if isinstance(step, Store):
            step = replace(step, row=replace(step.row, lease=_new_lease(), lease_until=now + lease))
        if step.row is not None:
            self._keep(step.row)
        return step

    def keep(self, kept: Kept, until: float) -> bool:
        if self.leases.get(kept.key) != kept.lease:
            return False
        row = kept.row
        # A lease was renewed in the table meanwhile; the row in hand does not know.
        self._keep(row if row.lease is None else replace(row, lease_until=until))
        return True

    def look_up(self, rows: Iterable[Row], buried: Iterable[str]) -> None:
        """What the table says of names, which does not know yet what was changed here."""
        self.names |= {row.place.public_id: row for row in rows if row.key not in self.changed}
        self.buried = frozenset(buried)

    def _keep(self, row: Row) -> None:
        self.names = {name: other for name, other in self.names.items() if other.key != row.key}
        self.rows[row.key] = self.changed[row.key] = row
        self.leases[row.key] = row.lease
        if row.state is not State.TAKEN:
            self.names[row.place.public_id] = row


async def change_all(
    database: Database,
    changes: Sequence[Change],
    batches: "Batches",
    clock: Callable[[], float],
    lease: float,
) -> list[Answer]:
    """In the order of the changes, of which no two wishes are about the same image. Raises IntegrityError
    where somebody else has claimed one of the images or names meanwhile."""
    wishes = [change for change in changes if isinstance(change, Wish)]
    async with database.begin() as connection:
        asked = {"keys": sorted({change.key for change in changes})}
        lines = {_key(line): line for line in (await connection.execute(OWN_LOCKED, asked)).mappings()}
        rows = {wish.key: row_of(lines[wish.key]) for wish in wishes if wish.key in lines}
        told = await batches.of(connection, {wish.cause.batch_id for wish in wishes})
        ledger = _Ledger(rows, {key: line["lease"] for key, line in lines.items()}, told)
        until = clock() + lease
        kept = [ledger.keep(change, until) for change in changes if isinstance(change, Kept)]
        await _look_up_names(database, connection, ledger, wishes)
        steps = [_decided(ledger, wish, clock(), lease) for wish in wishes]
        await _write(connection, ledger, lines, clock())
    said, written = iter(steps), iter(kept)
    return [next(said) if isinstance(change, Wish) else next(written) for change in changes]


class Batches:
    """What was reserved; the latest that were asked for are remembered, since it never changes."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._latest: dict[str, IndicesReserved] = {}

    async def of(self, connection: AsyncConnection, ids: Collection[str]) -> dict[str, IndicesReserved]:
        """Without those that are not known yet."""
        found = {one: self._latest.pop(one) for one in ids if one in self._latest}
        if missing := sorted(set(ids) - set(found)):
            for kept in await connection.scalars(_BATCHES, {"ids": missing}):
                batch = IndicesReserved.decode(kept.encode())
                found[batch.batch_id] = batch
        self._latest |= found
        for oldest in list(self._latest)[: -self._most]:
            del self._latest[oldest]
        return found


def changed(row: Row, now: float) -> dict[str, Any]:
    """The parameters of `CHANGED`."""
    return {**columns(row, now), "of_batch": row.batch_id, "of_ordinal": row.ordinal}


def _key(line: RowMapping) -> Key:
    return line["batch_id"], line["ordinal"]


def _decided(ledger: _Ledger, wish: Wish, now: float, lease: float) -> Step | DeliveryError:
    try:
        return ledger.decide(wish, now, lease)
    except DeliveryError as why:
        return why


async def _look_up_names(
    database: Database, connection: AsyncConnection, ledger: _Ledger, wishes: Sequence[Wish]
) -> None:
    names = set()
    for wish in wishes:
        try:
            names.add(ledger.wished_name(wish))
        except DeliveryError:
            continue  # the decision says so
    names.discard(None)
    if not names:
        return
    asked = {"names": sorted(name for name in names if name)}
    await lock_names(database, connection, asked["names"])
    named = map(row_of, (await connection.execute(_NAMED, asked)).mappings())
    ledger.look_up(named, await connection.scalars(_BURIED, asked))


async def _write(connection: AsyncConnection, ledger: _Ledger, known: Container[Key], now: float) -> None:
    # Those that are known first: one of them may give up the name that a new one takes.
    if old := [changed(row, now) for key, row in ledger.changed.items() if key in known]:
        await connection.execute(CHANGED, old)
    if new := [columns(row, now) for key, row in ledger.changed.items() if key not in known]:
        await connection.execute(_NEW, new)


def _new_lease() -> str:
    return f"{INSTANCE[:40]}/{uuid4().hex[:16]}"
