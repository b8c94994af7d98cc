"""What callers see: batches asked over HTTP and straight from the bus, and who sees which."""

import asyncio
from pathlib import Path

from contracts import names
from contracts.commands import Character, GenerateBatch
from messaging.memory import MemoryBus
from tests.journeys.around import Around
from tests.journeys.caller import HEIGHT, SIZE, WIDTH, indexes
from tests.journeys.evidence import breaches, gathered
from tests.journeys.system import running
from tests.journeys.waiting import until


async def test_a_batch_sent_straight_to_the_bus_is_seen_over_http(beside: Around, tmp_path: Path) -> None:
    bus = MemoryBus()
    async with running(bus, beside, tmp_path) as system:
        areg = system.caller("Areg")
        lily = await areg.register("Iron Lily")
        character = Character(id=lily, name="Iron Lily", collection=names.CHARACTERS)
        request = GenerateBatch(
            batch_id="straight",
            username="Areg",
            character=character,
            prompt="x",
            quantity=3,
            width=WIDTH,
            height=HEIGHT,
        )
        await bus.publish(request)

        async def heard_of() -> bool:
            return (await areg.call("GET", "/v1/batches/straight")).is_success

        await until(heard_of)
        batch = await areg.ended("straight")
        assert (batch["status"], indexes(batch["images"])) == ("succeeded", [1, 2, 3])
        assert breaches(await gathered(beside, [batch])) == []
        gallery = await areg.gallery(lily)
        assert {each["url"] for each in gallery["images"]} == {each["url"] for each in batch["images"]}
        listed = (await areg.call("GET", "/v1/batches")).json()["items"]
        assert [each["id"] for each in listed] == ["straight"]
        assert (await system.caller("Mira").call("GET", "/v1/batches/straight")).status_code == 404


async def test_both_folders_are_numbered_for_each_user_alone(beside: Around, tmp_path: Path) -> None:
    async with running(MemoryBus(), beside, tmp_path) as system:
        areg, mira = system.caller("Areg"), system.caller("Mira")
        opal = await system.caller("studio", "premade").register("Opal Fever", premade=True)
        lily = await areg.register("Iron Lily")
        asked = [
            (areg, await areg.ask("a", opal, quantity=2)),
            (mira, await mira.ask("a", opal, quantity=3)),
            (areg, await areg.ask("b", lily, quantity=1)),
            (areg, await areg.ask("c", opal, quantity=2)),
        ]
        batches = await asyncio.gather(*(caller.ended(batch_id) for caller, batch_id in asked))
        assert [batch["folder"] for batch in batches] == [
            "Areg/premade_characters/opal-fever/images",
            "Mira/premade_characters/opal-fever/images",
            "Areg/characters/iron-lily/images",
            "Areg/premade_characters/opal-fever/images",
        ]
        assert sorted(indexes(batches[0]["images"]) + indexes(batches[3]["images"])) == [1, 2, 3, 4]
        assert indexes(batches[1]["images"]) == [1, 2, 3]
        assert indexes(batches[2]["images"]) == [1]
        assert breaches(await gathered(beside, batches)) == []
        assert [(await who.gallery(opal))["totalCount"] for who in (areg, mira)] == [4, 3]


async def test_the_old_calls_answer_in_their_old_shapes(beside: Around, tmp_path: Path) -> None:
    async with running(MemoryBus(), beside, tmp_path) as system:
        areg = system.caller("Areg")
        opal = await areg.register("Opal Fever", embedding="opal_fever")
        old = {"characterId": opal, "prompt": "opal light", "numImages": 3, "style": "noir", **SIZE}
        answer = await areg.call("POST", "/api/image-generation/generate", old)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        data = answer.json()["data"]
        batch = await areg.look(data["batchId"])
        urls = [image["url"] for image in sorted(batch["images"], key=lambda image: -image["index"])]
        expected = {"imageUrl": urls[0], "imageUrls": urls, "generatedCount": 3, "usedEmbedding": True}
        expected |= {"prompt": "opal light", "style": "noir", "batchId": batch["id"]}
        assert {name: value for name, value in data.items() if name != "images"} == expected
        assert [image["index"] for image in data["images"]] == [3, 2, 1]
        gallery = (await areg.call("GET", f"/api/image-generation/character/{opal}")).json()
        assert gallery.keys() == {"success", "data"}
        assert gallery["data"].keys() == {"images", "totalCount", "characterId"}
        assert (gallery["data"]["totalCount"], gallery["data"]["characterId"]) == (3, opal)
        listed = gallery["data"]["images"]
        assert all(each.keys() == {"url", "publicId", "createdAt", "filename"} for each in listed)
        assert {each["url"] for each in listed} == set(urls)
        assert {each["filename"] for each in listed} == {f"Areg_opal-fever_image_{n}" for n in (1, 2, 3)}
        assert breaches(await gathered(beside, [batch])) == []


async def test_the_old_call_says_when_no_image_came_to_be(beside: Around, tmp_path: Path) -> None:
    await beside.trouble_backends({"kind": "node_error", "text": "thunder", "times": None})
    async with running(MemoryBus(), beside, tmp_path) as system:
        areg = system.caller("Areg")
        body = {"characterId": await areg.register("Iron Lily"), "prompt": "thunder", "quantity": 2, **SIZE}
        answer = await areg.call("POST", "/api/image-generation/generate", body)
        assert (answer.status_code, answer.json()["code"]) == (502, "all_images_failed")
        batch = await areg.look(answer.json()["batchId"])
        assert [image["status"] for image in batch["images"]] == ["placeholder", "placeholder"]
        assert breaches(await gathered(beside, [batch])) == []


async def test_what_is_somebody_elses_does_not_exist(beside: Around, tmp_path: Path) -> None:
    async with running(MemoryBus(), beside, tmp_path) as system:
        areg, mira = system.caller("Areg"), system.caller("Mira")
        lily = await areg.register("Iron Lily")
        batch = await areg.ask("mine", lily)
        await areg.ended(batch)
        for method, path, body in (
            ("GET", f"/v1/batches/{batch}", None),
            ("POST", f"/v1/batches/{batch}/cancel", None),
            ("POST", f"/v1/batches/{batch}/retry", None),
            ("GET", f"/v1/characters/{lily}", None),
            ("POST", f"/v1/characters/{lily}/batches", {"prompt": "x"}),
            ("POST", "/api/image-generation/generate", {"characterId": lily, "prompt": "x"}),
            ("GET", f"/api/image-generation/character/{lily}", None),
        ):
            answer = await mira.call(method, path, body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        assert (await mira.call("GET", "/v1/batches")).json()["items"] == []
