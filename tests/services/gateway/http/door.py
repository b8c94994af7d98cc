"""A gateway at a real port, its neighbours played by a peer, and callers of every kind."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

from chassis.process import Service, run
from chassis.settings import read
from messaging.memory import MemoryBus
from services.gateway.app import open_gateway
from services.gateway.settings import Settings
from tests.services.gateway.http.peer import Peer

JSON = {"Content-Type": "application/json"}
#: What its workflows let a request say.
FORM = """
[parameters]
steps = { to = "3.steps", type = "int" }
cfg = { to = "3.cfg", type = "number" }
exact = { to = "3.exact", type = "bool" }
x = { to = "3.x", type = "int" }
[styles]
noir = {}
pastel = {}
"""
SECRET = "a secret that is only used in these tests"
DEFAULTS = {
    "BUS_URL": "memory:",
    "JWT_SECRET": SECRET,
    "RESEND_AT_START": "true",
    # Nobody leads callers elsewhere, so nobody is waited for at the stop.
    "DRAIN_SECONDS": "0",
    # Receivers of webhooks are the tests' own.
    "WEBHOOK_ALLOW_PRIVATE": "true",
}


def token(username: Any = "Areg", secret: str = SECRET, **claims: Any) -> str:
    """A token as a product's backend would sign it, good for an hour."""
    said = {"username": username, "exp": time.time() + 3600, **claims}
    return jwt.encode({name: value for name, value in said.items() if value is not None}, secret)


def bearer(signed: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {signed}"}


@dataclass
class Door:
    """A running gateway, as its callers see it."""

    url: str
    peer: Peer
    stop: asyncio.Event
    service: Service
    database: Path
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def by(self, username: str, scope: str | None = None) -> httpx.AsyncClient:
        """Calls of this user, on connections of his own."""
        key = f"{username} {scope}"
        if key not in self.clients:
            headers = bearer(token(username, scope=scope))
            self.clients[key] = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)
        return self.clients[key]

    @property
    def areg(self) -> httpx.AsyncClient:
        return self.by("Areg")

    async def character(self, name: str = "Opal Fever", username: str = "Areg", **more: Any) -> str:
        """The id of a new character."""
        scope = "premade" if more.get("premade") else None
        made = await self.by(username, scope).post("/v1/characters", json={"name": name, **more})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    async def batch(self, character_id: str, quantity: int = 2, **more: Any) -> dict[str, Any]:
        """What Areg's question for a batch is answered with."""
        wish = {"prompt": "on a rooftop", "quantity": quantity, **more}
        asked = await self.areg.post(f"/v1/characters/{character_id}/batches", json=wish)
        assert asked.status_code == 202, asked.text
        return dict(asked.json())

    def spoil(self, statement: str) -> None:
        """Does something to the database that nobody expects."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute(statement)
            connection.commit()

    async def seen(self, batch_id: str) -> dict[str, Any]:
        """Areg's batch after everything that was said of it."""
        await self.peer.bus.settled()
        return dict((await self.areg.get(f"/v1/batches/{batch_id}")).json())


@asynccontextmanager
async def opened(tmp_path: Path, deaf: bool = False, **told: str) -> AsyncIterator[Door]:
    """`deaf`: nobody hears what the gateway says."""
    for name in ("portrait", "colour-card"):
        inputs = tmp_path / "workflows" / name / "inputs.toml"
        inputs.parent.mkdir(parents=True, exist_ok=True)
        inputs.write_text(FORM)
    known: Mapping[str, str] = {
        **DEFAULTS,
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/gateway.db",
        "WORKFLOWS_DIR": str(tmp_path / "workflows"),
        **told,
    }
    bus, stop, started = MemoryBus(), asyncio.Event(), asyncio.Event()
    urls: list[str] = []

    def begun(url: str) -> None:
        urls.append(url)
        started.set()

    peer = Peer(bus)
    settings = read(Settings, {name: value for name, value in known.items() if value})
    heard = [] if deaf else peer.subscriptions()
    async with open_gateway(settings, bus) as service, bus.consuming(heard):
        running = asyncio.create_task(run([service], bus, "127.0.0.1", 0, stop, begun))
        await started.wait()
        door = Door(urls[0], peer, stop, service, tmp_path / "gateway.db")
        try:
            yield door
        finally:
            for client in door.clients.values():
                await client.aclose()
            stop.set()
            await running
