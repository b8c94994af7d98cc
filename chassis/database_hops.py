"""SQLite statements that cost one visit to the connection's thread.

The driver's thread does one small thing per visit, and SQLAlchemy has it make a cursor, run the statement,
fetch the rows and close the cursor: four visits, each of which wakes the thread and then the loop, which
costs more than most of our statements do. Here a statement with all its rows is one visit, and the end of a
transaction that never began is none; its beginning goes along with its first statement.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util.concurrency import await_

T = TypeVar("T")

Run = Callable[[sqlite3.Cursor], sqlite3.Cursor]


class Cursor(AsyncAdapt_aiosqlite_cursor):
    """Holds what a statement told; nothing is open once it has run."""

    def __init__(self, connection: "Connection") -> None:
        self._adapt_connection = connection
        self._rows = deque()
        self._told: tuple[Any, int, Any] = (None, -1, None)
        self._size = 1

    @property
    def description(self) -> Any:
        return self._told[0]

    @property
    def rowcount(self) -> int:
        return self._told[1]

    @property
    def lastrowid(self) -> Any:
        return self._told[2]

    @property
    def arraysize(self) -> int:
        return self._size

    @arraysize.setter
    def arraysize(self, value: int) -> None:
        self._size = value

    def execute(self, operation: Any, parameters: Any = None) -> Any:
        return self._run(lambda cursor: cursor.execute(operation, parameters or ()))

    def executemany(self, operation: Any, seq_of_parameters: Sequence[Any]) -> Any:
        return self._run(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    def close(self) -> None:
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """There is nothing to close."""

    def _run(self, run: Run) -> None:
        connection = self._adapt_connection
        assert isinstance(connection, Connection)
        self._told, self._rows = connection.visit(lambda driver: _told(driver, run))


class Connection(AsyncAdapt_aiosqlite_connection):
    """A connection of SQLAlchemy's kind."""

    __slots__ = ("_due",)

    _cursor_cls: type[AsyncAdapt_aiosqlite_cursor] = Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._due = False

    def begin_with_next(self) -> None:
        """The next statement is the first of a transaction that may write."""
        self._due = True

    def visit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives in the connection's thread."""
        try:
            return await_(self._visit(work))
        except ValueError as error:  # the driver's word for a connection that is closed
            self._handle_exception(error)

    def commit(self) -> None:
        self._due = False
        if self._in_transaction():
            super().commit()

    def rollback(self) -> None:
        self._due = False
        if self._in_transaction():
            super().rollback()

    def _in_transaction(self) -> bool:
        driver: Any = self._connection
        return driver._connection is not None and bool(driver.in_transaction)

    async def _visit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        driver: Any = self._connection
        async with self._execute_mutex:
            told: T = await driver._execute(_begun if self._due else _plainly, driver._conn, work)
        self._due = False
        return told


class Driver(AsyncAdapt_aiosqlite_dbapi):
    """What SQLAlchemy takes for the module of the driver."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    def connect(self, *arg: Any, **kw: Any) -> Connection:
        connection = aiosqlite.connect(*arg, **kw)
        # Or a process could not end while a connection is left open.
        connection._thread.daemon = True
        return Connection(self, await_(connection))


def _plainly(driver: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    return work(driver)


def _begun(driver: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    # It may have begun before, and then a statement failed that the transaction goes on after.
    if not driver.in_transaction:
        driver.execute("BEGIN IMMEDIATE")
    return work(driver)


def _told(driver: sqlite3.Connection, run: Run) -> tuple[tuple[Any, int, Any], deque[Any]]:
    cursor = run(driver.cursor())
    try:
        rows = deque(cursor.fetchall()) if cursor.description else deque()
        return (cursor.description, cursor.rowcount, cursor.lastrowid), rows
    finally:
        cursor.close()
