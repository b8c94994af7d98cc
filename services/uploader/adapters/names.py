"""Turns at a name that no row has yet: giving it to an image, or closing it for ever, happens one by one."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database


async def lock_name(database: Database, connection: AsyncConnection, public_id: str) -> None:
    """Until the transaction ends. On SQLite every writing transaction is alone already."""
    if database.is_postgresql:
        turn = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        await connection.execute(turn, {"name": public_id})
