"""A corked socket, on the loop that services run on."""

import asyncio
from typing import Any

from chassis import loop
from messaging.rabbitmq.cork import _Corked


async def _written_too_late() -> list[dict[str, Any]]:
    """What the loop complains of."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    corked = _Corked(reader, writer)
    corked.write(b"held")
    writer.transport.abort()
    await asyncio.sleep(0.01)
    corked.write(b"later")
    await asyncio.sleep(0.01)
    corked.close()
    server.close()
    await server.wait_closed()
    return complaints


def test_what_is_written_to_a_connection_that_is_gone_is_lost_without_a_word() -> None:
    assert loop.run(_written_too_late()) == []
