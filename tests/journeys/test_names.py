"""Hostile names: refused with a reason, over HTTP and by message, before a single number is given out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts import names
from contracts.commands import Character, GenerateBatch
from contracts.events import BatchRejected, IndicesReserved
from contracts.message import Message
from messaging.bus import Subscription
from messaging.memory import MemoryBus
from tests.journeys.around import Around
from tests.journeys.buses import TwistedBus
from tests.journeys.caller import indexes
from tests.journeys.system import running
from tests.journeys.waiting import until

USERNAMES = {
    "empty": "",
    "blank": "   ",
    "traversal": "../../etc/passwd",
    "encoded traversal": "%2e%2e%2fetc",
    "backslash": "..\\..\\windows",
    "absolute": "/etc/passwd",
    "dots": "..",
    "version": "v12",
    "transformation": "w_100",
    "format": "Areg.png",
    "emoji": "Areg\N{ROCKET}",
    "letters of another script": "Áreg",
    "look-alike": "\N{CYRILLIC CAPITAL LETTER A}reg",
    "right to left": "Areg\N{RIGHT-TO-LEFT OVERRIDE}",
    "NUL": "Areg\0",
    "newline": "Areg\nMira",
    "trailing newline": "Areg\n",
    "query": "Areg?x=1#y",
    "long": "a" * 10_000,
}
CHARACTERS = {
    "empty": "",
    "dots": "../..",
    "version": "v12",
    "emoji": "\N{ROCKET}\N{ROCKET}",
    "another script": "\N{CJK UNIFIED IDEOGRAPH-65E5}",
    "NUL": "\0",
    "newline": "\n",
    "long": "a" * 10_000,
}
#: What looks bad and becomes a plain folder, because only its letters and digits do.
TAMED = {
    "../../etc/passwd": "etc-passwd",
    "w_100": "w-100",
    "Iron\nLily": "iron-lily",
    "image.png?x=1": "image-png-x-1",
    "<script>": "script",
}


class Listening:
    """Remembers what is delivered, by the kind of message."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    async def __call__(self, subscription: Subscription[Any], message: Message) -> Sequence[Message]:
        self.heard.append(message)
        return await subscription.handle(message)

    def rejections(self) -> dict[str, BatchRejected]:
        return {each.batch_id: each for each in self.heard if isinstance(each, BatchRejected)}


def batch(batch_id: str, username: str, name: str) -> GenerateBatch:
    character = Character(id="chr_1", name=name, collection=names.CHARACTERS)
    return GenerateBatch(batch_id=batch_id, username=username, character=character, prompt="opal light")


async def test_hostile_names_in_messages_are_rejected_and_reserve_nothing(
    beside: Around, tmp_path: Path
) -> None:
    listening, within = Listening(), MemoryBus()
    bus = TwistedBus(within, listening)
    hostile = {f"user-{place}": (name, "Iron Lily") for place, name in enumerate(USERNAMES.values())}
    hostile |= {f"name-{place}": ("Areg", name) for place, name in enumerate(CHARACTERS.values())}
    async with running(bus, beside, tmp_path) as system:
        await bus.publish(*(batch(batch_id, *pair) for batch_id, pair in hostile.items()))

        async def all_rejected() -> bool:
            return listening.rejections().keys() == hostile.keys()

        await until(all_rejected)
        for batch_id, rejection in listening.rejections().items():
            assert rejection.code in ("invalid_username", "invalid_character"), hostile[batch_id]
            assert len(rejection.reason.split()) > 3
        await within.settled()
        assert not any(isinstance(message, IndicesReserved) for message in listening.heard)
        assert await beside.assets() == []
        assert await bus.dead_letters() == {}
        areg = system.caller("Areg")
        first = await areg.ended(await areg.ask("first", await areg.register("Iron Lily")))
        assert indexes(first["images"]) == [1]


async def test_hostile_usernames_are_refused_at_the_door(beside: Around, tmp_path: Path) -> None:
    async with running(MemoryBus(), beside, tmp_path) as system:
        opal = await system.caller("studio", "premade").register("Opal Fever", premade=True)
        for name in USERNAMES.values():
            hostile = system.caller(name)
            for path, body in (
                ("/v1/characters", {"name": "Iron Lily"}),
                (f"/v1/characters/{opal}/batches", {"prompt": "opal light"}),
                ("/api/image-generation/generate", {"characterId": opal, "prompt": "opal light"}),
            ):
                answer = await hostile.call("POST", path, body)
                assert 400 <= answer.status_code < 500, (name, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["detail"]
        await beside.mirrored("studio/premade_characters/opal-fever/images", 1)
        assert len(await beside.assets()) == 1


async def test_hostile_character_names_are_refused_or_tamed_at_the_door(
    beside: Around, tmp_path: Path
) -> None:
    async with running(MemoryBus(), beside, tmp_path) as system:
        areg = system.caller("Areg")
        for name in CHARACTERS.values():
            answer = await areg.call("POST", "/v1/characters", {"name": name})
            assert answer.status_code == 422, (name, answer.text)
            assert answer.json()["errors"][0]["pointer"] == "/name"
        for name, slug in TAMED.items():
            answer = await areg.call("POST", "/v1/characters", {"name": name})
            assert (answer.status_code, answer.json()["slug"]) == (201, slug)
            await beside.mirrored(f"Areg/characters/{slug}/images", 1)
        assert len(await beside.assets()) == len(TAMED)
