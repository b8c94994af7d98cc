"""What is published together goes out together, and each is told its own end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity, PublishError
from aiormq import Channel
from aiormq.abc import ChannelFrame
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.commands import Basic

from messaging.rabbitmq.mailbag import Mailbag
from tests.messaging.rabbitmq.conftest import plain_client
from tests.messaging.rig import Client


@pytest.fixture
async def bag(rabbitmq_url: str) -> AsyncIterator[Mailbag]:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        yield Mailbag(cast(Channel, await channel.get_underlay_channel()))


@pytest.fixture
async def client(rabbitmq_url: str) -> AsyncIterator[Client]:
    """On the same vhost."""
    async with plain_client(rabbitmq_url) as client:
        yield client


async def a_queue(client: Client) -> str:
    return (await client.channel.declare_queue(exclusive=True)).name


async def post(bag: Mailbag, key: str, body: bytes, exchange: str = "") -> None:
    await bag.post(body, exchange, key, True, Basic.Properties(message_id=str(uuid4())))


def handed(bag: Mailbag, monkeypatch: pytest.MonkeyPatch, full: int = 0) -> list[ChannelFrame]:
    """What the writer is given from now on; so many times it has its hands full."""
    pieces: list[ChannelFrame] = []
    put, refusals = bag.channel.write_queue.put_nowait, iter(range(full))

    def seen(piece: ChannelFrame) -> None:
        if next(refusals, None) is not None:
            raise asyncio.QueueFull
        pieces.append(piece)
        put(piece)

    monkeypatch.setattr(bag.channel.write_queue, "put_nowait", seen)
    return pieces


async def test_what_is_posted_together_is_one_piece_in_its_order(
    bag: Mailbag, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, pieces = await a_queue(client), handed(bag, monkeypatch)
    await asyncio.gather(*(post(bag, queue, f"{n}".encode()) for n in range(50)))
    assert len(pieces) == 1
    assert [(await client.get(queue)).body for _ in range(50)] == [f"{n}".encode() for n in range(50)]


async def test_a_writer_that_has_its_hands_full_gets_it_later(
    bag: Mailbag, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, pieces = await a_queue(client), handed(bag, monkeypatch, full=3)
    await asyncio.gather(*(post(bag, queue, b"x") for _ in range(5)))
    assert len(pieces) == 1
    assert await client.size(queue) == 5


@pytest.mark.parametrize("longer", [-1, 0, 1])
async def test_a_body_of_any_length_arrives_whole(bag: Mailbag, client: Client, longer: int) -> None:
    queue, most = await a_queue(client), bag.channel.max_content_size
    for body in (b"", bytes(n % 251 for n in range(2 * most + longer)), b"y" * (most + longer)):
        await post(bag, queue, body)
        assert (await client.get(queue)).body == body


async def test_of_many_at_once_only_those_without_a_queue_are_told_so(bag: Mailbag, client: Client) -> None:
    queue = await a_queue(client)
    keys = [queue if n % 3 else "nobody" for n in range(30)]
    ends = await asyncio.gather(*(post(bag, key, b"x") for key in keys), return_exceptions=True)
    assert [isinstance(end, PublishError) for end in ends] == [key == "nobody" for key in keys]
    assert await client.size(queue) == 20


async def test_what_closes_the_channel_is_told_to_all_who_wait_and_to_who_comes_later(
    bag: Mailbag, client: Client
) -> None:
    queue = await a_queue(client)
    lost = [post(bag, queue, b"x", "no such exchange") for _ in range(10)]
    ends = await asyncio.gather(*lost, return_exceptions=True)
    assert {type(end) for end in ends} == {ChannelNotFoundEntity}
    with pytest.raises(ChannelInvalidStateError):
        await post(bag, queue, b"x")


async def test_who_gives_up_waiting_disturbs_nobody(bag: Mailbag, client: Client) -> None:
    queue = await a_queue(client)
    posts: list[asyncio.Task[Any]] = [asyncio.create_task(post(bag, queue, b"x")) for _ in range(20)]
    await asyncio.sleep(0)
    for given_up in posts[::2]:
        given_up.cancel()
    ends = await asyncio.gather(*posts, return_exceptions=True)
    assert [end is None for end in ends] == [False, True] * 10
    # Those, too, had been handed over.
    await post(bag, queue, b"last")
    assert await client.size(queue) == 21
    assert not bag.channel.message_id_delivery_tag
