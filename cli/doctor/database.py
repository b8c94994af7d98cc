"""The database: reachable, with tables of this release, room for connections, and the same time as here."""

import asyncio
import time
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chassis.database_engines import engine_of
from chassis.database_errors import Unusable, translated
from chassis.migrations import newest, present
from chassis.settings import read, safe
from cli.accounts.databases import TABLES
from cli.databases import DatabaseSettings
from cli.doctor.finding import Finding, ok, warning, wrong
from messaging.errors import Outage, TemporaryError

SERVER, CONNECTIONS, CLOCK = "server", "connections", "clock"
#: The oldest major version of PostgreSQL that still gets corrections.
OLDEST = 13
#: Share of the connections from which on a further process may get none: it opens up to eight.
NEARLY = 0.8
#: Seconds that a clock may differ: leases are told by the clocks of those who hold them.
SKEW, WORST_SKEW = 2.0, 10.0


async def database() -> list[Finding]:
    """Reads DATABASE_URL, or the files under VAR_DIR; changes nothing. Raises BadSettings."""
    settings = read(DatabaseSettings)
    if settings.database_url is None:
        return [await _file(service, settings.var_dir / f"{service}.db") for service in TABLES]
    url = settings.database_url.get_secret_value()
    found = [] if url.startswith("sqlite") else await _server(url)
    if any(each.state == "wrong" for each in found):
        return found
    return [*found, *[await _tables(url, service) for service in TABLES]]


async def _file(service: str, file: Path) -> Finding:
    if not await asyncio.to_thread(file.exists):
        return warning(service, f"{file} does not exist", "it is made at the first start; else set VAR_DIR")
    return await _tables(f"sqlite+aiosqlite:///{file}", service)


async def _server(url: str) -> list[Finding]:
    engine = engine_of(url, "doctor", pool=1)
    try:
        with translated():
            async with engine.connect() as connection:
                return await _facts(connection, safe(SecretStr(url)))
    except Unusable as why:
        return [wrong(SERVER, str(why), why.remedy)]
    except (Outage, TemporaryError) as why:
        return [wrong(SERVER, str(why), "see that it runs and can be reached from here: DATABASE_URL")]
    finally:
        await engine.dispose()


async def _facts(connection: AsyncConnection, shown: str) -> list[Finding]:
    began = time.time()
    row = (
        await connection.execute(
            text(
                "SELECT current_setting('server_version') AS version,"
                " current_setting('server_version_num')::int / 10000 AS major,"
                " current_setting('max_connections')::int AS most,"
                " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,"
                " extract(epoch FROM clock_timestamp())::float8 AS now"
            )
        )
    ).one()
    # What the answer took counts for neither.
    skew = (began + time.time()) / 2 - row.now
    return [_version(row.version, row.major, shown), _room(row.used, row.most), _clock(skew)]


def _version(version: str, major: int, shown: str) -> Finding:
    says = f"PostgreSQL {version} at {shown}"
    if major < OLDEST:
        return warning(SERVER, says, f"it gets no corrections any more; {OLDEST} or later does")
    return ok(SERVER, says)


def _room(used: int, most: int) -> Finding:
    says = f"{used} of {most} are in use"
    if used >= NEARLY * most:
        return warning(CONNECTIONS, says, "raise max_connections, or put a pooler before it: 8 a process")
    return ok(CONNECTIONS, says)


def _clock(skew: float) -> Finding:
    says = f"this machine's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the database's"
    if abs(skew) <= SKEW:
        return ok(CLOCK, says)
    advice = "run NTP on both: leases are taken from the living, or kept for the dead, where clocks differ"
    return (wrong if abs(skew) > WORST_SKEW else warning)(CLOCK, says, advice)


async def _tables(url: str, service: str) -> Finding:
    ours, engine = newest(TABLES[service]), engine_of(url, service, pool=1)
    try:
        return _compared(service, await _revision(engine, service), ours)
    except Unusable as why:
        return warning(service, str(why), "look with the service's own DATABASE_URL")
    except (Outage, TemporaryError) as why:
        return wrong(service, str(why), "see that the database runs and can be reached from here")
    finally:
        await engine.dispose()


async def _revision(engine: AsyncEngine, service: str) -> str | None:
    with translated():
        async with engine.connect() as connection:
            return await connection.run_sync(present, service)


def _compared(service: str, found: str | None, ours: str) -> Finding:
    renew = "the service does so at its start; where it may not, `darkroom database migrate` as their owner"
    if found is None:
        return warning(service, "has no tables yet", renew)
    if found == ours:
        return ok(service, f"its tables are of revision {found}, as this release wants them")
    if not found.isdecimal():
        return wrong(service, f"its tables are of other code (revision {found})", "name another database")
    if found < ours:
        says = f"its tables are behind: of revision {found}, and this release has {ours}"
        return warning(service, says, renew)
    says = f"its tables are ahead: of revision {found}, and this release knows {ours}"
    return warning(
        service, says, "this release can work on them; finish the upgrade, or look from the newer one"
    )
