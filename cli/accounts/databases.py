"""What is done at the database before services come: its roles, and the tables, by their owner."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.engine import make_url

from chassis.database import Database
from chassis.database_engines import engine_of
from chassis.database_errors import Unusable, translated
from chassis.settings import BadSettings, Settings, Url, read, safe
from cli.accounts.roles import SERVICES, grants, roles
from cli.databases import DatabaseSettings, answering
from services.gateway.app import MIGRATIONS as GATEWAYS
from services.indexer.app import MIGRATIONS as INDEXERS
from services.renderer.app import MIGRATIONS as RENDERERS
from services.uploader.app import MIGRATIONS as UPLOADERS

TABLES: Mapping[str, Path] = dict(zip(SERVICES, (GATEWAYS, INDEXERS, RENDERERS, UPLOADERS), strict=True))


class ServerSettings(Settings):
    """Whose login, at which database, this is done with."""

    database_url: Url = Field(description="`postgresql+asyncpg://user:password@host/database`")


def server() -> ServerSettings:
    """Raises BadSettings where no PostgreSQL is named."""
    settings = read(ServerSettings)
    if not settings.database_url.get_secret_value().startswith("postgresql"):
        raise BadSettings(f"DATABASE_URL is {safe(settings.database_url)}, and only PostgreSQL has roles")
    return settings


def statements(settings: ServerSettings, verifiers: Mapping[str, str], prefix: str) -> list[str]:
    """In the database that the URL names. Raises BadSettings where it names none."""
    database = make_url(settings.database_url.get_secret_value()).database
    if not database:
        raise BadSettings(
            "DATABASE_URL names no database; set postgresql+asyncpg://user:password@host/database"
        )
    return roles(database, verifiers, prefix)


async def apply_roles(settings: ServerSettings, verifiers: Mapping[str, str], prefix: str) -> str:
    """In one transaction. Raises Outage, and BadSettings where this login may not."""
    engine = engine_of(settings.database_url.get_secret_value(), "darkroom", pool=1)
    try:
        async with Database(engine).begin() as connection:
            for statement in statements(settings, verifiers, prefix):
                await connection.exec_driver_sql(statement)
    except Unusable as why:
        raise BadSettings(
            f"DATABASE_URL: {why}; name a login that may make roles and owns the database"
        ) from why
    finally:
        await engine.dispose()
    return f"{len(verifiers)} roles may log in"


async def migrate(settings: ServerSettings, prefix: str) -> str:
    """Every service's tables, and what its role may do with them. Raises BadSettings where a role is missing,
    and Outage."""
    known = DatabaseSettings(database_url=settings.database_url)
    for service, migrations in TABLES.items():
        async with answering(known, service, migrations) as database:
            await _grant(database, service, prefix)
    return f"the tables of {', '.join(TABLES)} are of this release, and their roles may use them"


async def _grant(database: Database, service: str, prefix: str) -> None:
    with translated():
        async with database.begin() as connection:
            there = text("SELECT rolname FROM pg_roles WHERE rolname IN (:service, :monitor)")
            wanted = {"service": prefix + service, "monitor": f"{prefix}monitor"}
            missing = set(wanted.values()) - set(await connection.scalars(there, wanted))
            if missing:
                raise BadSettings(
                    f"there is no role {', '.join(sorted(missing))}; `darkroom database roles` makes it"
                )
            for statement in grants(service, prefix):
                await connection.exec_driver_sql(statement)
