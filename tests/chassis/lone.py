"""A service like any other, to be started on its own: `python -m tests.chassis.lone`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field

from chassis.database import open_database
from chassis.main import ServiceSettings, main
from chassis.process import Service
from chassis.settings import Url
from messaging.bus import Bus
from tests.chassis.databases import FIRST, migrations


class Settings(ServiceSettings):
    """One field more than every service has."""

    database_url: Url = Field(description="where the rows are")
    port: int = Field(0, description="port of HTTP")


@asynccontextmanager
async def open_lone(settings: Settings, _bus: Bus) -> AsyncIterator[Service]:
    """Fails where it is told to, by the name of the database."""
    url = settings.database_url.get_secret_value()
    if url.startswith("broken:"):
        raise ValueError(f"can't work with {url}")
    async with open_database(url, "lone", migrations(settings.var_dir / "migrations", FIRST)) as database:
        yield Service("lone", checks={"database": database.trouble})


if __name__ == "__main__":
    main("lone", Settings, open_lone)
