"""A batch that comes for the first time, as nearly all do, on PostgreSQL: one statement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Insert,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    column,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql

from services.renderer.adapters.rows import Values
from services.renderer.adapters.tables import batches, cancels, jobs

#: Messages about one batch take turns: a cancel and the batch itself must not pass each other.
TURN = text("SELECT pg_advisory_xact_lock(hashtext('renderer batch'), hashtext(:batch_id))")


def arrival_values(batch: Values, first: Values, quantity: int) -> Values:
    """The parameters of `ARRIVAL`: the batch's row and that of its first image, from which the others differ
    by ordinal and index alone."""
    row = dict.fromkeys(jobs.columns.keys()) | first
    return {
        "batch_id": batch["batch_id"],
        "last": quantity - 1,
        **{f"batch_{name}": value for name, value in batch.items()},
        **{f"job_{name}": value for name, value in row.items()},
    }


def _arrival() -> Insert:
    turn = TURN.columns(column("turn")).cte("turn").prefix_with("MATERIALIZED")
    over = exists().where(cancels.c.batch_id == bindparam("batch_id", type_=Text))
    row = select(*_given(batches, "batch_")).select_from(turn).where(~over)
    new = postgresql.insert(batches).from_select([each.name for each in batches.c], row)
    fresh = new.on_conflict_do_nothing().returning(batches.c.first).cte("fresh")
    counted = func.generate_series(literal_column("0"), bindparam("last", type_=Integer))
    ordinal = counted.table_valued("ordinal").render_derived("images").c.ordinal
    each = {each.name: given for each, given in zip(jobs.c, _given(jobs, "job_"), strict=True)}
    each |= {"ordinal": ordinal, "idx": fresh.c.first + ordinal}
    rows = select(*each.values()).select_from(fresh.join(ordinal.table, true()))
    return insert(jobs).from_select(list(each), rows)


def _given(table: Table, prefix: str) -> Sequence[Any]:
    return [bindparam(prefix + each.name, type_=_type(each)) for each in table.c]


def _type(each: Column[Any]) -> Any:
    return Text() if isinstance(each.type, String) else each.type


#: Inserts the batch and its rows, unless the batch is known or a cancel of it is; says by its row count
#: whether it did. It waits for its turn, but what it reads is of before that: a cancel that was committed
#: while it waited is to be looked for afterwards.
ARRIVAL = _arrival()
