"""A server that can be used: launched on its machine and waited for until it answers its own protocol."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.nodes.machine import Machine
from tests.nodes.packages import NodeUnavailableError

PROBE_EVERY_SECONDS = 0.05

T = TypeVar("T")


class Node:
    """One server that belongs to its holder, who may end and start it at will; port and data survive that.

    `start`, `restart` and `ready` raise `NodeUnavailableError`, with the end of the server's log, when it
    does not answer in time.
    """

    def __init__(
        self, name: str, machine: Machine, answers: Callable[[], Awaitable[bool]], within: float
    ) -> None:
        self._name = name
        self._machine = machine
        self._answers = answers
        self._within = within

    async def start(self) -> None:
        await asyncio.to_thread(self._machine.launch)
        await self.ready()

    async def stop(self) -> None:
        """Ends it in good order."""
        await asyncio.to_thread(self._machine.stop)

    async def kill(self) -> None:
        """Ends it with SIGKILL."""
        await asyncio.to_thread(self._machine.kill)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def pause(self) -> None:
        """Freezes it: connections stay open and nobody answers."""
        self._machine.pause()

    def resume(self) -> None:
        self._machine.resume()

    async def remove(self) -> None:
        """Ends it and forgets its data."""
        await asyncio.to_thread(self._machine.remove)

    def keeper(self) -> int | None:
        """The process to end when the node shall end and its holder may be gone."""
        return self._machine.keeper()

    async def ready(self) -> None:
        """Returns once it answers its protocol."""
        try:
            async with asyncio.timeout(self._within):
                while not await self._answers():
                    if not self._machine.alive():
                        raise NodeUnavailableError(
                            f"{self._name} ended at once. Its log:\n{self._machine.log()}"
                        )
                    await asyncio.sleep(PROBE_EVERY_SECONDS)
        except TimeoutError as error:
            waited = f"{self._name} did not answer within {self._within:g} s"
            raise NodeUnavailableError(f"{waited}. Its log:\n{self._machine.log()}") from error


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end on a loop and a thread of its own: the caller's loop is not touched."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
