"""What many deliveries do to the ledger in one transaction: whoever holds a lease writes his row, then the
others decide, and each sees what those before it have changed."""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import uuid4

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.process import INSTANCE
from contracts.events import IndicesReserved
from messaging.errors import DeliveryError
from services.uploader.adapters.keeping import Kept, keep_all
from services.uploader.adapters.looking import Key, Seen, seen
from services.uploader.adapters.names import lock_names
from services.uploader.adapters.recent_batches import RecentBatches
from services.uploader.adapters.rows import columns, row_of
from services.uploader.adapters.tables import ASSETS
from services.uploader.domain.rows import Known, Row, State
from services.uploader.domain.steps import Cause, Step, Store, wished

#: What a wish gets: its step, or what it is told instead. What a kept row gets: whether its lease was held.
Answer = Step | DeliveryError | bool

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


Change = Wish | Kept


@dataclass
class _Ledger:
    """The part of the ledger that a group of changes is about."""

    batches: Mapping[str, IndicesReserved]
    rows: dict[Key, Row] = field(default_factory=dict)
    leases: dict[Key, str | None] = field(default_factory=dict)
    names: dict[str, Row] = field(default_factory=dict)
    buried: frozenset[str] = frozenset()
    changed: dict[Key, Row] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Seen, wished: Collection[Key], batches: Mapping[str, IndicesReserved]) -> Self:
        """Rows are told only where there are wishes: whoever keeps one has it himself."""
        rows = {key: row_of(line) for key, line in seen.lines.items() if key in wished}
        leases = {key: line["lease"] for key, line in seen.lines.items()}
        return cls(batches, rows, leases, dict(seen.named), seen.buried)

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
        self._keep(kept.renewed(until))
        return True

    def _keep(self, row: Row) -> None:
        self.names = {name: other for name, other in self.names.items() if other.key != row.key}
        self.rows[row.key] = self.changed[row.key] = row
        self.leases[row.key] = row.lease
        if row.state is not State.TAKEN:
            self.names[row.place.public_id] = row


async def change_all(
    database: Database,
    changes: Sequence[Change],
    batches: RecentBatches,
    clock: Callable[[], float],
    lease: float,
) -> list[Answer]:
    """In the order of the changes, of which no two wishes, and no two rows, are about the same image. Raises
    IntegrityError where somebody else has claimed one of the images or names meanwhile."""
    kept = [change for change in changes if isinstance(change, Kept)]
    wishes = [change for change in changes if isinstance(change, Wish)]
    if not wishes:
        return list[Answer](await keep_all(database, kept, clock(), lease))
    names: set[str] = set()
    while True:
        async with database.begin() as connection:
            told = await batches.of(connection, {wish.cause.batch_id for wish in wishes})
            # Names before rows, as whoever buries a name does, so that nobody waits for us in a ring. So they
            # are the names that the messages tell of.
            names |= _wished(_Ledger(told), wishes)
            await lock_names(database, connection, sorted(names))
            found = await seen(connection, sorted({change.key for change in changes}), names)
            ledger = _Ledger.of(found, {wish.key for wish in wishes}, told)
            held = [ledger.keep(change, clock() + lease) for change in kept]
            if others := _wished(ledger, wishes) - names:
                # The row of an image that moves says another name than its message: once more, in its turn.
                names |= others
                continue
            steps = [_decided(ledger, wish, clock(), lease) for wish in wishes]
            await _write(connection, ledger, found.lines, clock())
            break
    said, written = iter(steps), iter(held)
    return [next(said) if isinstance(change, Wish) else next(written) for change in changes]


def changed(row: Row, now: float) -> dict[str, Any]:
    """The parameters of `CHANGED`."""
    return {**columns(row, now), "of_batch": row.batch_id, "of_ordinal": row.ordinal}


def _wished(ledger: _Ledger, wishes: Sequence[Wish]) -> set[str]:
    names = set()
    for wish in wishes:
        with suppress(DeliveryError):  # the decision says so
            names.add(ledger.wished_name(wish))
    return {name for name in names if name}


def _decided(ledger: _Ledger, wish: Wish, now: float, lease: float) -> Step | DeliveryError:
    try:
        return ledger.decide(wish, now, lease)
    except DeliveryError as why:
        return why


async def _write(connection: AsyncConnection, ledger: _Ledger, known: Container[Key], now: float) -> None:
    # Those that are known first: one of them may give up the name that a new one takes.
    if old := [changed(row, now) for key, row in ledger.changed.items() if key in known]:
        await connection.execute(CHANGED, old)
    if new := [columns(row, now) for key, row in ledger.changed.items() if key not in known]:
        await connection.execute(_NEW, new)


def _new_lease() -> str:
    return f"{INSTANCE[:40]}/{uuid4().hex[:16]}"
