"""A service's own database, opened for a person: who waits a moment, and wants a sentence then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pydantic import Field

from chassis.database import Database, open_database
from chassis.settings import BadSettings, Settings, Url
from messaging.errors import Outage

#: Seconds that a database has to answer.
PATIENCE = 15.0


class DatabaseSettings(Settings):
    """Where the services keep what they know."""

    database_url: Url | None = Field(
        None, description="as the services have it; unset: the files of the system in one process"
    )


@asynccontextmanager
async def answering(settings: DatabaseSettings, service: str, migrations: Path) -> AsyncIterator[Database]:
    """Raises BadSettings where there is no such database, Outage where it does not answer in time."""
    async with AsyncExitStack() as stack:
        opening = open_database(_url(settings, service), service, migrations)
        try:
            async with asyncio.timeout(PATIENCE):
                database = await stack.enter_async_context(opening)
        except TimeoutError:
            raise Outage(f"the {service}'s database does not answer; check DATABASE_URL") from None
        yield database


def _url(settings: DatabaseSettings, service: str) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    file = settings.var_dir / f"{service}.db"
    if not file.exists():
        raise BadSettings(
            f"DATABASE_URL is not set, and {file} does not exist; set what the services have, or VAR_DIR"
        )
    return f"sqlite+aiosqlite:///{file}"
