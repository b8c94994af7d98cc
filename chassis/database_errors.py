"""What the database drivers raise, in the words of a delivery."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from messaging.errors import Outage, TemporaryError

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html

#: Transactions that lost a race, or were cancelled by an operator, and may simply run again.
_RACES = ("40001", "40P01", "55P03", "57014")
#: Classes of SQLSTATE that speak of the server, not of the statement: connection, resources, shutdown, I/O;
#: and 25006: for a while only reading is allowed, as on a replica that is about to take over.
_DOWN = ("08", "53", "57", "58", "25006")
#: What the driver says of a connection on which a server said that it ends before anybody asked it anything.
_CONFUSED = asyncpg.InternalClientError
#: SQLite's words for a file that can't be used now (https://www.sqlite.org/rescode.html).
_SQLITE_DOWN = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")

#: What no waiting mends, and what does.
_REMEDIES = {
    "28": "user or password is wrong",
    "3D000": "the server has no database of this name; create it",
    "42501": "the user may not do this: it is another service's, or the tables are older than this release; "
    "`darkroom database migrate`, as their owner, renews them for every service, or grant CREATE on it",
    "SQLITE_CANTOPEN": "the file can't be opened; name one in a folder that may be written",
    "SQLITE_READONLY": "the file can't be written",
    "SQLITE_NOTADB": "the file is not a SQLite database",
    "SQLITE_CORRUPT": "the file is damaged; put a backup in its place",
}
_UNTRUSTED = (
    "the server's certificate is not to be trusted; name the file of its authority with sslrootcert=, and "
    "the server by a name that its certificate bears"
)


class Unusable(Outage):
    """An outage that ends only when somebody does something: `remedy` says what."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


@contextmanager
def translated() -> Iterator[None]:
    """Turns the drivers' errors into those of a delivery: Outage, Unusable or TemporaryError. A statement
    that is itself wrong keeps its error."""
    try:
        yield
    except DBAPIError as error:
        found = _judged(error.orig or error, lost=error.connection_invalidated)
        if found is None:
            raise
        raise found from error
    except asyncpg.PostgresError as error:  # older SQLAlchemy hands these through while connecting
        found = _judged(error, lost=False)
        if found is None:
            raise
        raise found from error
    except PoolTimeoutError as error:
        raise Outage("database: every connection is in use") from error
    except ssl.SSLCertVerificationError as error:
        raise Unusable(f"database: {_first_line(error)}", _UNTRUSTED) from error
    except (OSError, TimeoutError) as error:
        raise Outage(f"database: {_first_line(error)}") from error


def _judged(error: BaseException, lost: bool) -> Outage | TemporaryError | None:
    state = str(getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None) or "")
    reason = f"database: {_first_line(error)}"
    for prefix, remedy in _REMEDIES.items():
        if state.startswith(prefix):
            return Unusable(reason, remedy)
    if state in _RACES:
        return TemporaryError(reason, delay=0)
    if lost or state.startswith((*_DOWN, *_SQLITE_DOWN)) or isinstance(error.__cause__, _CONFUSED):
        return Outage(reason)
    return None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
