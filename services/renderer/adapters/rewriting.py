"""Rows of the job book that get values of their own, in one statement for all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, Text, Update, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.renderer.adapters.rows import KEY, Row, Values, among, key_of, key_values, of_key
from services.renderer.adapters.tables import jobs
from services.renderer.domain.jobs import Key

#: What the new values are called beside the old ones.
_NEW = "new_"


class Rewriting:
    """Gives `columns` of rows new values where `still` holds, and answers with the columns `told` of those.

    On PostgreSQL it is one statement, which may be a transaction by itself. Rows are locked in one order
    by everybody who comes this way, so that nobody waits in a circle, and `still` is asked of a row as it is
    when its lock is gained: of two who rewrite a row at once only one finds it as it was.
    """

    def __init__(self, columns: Sequence[str], still: ColumnElement[bool], told: Sequence[Any] = KEY) -> None:
        self._columns = [*(column.name for column in KEY), *columns]
        self._still = still
        self._told = told
        self._statement = _joined(self._columns, still, told)

    async def __call__(self, connection: AsyncConnection, news: Mapping[Key, Values]) -> Sequence[Row]:
        if not news:
            return []
        if connection.dialect.name == "postgresql":
            rows = [{**key._asdict(), **values} for key, values in news.items()]
            arrays = {_NEW + name: [row[name] for row in rows] for name in self._columns}
            return (await connection.execute(self._statement, arrays)).all()
        return await self._one_by_one(connection, news)

    async def _one_by_one(self, connection: AsyncConnection, news: Mapping[Key, Values]) -> Sequence[Row]:
        """SQLite's transaction holds the file's only write lock, so nobody comes between its statements."""
        rows = (await connection.execute(select(*KEY).where(among(news), self._still))).all()
        live = [key_of(row) for row in rows]
        if live:
            values = [key_values(key) | news[key] for key in live]
            await connection.execute(update(jobs).where(*of_key()), values)
        if self._told is KEY or not live:
            return rows
        return (await connection.execute(select(*self._told).where(among(live)))).all()


def _joined(columns: Sequence[str], still: ColumnElement[bool], told: Sequence[Any]) -> Update:
    """Each row is locked by the first part, in its turn, before the second one writes it."""
    arrays = [bindparam(_NEW + name, type_=ARRAY(_type(name))) for name in columns]
    named = func.unnest(*arrays).table_valued(*(_NEW + name for name in columns))
    news = named.render_derived("news")
    same = and_(*(news.c[_NEW + column.name] == column for column in KEY))
    found = select(*news.c).join(jobs, same).where(still).order_by(*KEY).with_for_update(of=jobs)
    live = found.cte("live").prefix_with("MATERIALIZED")
    written = update(jobs).where(*(column == live.c[_NEW + column.name] for column in KEY))
    new = {name: live.c[_NEW + name] for name in columns if name not in {column.name for column in KEY}}
    return written.values(new).returning(*told)


def _type(name: str) -> Any:
    """Texts without a length, to which a cast would cut them."""
    kind = jobs.c[name].type
    return Text() if isinstance(kind, String) else kind
