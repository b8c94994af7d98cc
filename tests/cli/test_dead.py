"""`darkroom dead`, at a real broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from chassis.settings import BadSettings
from cli import dead_letters
from cli.dead_letters import Choice, dropped, listed, replayed, shown
from contracts.commands import CancelBatch, OpenFolder
from contracts.message import Message
from messaging.bus import Bus, Subscription
from messaging.dead_letters import Wanted
from messaging.errors import PermanentError
from messaging.rabbitmq import open_rabbitmq
from tests.cli.test_broker import darkroom
from tests.messaging.ear import Ear
from tests.messaging.rig import until


def choice(*ids: str, everything: bool = False, **said: Any) -> Choice:
    usual = {"queues": (), "reason": "", "batch": "", "older_than": "", "newer_than": ""}
    return Choice(ids, **{**usual, **said}, everything=everything)


class Shop:
    """A bus with one dead letter of each queue; what the commands say is kept."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.said: list[str] = []
        self.asked: list[str] = []

    async def kill(self, service: str, message: Message, reason: str) -> None:
        before = sum((await self.bus.dead_letters()).values())
        ear = Ear(PermanentError(reason))
        async with self.bus.consuming([Subscription(service, type(message), ear)]):
            await self.bus.publish(message)

            async def dead() -> bool:
                return sum((await self.bus.dead_letters()).values()) > before

            await until(dead)

    async def run(self, work: Callable[..., Coroutine[None, None, int]], *given: Any) -> str:
        self.said.clear()
        assert await work(*given, self.said.append) == 0
        return "\n".join(self.said)

    async def items(self, wanted: Choice) -> list[dict[str, Any]]:
        told = json.loads(await self.run(listed, wanted, 100, True))
        assert told["more"] is False
        return list(told["items"])

    def yes(self, count: str) -> bool:
        self.asked.append(count)
        return True

    def no(self, count: str) -> bool:
        self.asked.append(count)
        return False


@pytest.fixture
async def shop(rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setenv("BUS_URL", rabbitmq_url)
    async with open_rabbitmq(rabbitmq_url, "tests") as bus:
        shop = Shop(bus)
        await shop.kill("renderer", CancelBatch(batch_id="b1"), "no such \x1b[31mbatch")
        await shop.kill("indexer", OpenFolder(folder="Areg/characters/opal/images"), "disk full")
        yield shop


async def test_what_died_is_listed_by_queue_reason_batch_and_age(shop: Shop) -> None:
    table = (await shop.run(listed, choice(), 100, False)).splitlines()
    assert table[0].split() == ["AGE", "QUEUE", "BATCH", "TRIES", "DEATHS", "REASON", "ID"]
    assert len({line.index(": ") for line in table[1:]}) == 1
    assert "PermanentError: no such \\x1b[31mbatch" in "\n".join(table)
    for wanted, queues in (
        (choice(), {"indexer.OpenFolder", "renderer.CancelBatch"}),
        (choice(queues=["indexer.OpenFolder"]), {"indexer.OpenFolder"}),
        (choice(reason="DISK"), {"indexer.OpenFolder"}),
        (choice(batch="b1"), {"renderer.CancelBatch"}),
        (choice(newer_than="1h"), {"indexer.OpenFolder", "renderer.CancelBatch"}),
        (choice(older_than="1h"), set()),
    ):
        assert {item["queue"] for item in await shop.items(wanted)} == queues, wanted
    assert "more than these 1" in await shop.run(listed, choice(), 1, False)
    assert await shop.run(listed, choice(batch="b2"), 1, False) == "no dead letters"


async def test_one_is_shown_with_its_body_its_headers_and_its_history(shop: Shop) -> None:
    (item,) = await shop.items(choice(batch="b1"))
    assert (item["attempts"], item["earlier"], item["route"]) == (1, [], "CancelBatch.v1")
    assert "body" not in item
    await shop.run(replayed, choice(item["id"]), shop.yes)
    await shop.kill("renderer", CancelBatch(batch_id="b2"), "unknown")
    (again,) = await shop.items(choice(batch="b1"))
    said = await shop.run(shown, again["id"], False)
    assert "it died before:" in said
    assert "after 1: PermanentError: no such \\x1b[31mbatch" in said
    assert '"batch_id": "b1"' in said
    assert (
        json.loads(await shop.run(shown, again["id"], True))["body"]
        == CancelBatch(batch_id="b1").encode().decode()
    )


async def test_what_is_not_there_is_said(shop: Shop) -> None:
    assert await shown("renderer.CancelBatch:gone", False, shop.said.append) == 1
    assert "no dead letter renderer.CancelBatch:gone" in shop.said[0]
    assert "nothing of that" in await shop.run(replayed, choice("renderer.CancelBatch:gone"), shop.yes)
    assert shop.asked == []


async def test_a_replayed_letter_is_handled_with_its_own_id(shop: Shop) -> None:
    assert (await shop.run(replayed, choice(queues=["indexer.OpenFolder"]), shop.yes)).endswith("1 replayed")
    assert shop.asked == ["this dead letter"]
    ear = Ear()
    async with shop.bus.consuming([Subscription("indexer", OpenFolder, ear)]):
        (message,) = await ear.hears()
    assert message.folder == "Areg/characters/opal/images"
    assert [item["queue"] for item in await shop.items(choice())] == ["renderer.CancelBatch"]


async def test_nothing_is_done_without_a_yes(shop: Shop) -> None:
    await shop.run(dropped, choice(everything=True), shop.no)
    assert shop.asked == ["2 dead letters"]
    assert len(await shop.items(choice())) == 2
    assert (await shop.run(dropped, choice(everything=True), shop.yes)).endswith("2 dropped")
    assert await shop.items(choice()) == []


@pytest.mark.parametrize("deed", [replayed, dropped])
async def test_each_filter_chooses_what_is_replayed_or_dropped(
    shop: Shop, deed: Callable[..., Coroutine[None, None, int]]
) -> None:
    said = await shop.run(deed, choice(older_than="1h"), shop.yes)
    assert (said, len(await shop.items(choice()))) == ("nothing of that lies there", 2)
    await shop.run(deed, choice(reason="DISK"), shop.yes)
    assert [item["queue"] for item in await shop.items(choice())] == ["renderer.CancelBatch"]
    await shop.kill("indexer", OpenFolder(folder="g"), "disk full again")
    await shop.run(deed, choice(batch="b1"), shop.yes)
    assert [item["queue"] for item in await shop.items(choice())] == ["indexer.OpenFolder"]
    await shop.run(deed, choice(queues=["indexer.OpenFolder"], newer_than="1h"), shop.yes)
    assert await shop.items(choice()) == []


async def test_what_dies_while_somebody_is_asked_is_left_alone(shop: Shop) -> None:
    killing: list[asyncio.Task[None]] = []

    def while_asked(_count: str) -> bool:
        killing.append(asyncio.ensure_future(shop.kill("indexer", OpenFolder(folder="late"), "disk full")))
        return True

    first = await shop.items(choice(reason="disk full"))
    found = Wanted(ids=frozenset(item["id"] for item in first))
    async with dead_letters.letters() as dead:
        chosen = await dead_letters._chosen(dead, choice(reason="disk full"), while_asked, shop.said.append)
        assert chosen == found
    await killing[0]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (choice(), "or else --all"),
        (choice("an id", everything=True), "or else --all"),
        (choice(queues=["renderer.Nothing"]), "there is no queue renderer.Nothing"),
        (choice(older_than="soon"), "'soon' is no age"),
    ],
)
async def test_who_says_nothing_or_nonsense_drops_nothing(shop: Shop, wanted: Choice, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        await dropped(wanted, shop.yes, shop.said.append)
    assert shop.asked == []


def test_without_a_broker_each_command_says_what_it_needs() -> None:
    for words in (["list"], ["show", "x"], ["replay", "x", "--yes"], ["drop", "--all", "--yes"]):
        done = darkroom("dead", *words, bus_url="memory:")
        assert done.returncode == 2
        assert "needs a broker" in done.stderr


async def test_the_commands_are_what_one_types(shop: Shop, rabbitmq_url: str) -> None:
    async def typed(*words: str, standard_input: bytes = b"") -> tuple[int, str]:
        done = await asyncio.to_thread(
            darkroom, "dead", *words, bus_url=rabbitmq_url, standard_input=standard_input
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    status, said = await typed("list", "--json", "--batch", "b1")
    (item,) = json.loads(said)["items"]
    assert (status, item["batch_id"]) == (0, "b1")
    assert (await typed("show", item["id"]))[0] == 0
    assert (await typed("show", "nothing"))[0] == 1
    assert "Replay this dead letter? [y/N]" in (await typed("replay", item["id"], standard_input=b"n\n"))[1]
    assert (await typed("replay", item["id"], "--yes"))[1].endswith("1 replayed\n")
    assert (await typed("drop", "--all", "--yes"))[1].endswith("1 dropped\n")
