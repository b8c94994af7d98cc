"""What a broker is told of settled deliveries: all, once each, and never a tag that it has forgotten."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from messaging.rabbitmq import receipts
from messaging.rabbitmq.cork import CorkedConnection
from messaging.rabbitmq.receipts import Answer, Tags


class Unacknowledged:
    """A channel of the broker, which closes at a tag that is not outstanding."""

    def __init__(self, count: int) -> None:
        self.tags = list(range(1, count + 1))

    def hear(self, answer: Answer) -> None:
        assert answer.tag in self.tags, f"unknown delivery tag {answer.tag}"
        gone = [tag for tag in self.tags if tag <= answer.tag] if answer.multiple else [answer.tag]
        self.tags = [tag for tag in self.tags if tag not in gone]


@st.composite
def turns(draw: st.DrawFn) -> Sequence[Sequence[int]]:
    """Tags of so many deliveries in the order in which they are settled, and which of them in one turn."""
    order = draw(st.permutations(range(1, draw(st.integers(1, 30)) + 1)))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=10)) | {len(order)})
    return [order[start:end] for start, end in zip([0, *cuts], cuts, strict=False)]


@given(turns())
def test_whatever_the_order_exactly_what_is_settled_is_acknowledged(settled: Sequence[Sequence[int]]) -> None:
    broker, tags, done = Unacknowledged(sum(map(len, settled))), Tags(), set[int]()
    everything = set(broker.tags)
    for turn in settled:
        for answer in tags.settled(turn):
            broker.hear(answer)
        done |= set(turn)
        assert set(broker.tags) == everything - done


class Lost:
    """A channel whose connection is gone: what is to be written waits for a writer that is no more."""

    delivery_tag = 1

    @property
    def channel(self) -> Any:
        return self

    async def basic_ack(self, *_: object, **__: object) -> None:
        await asyncio.Event().wait()


async def test_nobody_waits_for_ever_to_acknowledge_on_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receipts, "TIMEOUT", 0.05)
    lost: Any = Lost()
    async with asyncio.timeout(5):
        assert not await receipts.Receipts().acknowledge(lost)


def test_deliveries_that_are_settled_in_order_take_one_answer() -> None:
    tags = Tags()
    assert tags.settled([1, 2, 3]) == [Answer(3, multiple=True)]
    assert tags.settled([5, 4]) == [Answer(5, multiple=True)]
    assert tags.settled([7]) == [Answer(7)]
    assert tags.settled([6, 8]) == [Answer(8, multiple=True)]


async def test_what_is_written_at_once_is_sent_at_once_and_arrives_in_order(rabbitmq_url: str) -> None:
    connection = CorkedConnection(URL(rabbitmq_url))
    await connection.connect(timeout=10)
    try:
        channel = await connection.channel()
        queue = await channel.declare_queue("corked", auto_delete=False)
        underlay: Any = await channel.get_underlay_channel()
        bodies = [f"{number}".encode() * 1000 for number in range(50)]
        await asyncio.gather(
            *(underlay.basic_publish(body, routing_key=queue.name, wait=False) for body in bodies)
        )
        got = [await queue.get(no_ack=True) for _ in bodies]
        assert [message.body for message in got] == bodies
    finally:
        await connection.close()
