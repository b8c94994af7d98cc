"""Every service's migrations only add: release N goes on working on the tables that N+1 has made of its own.

What is no longer wanted is dropped one release after the last one that used it: until then it stays, and may
be null or has a default.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, create_engine, func, inspect, select, types

from services.gateway.app import MIGRATIONS as GATEWAY
from services.indexer.app import MIGRATIONS as INDEXER
from services.renderer.app import MIGRATIONS as RENDERER
from services.uploader.app import MIGRATIONS as UPLOADER
from tests.chassis.databases import FIRST, migrations

FOLDERS = {"gateway": GATEWAY, "indexer": INDEXER, "renderer": RENDERER, "uploader": UPLOADER}
#: Of one type for both databases, something that differs from row to row.
VALUES: dict[type[types.TypeEngine[Any]], Any] = {
    types.Boolean: lambda _number: False,
    types.Float: float,
    types.Integer: int,
    types.String: lambda number: f"x{number}",
}


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def revisions(folder: Path) -> list[str]:
    """Oldest first."""
    return [each.revision for each in ScriptDirectory(str(folder)).walk_revisions()][::-1]


def to(revision: str, connection: Connection, folder: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes |= {"connection": connection, "service": "any"}
    command.upgrade(config, revision)


def reflected(connection: Connection) -> Mapping[str, Table]:
    """The tables as they are now."""
    found = MetaData()
    found.reflect(connection)
    return {name: table for name, table in found.tables.items() if name != "alembic_version"}


def row(table: Table, number: int) -> dict[str, Any]:
    """Something in every column."""
    made = {}
    for column in table.columns:
        kind = next(kind for kind in VALUES if isinstance(column.type, kind))
        made[column.name] = VALUES[kind](number)
    return made


def withdrawn(connection: Connection, folder: Path) -> list[str]:
    """What the newest tables refuse to releases that know older ones."""
    wrong: list[str] = []
    olds: dict[str, Mapping[str, Table]] = {}
    for number, revision in enumerate(revisions(folder), 1):
        to(revision, connection, folder)
        olds[revision] = reflected(connection)
        for table in olds[revision].values():
            connection.execute(table.insert(), row(table, number))
    for number, (revision, tables) in enumerate(olds.items(), 100):
        for table in tables.values():
            wrong += [f"{revision} {why}" for why in _refused(connection, table, number)]
    return wrong


def _refused(connection: Connection, old: Table, number: int) -> Iterator[str]:
    """Whether rows can be read and written as when the table was `old`."""
    if not inspect(connection).has_table(old.name):
        yield f"reads {old.name}, which is gone"
        return
    try:
        connection.execute(old.insert(), row(old, number))
        assert connection.execute(select(old)).all()
        assert connection.execute(select(func.count()).select_from(old)).scalar()
    except Exception as why:  # noqa: BLE001  whatever a database has against it
        yield f"can't use {old.name}: {why}"


@pytest.mark.parametrize("service", FOLDERS)
def test_every_release_can_read_and_write_the_newest_tables(service: str, connection: Connection) -> None:
    assert withdrawn(connection, FOLDERS[service]) == []


@pytest.mark.parametrize("service", FOLDERS)
def test_revisions_are_numbers_of_four_digits_in_a_row(service: str) -> None:
    found = revisions(FOLDERS[service])
    assert found == [f"{number:04}" for number in range(1, len(found) + 1)]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('op.drop_column("notes", "words")', "can't use notes"),
        ('op.rename_table("notes", "remarks")', "reads notes, which is gone"),
        (
            "op.execute(\"UPDATE notes SET words = 'x100'\"); "
            'op.create_index("one", "notes", ["words"], unique=True)',
            "can't use notes",
        ),
    ],
)
def test_what_takes_something_away_is_found(
    step: str, said: str, connection: Connection, tmp_path: Path
) -> None:
    (found, *_) = withdrawn(connection, migrations(tmp_path, FIRST, step))
    assert found.startswith(f"0001 {said}")


def test_what_only_adds_is_fine(connection: Connection, tmp_path: Path) -> None:
    steps = (
        'op.add_column("notes", sa.Column("more", sa.Text))',
        'op.add_column("notes", sa.Column("count", sa.Integer, nullable=False, server_default="0"))',
        'op.create_index("by_words", "notes", ["words"])',
    )
    assert withdrawn(connection, migrations(tmp_path, FIRST, *steps)) == []
