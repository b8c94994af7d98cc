"""A service's tables to test with, and programs that work on them in processes of their own."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, Table, Text, func, select, text

from chassis.database import Database, open_database

SERVICE = "shop"
ROOT = Path(__file__).parents[2]
NOTES = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("words", Text))

ENV = "from chassis.migrations import run\n\nrun()\n"
REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = {number!r}, {before!r}


def upgrade():
    {work}
"""
FIRST = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("words", sa.Text))'


def migrations(folder: Path, *works: str) -> Path:
    """A migrations folder with one revision for each piece of work."""
    versions = folder / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    _written(folder / "env.py", ENV)
    for number, work in enumerate(works, 1):
        before = f"{number - 1:04}" if number > 1 else None
        revision = REVISION.format(number=f"{number:04}", before=before, work=work)
        _written(versions / f"{number:04}.py", revision)
    return folder


def _written(path: Path, words: str) -> None:
    """Another process may be reading the file: it is left alone when it is right."""
    if not path.exists() or path.read_text() != words:
        path.write_text(words)


@asynccontextmanager
async def opened(url: str, tmp_path: Path, pool: int = 8) -> AsyncIterator[Database]:
    """A database with the table NOTES."""
    async with open_database(url, SERVICE, migrations(tmp_path / "migrations", FIRST), pool) as database:
        yield database


async def write(database: Database, number: int, words: str = "") -> None:
    async with database.begin() as connection:
        await connection.execute(NOTES.insert().values(id=number, words=words))


async def numbers(database: Database) -> list[int]:
    async with database.read() as connection:
        return [row.id for row in await connection.execute(select(NOTES.c.id).order_by(NOTES.c.id))]


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(NOTES))).scalar_one())


async def execute(database: Database, *statements: str) -> None:
    """One transaction."""
    async with database.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Returns once the condition holds; fails when it takes longer than that."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  what is waited for happens elsewhere
            await asyncio.sleep(0.01)


async def start(program: str, *arguments: str) -> Process:
    """Runs a module of this folder by its name; standard output is a pipe."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.chassis.{program}", *arguments, stdout=PIPE, env=environment
    )


async def said(process: Process, word: str) -> None:
    """Returns once the process has written this line."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while line := await process.stdout.readline():
            if line.decode().strip() == word:
                return
    raise AssertionError(f"ended without the word {word}")
