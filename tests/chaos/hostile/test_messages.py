"""Ten thousand hostile messages: each is answered or dies with a reason, and nothing else happens."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from aio_pika.abc import AbstractIncomingMessage

from contracts.topology import QUEUES, WAITS
from tests.chaos.hostile.messages import Hostile, hostile
from tests.chaos.hostile.system import System, is_flat, system
from tests.distributed.wire import channel, taken
from tests.journeys.waiting import until
from tests.messaging.raw import RawClient

SEED = 8
#: Messages that go in before the next look.
PORTION = 250


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_each_ends_and_none_of_them_harms(rabbitmq_url: str, tmp_path: Path, whole: bool) -> None:
    size = 10_000 if whole else 1_200
    injected = list(hostile(SEED, size))
    async with system(tmp_path, rabbitmq_url) as target:
        await target.works()
        first = await _through(target, rabbitmq_url, injected[: size // 2])
        second = await _through(target, rabbitmq_url, injected[size // 2 :])
        await target.works()
        dead = {queue.name: await taken(rabbitmq_url, queue.dead) for queue in QUEUES}
        done = {queue: n for (queue, outcome), n in (await target.deliveries()).items() if outcome == "done"}
    for queue in QUEUES:
        meant = [one for one in injected if queue in one.queues]
        _all_ended(meant, dead[queue.name], done.get(queue.name, 0))
    assert is_flat(first, second), f"memory grew from {first} to {second}"


async def _through(target: System, url: str, injected: Sequence[Hostile]) -> int:
    """The memory that the system takes once all of these have ended."""
    for begin in range(0, len(injected), PORTION):
        await asyncio.to_thread(_publish, url, injected[begin : begin + PORTION])
        try:
            await until(lambda: _nothing_left(url), 180)
        except TimeoutError:
            raise AssertionError(
                f"still there: {await _left(url)}\n{target.log.read_text()[-4000:]}"
            ) from None
    return target.memory


def _publish(url: str, injected: Sequence[Hostile]) -> None:
    with RawClient(url) as client:
        client.publish([one.post for one in injected])


async def _nothing_left(url: str) -> bool:
    """A message that is being handled counts as none here, so this asks twice."""
    for _ in range(2):
        if await _left(url):
            return False
        await asyncio.sleep(0.3)
    return True


async def _left(url: str) -> dict[str, int]:
    """Queue -> messages that wait in it, where there are any."""
    found = {}
    async with channel(url) as opened:
        for name in (*(queue.name for queue in QUEUES), *(wait.name for wait in WAITS)):
            declared = await opened.declare_queue(name, passive=True)
            found[name] = declared.declaration_result.message_count or 0
    return {name: count for name, count in found.items() if count}


def _all_ended(meant: Sequence[Hostile], dead: Sequence[AbstractIncomingMessage], done: int) -> None:
    """What nobody can read has died, each copy of it; the rest has died or was handled."""
    died = Counter(letter.body for letter in dead)
    unreadable = Counter(one.post.body for one in meant if not one.readable)
    assert unreadable - died == Counter()
    readable = sum(one.readable for one in meant)
    assert readable <= done + (died - unreadable).total()
    assert all(letter.headers.get("x-last-error") for letter in dead)
