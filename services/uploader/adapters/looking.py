"""All that a group of changes has to know of the ledger, in one statement."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    CompoundSelect,
    Integer,
    Label,
    RowMapping,
    Select,
    String,
    any_,
    bindparam,
    func,
    literal_column,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.uploader.adapters.rows import row_of
from services.uploader.adapters.tables import ASSETS, GRAVES
from services.uploader.domain.rows import Row

Key = tuple[str, int]


@dataclass(frozen=True)
class Seen:
    """The lines of the images that were asked for, who has the names, and which names are buried."""

    lines: dict[Key, RowMapping]
    named: dict[str, Row]
    buried: frozenset[str]


def _statement(
    asked: Select[Any], named: Callable[[Column[str]], ColumnElement[bool]]
) -> CompoundSelect[Any]:
    # Own rows are locked, and told as they are once the lock is gained; names and graves as they were when
    # the statement began: whoever gives a name away or buries it has its turn, and that is the caller.
    own = (
        select(ASSETS)
        .where(tuple_(ASSETS.c.batch_id, ASSETS.c.ordinal).in_(asked))
        # In order, so that two transactions that want the same rows never wait for each other in a ring.
        .order_by(ASSETS.c.batch_id, ASSETS.c.ordinal)
        .with_for_update()
        .cte("own")
    )
    kind: dict[str, Label[str]] = {
        name: literal_column(f"'{name}'").label("kind") for name in ("own", "named", "buried")
    }
    nothing = [GRAVES.c.public_id if column.name == "public_id" else null() for column in ASSETS.c]
    return union_all(
        select(kind["own"], own),
        select(kind["named"], ASSETS).where(named(ASSETS.c.public_id)),
        select(kind["buried"], *nothing).where(named(GRAVES.c.public_id)),
    )


def _on_postgresql() -> CompoundSelect[Any]:
    batch_ids, ordinals = (
        bindparam("batch_ids", type_=ARRAY(String)),
        bindparam("ordinals", type_=ARRAY(Integer)),
    )
    names = any_(bindparam("names", type_=ARRAY(String)))
    return _statement(select(func.unnest(batch_ids), func.unnest(ordinals)), lambda column: column == names)


def _on_sqlite() -> CompoundSelect[Any]:
    key, name = (
        func.json_each(bindparam(which)).table_valued("value").c.value for which in ("keys", "names")
    )
    parts = (func.json_extract(key, literal_column(f"'$[{place}]'")) for place in (0, 1))
    return _statement(select(*parts), lambda column: column.in_(select(name)))


# However many are asked for, the text is the same, so that no database has to plan it anew.
_ON_POSTGRESQL, _ON_SQLITE = _on_postgresql(), _on_sqlite()


async def seen(connection: AsyncConnection, keys: Collection[Key], names: Collection[str]) -> Seen:
    """To be asked by whoever has the turns of all these names; locks the rows of these keys."""
    if connection.dialect.name == "postgresql":
        batch_ids, ordinals = zip(*keys, strict=True)
        asked = {"batch_ids": batch_ids, "ordinals": ordinals, "names": list(names)}
        told = await connection.execute(_ON_POSTGRESQL, asked)
    else:
        asked = {"keys": json.dumps(list(keys)), "names": json.dumps(list(names))}
        told = await connection.execute(_ON_SQLITE, asked)
    return _sorted(told.mappings())


def _sorted(lines: Iterable[RowMapping]) -> Seen:
    own: dict[Key, RowMapping] = {}
    named, buried = {}, set()
    for line in lines:
        if line["kind"] == "own":
            own[line["batch_id"], line["ordinal"]] = line
        elif line["kind"] == "named":
            named[line["public_id"]] = row_of(line)
        else:
            buried.add(line["public_id"])
    return Seen(own, named, frozenset(buried))
