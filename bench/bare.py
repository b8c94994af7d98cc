"""`python -m bench.bare PORT DATABASE_URL BUS_URL`: the least that a route can do which keeps and passes on.

One row by asyncpg, committed, and one message by aio-pika into a quorum queue, confirmed; then 202. Nothing
is checked, limited, numbered or remembered, and a crash between the two loses the message.
"""

import asyncio
import sys
import uuid
from typing import Any

import aio_pika
import asyncpg  # type: ignore[import-untyped]
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

QUEUE = "bare"
CONNECTIONS = 8


class Wish(BaseModel):
    """What is asked for."""

    prompt: str
    quantity: int
    width: int = 1024
    height: int = 1536


async def serve(port: int, database_url: str, bus_url: str) -> None:
    pool = await asyncpg.create_pool(
        database_url.replace("+asyncpg", ""), min_size=CONNECTIONS, max_size=CONNECTIONS
    )
    await pool.execute("CREATE TABLE bare (id text PRIMARY KEY, character_id text, body text)")
    connection = await aio_pika.connect(bus_url)
    channel = await connection.channel(publisher_confirms=True)
    await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    app = FastAPI()

    @app.post("/characters/{character_id}/batches", status_code=202)
    async def ask(character_id: str, wish: Wish) -> dict[str, Any]:
        batch_id, body = uuid.uuid4().hex, wish.model_dump_json()
        await pool.execute("INSERT INTO bare VALUES ($1, $2, $3)", batch_id, character_id, body)
        message = aio_pika.Message(body.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, QUEUE)
        return {"id": batch_id, "status": "queued", **wish.model_dump()}

    await uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, access_log=False, log_level="error")
    ).serve()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
