"""Rows of the job book that get values of their own, in one statement for all of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    Text,
    TextClause,
    Update,
    and_,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.renderer.adapters.rows import KEY, Row, Values
from services.renderer.adapters.tables import jobs
from services.renderer.domain.jobs import Key

#: What the new values are called beside the old ones.
_NEW = "new_"
_KEY = tuple(column.name for column in KEY)


class Rewriting:
    """Gives `columns` of rows new values where `still` holds, and the row has the values that are given for
    the columns `same`; answers with the columns `told` of those rows.

    It may be a transaction by itself. Rows are locked in one order by everybody who comes this way, so that
    nobody waits in a circle, and `still` is asked of a row as it is when its lock is gained: of two who
    rewrite a row at once only one finds it as it was.
    """

    def __init__(
        self,
        columns: Sequence[str],
        still: ColumnElement[bool] | TextClause,
        told: Sequence[ColumnElement[Any]] = KEY,
        same: Sequence[str] = (),
    ) -> None:
        self._names = (*_KEY, *same, *columns)
        arrays, lists = _arrays(self._names), _lists(self._names)
        self._on_postgresql = _joined(arrays, _found(arrays, same, still), columns, told)
        self._on_sqlite = _joined(lists, _found(lists, same, still), columns, told)

    async def __call__(self, connection: AsyncConnection, news: Mapping[Key, Values]) -> Sequence[Row]:
        if not news:
            return []
        rows = [{**key._asdict(), **values} for key, values in news.items()]
        if connection.dialect.name == "postgresql":
            arrays = {_NEW + name: [row[name] for row in rows] for name in self._names}
            return (await connection.execute(self._on_postgresql, arrays)).all()
        lists = json.dumps([[row[name] for name in self._names] for row in rows])
        return (await connection.execute(self._on_sqlite, {"news": lists})).all()


def _found(
    news: FromClause, same: Sequence[str], still: ColumnElement[bool] | TextClause
) -> ColumnElement[bool]:
    return and_(*(jobs.c[name] == news.c[_NEW + name] for name in (*_KEY, *same)), still)


def _joined(
    news: FromClause, found: ColumnElement[bool], columns: Sequence[str], told: Sequence[Any]
) -> Update:
    """Each row is locked by the first part, in its turn, before the second one writes it."""
    taken = select(*news.c).join(jobs, found).order_by(*KEY).with_for_update(of=jobs)
    live = taken.cte("live").prefix_with("MATERIALIZED")
    written = update(jobs).where(*(jobs.c[name] == live.c[_NEW + name] for name in _KEY))
    return written.values({name: live.c[_NEW + name] for name in columns}).returning(*told)


def _arrays(names: Sequence[str]) -> FromClause:
    """One array for each column, as PostgreSQL takes rows."""
    arrays = [bindparam(_NEW + name, type_=ARRAY(_type(name))) for name in names]
    return func.unnest(*arrays).table_valued(*(_NEW + name for name in names)).render_derived("news")


def _lists(names: Sequence[str]) -> FromClause:
    """One list for each row, as SQLite takes them."""
    row = func.json_each(bindparam("news", type_=Text)).table_valued("value").c.value
    parts = [func.json_extract(row, f"$[{place}]").label(_NEW + name) for place, name in enumerate(names)]
    return select(*parts).subquery("news")


def _type(name: str) -> Any:
    """Texts without a length, to which a cast would cut them."""
    kind = jobs.c[name].type
    return Text() if isinstance(kind, String) else kind
