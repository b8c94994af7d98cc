"""Batches as durable resources."""

import asyncio
from typing import Any

from contracts.commands import GenerateBatch
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door

FOLDER = "Areg/characters/opal-fever/images"
WISH: dict[str, Any] = {"prompt": "on a rooftop", "quantity": 2, "character_id": ""}


async def put(door: Door, client_id: str, **more: Any) -> Any:
    return await door.areg.put(f"/v1/batches/{client_id}", json={**WISH, **more})


async def test_a_batch_is_accepted_and_says_where_to_look(door: Door) -> None:
    door.peer.script = peer.nothing
    character_id = await door.character()
    answer = await door.areg.post(
        f"/v1/characters/{character_id}/batches",
        json={"prompt": "on a rooftop", "quantity": 3},
        headers={"Prefer": "respond-async"},
    )
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == body["urls"]["self"] == f"/v1/batches/{body['id']}"
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert int(answer.headers["Retry-After"]) > 0
    assert (body["status"], body["indexes"], body["images"]) == ("queued", None, [])
    assert body["progress"] == {"value": 0.0, "done": 0, "total": 3}


async def test_nobody_is_told_of_a_preference_that_he_did_not_have(door: Door) -> None:
    character_id = await door.character()
    answer = await door.areg.post(f"/v1/characters/{character_id}/batches", json={"prompt": "x"})
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (202, None)


async def test_who_waits_gets_the_end_as_soon_as_it_comes(door: Door) -> None:
    character_id = await door.character()
    async with asyncio.timeout(5):
        answer = await door.areg.post(
            f"/v1/characters/{character_id}/batches",
            json={"prompt": "x", "quantity": 2},
            headers={"Prefer": "wait=100"},
        )
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=100"
    assert "Retry-After" not in answer.headers
    assert answer.json()["status"] == "succeeded"


async def test_a_running_batch_shows_each_image_and_live_progress(door: Door) -> None:
    door.peer.script = peer.nothing
    character_id = await door.character(style="noir")
    made = await door.batch(character_id, 4, seed=42, parameters={"steps": 30, "exact": True, "cfg": 7.5})
    event = await door.peer.reserved()
    await door.peer.says(
        peer.stored(event, 0),
        peer.progress(event, 1, stage="running", step=15, steps=30),
        peer.progress(event, 2, stage="queued", ahead=3),
        peer.progress(event, 3, stage="queued", ahead=4),
    )
    body = await door.seen(made["id"])
    here = f"/v1/batches/{made['id']}"
    assert body.pop("created_at") == made["created_at"]
    assert body.pop("started_at") >= made["created_at"]
    images = body.pop("images")
    assert body == {
        "id": made["id"],
        "status": "running",
        "character": {"id": character_id, "name": "Opal Fever"},
        "prompt": "on a rooftop",
        "negative_prompt": "",
        "quantity": 4,
        "width": 1024,
        "height": 1536,
        "seed": 42,
        "style": "noir",
        "workflow": "portrait",
        "parameters": {"steps": 30, "exact": True, "cfg": 7.5},
        "on_failure": "placeholder",
        "folder": FOLDER,
        "indexes": {"first": 1, "last": 4},
        "ahead": 3,
        "queue_position": 4,
        "progress": {"value": 0.375, "done": 1, "total": 4},
        "metrics": {"queue_ms": 100, "gpu_ms": 1000},
        "completed_at": None,
        "error": None,
        "urls": {"self": here, **{name: f"{here}/{name}" for name in ("events", "cancel", "retry")}},
    }
    assert [(image["index"], image["status"], image["stage"]) for image in images] == [
        (1, "succeeded", None),
        (2, "running", "running"),
        (3, "queued", "queued"),
        (4, "queued", "queued"),
    ]
    assert [image["name"] for image in images] == [f"Areg_opal-fever_image_{n}" for n in (1, 2, 3, 4)]
    assert (images[1]["step"], images[1]["steps"], images[2]["ahead"]) == (15, 30, 3)


async def test_a_stored_image_is_told_whole(door: Door) -> None:
    made = await door.batch(await door.character(), 1, seed=42)
    await door.peer.reserved()
    (image,) = (await door.seen(made["id"]))["images"]
    assert image == {
        "id": f"{made['id']}.0",
        "thumbnail": f"https://images.test/{FOLDER}/Areg_opal-fever_image_1.png",
        "favourite": False,
        "ordinal": 0,
        "index": 1,
        "moved_from": None,
        "round": 1,
        "name": "Areg_opal-fever_image_1",
        "status": "succeeded",
        "stage": None,
        "step": None,
        "steps": None,
        "ahead": None,
        "url": f"https://images.test/{FOLDER}/Areg_opal-fever_image_1.png",
        "public_id": f"{FOLDER}/Areg_opal-fever_image_1",
        "content_type": "image/png",
        "width": 1024,
        "height": 1536,
        "hash": f"{1:032x}",
        "seed": 42,
        "placeholder": False,
        "used_embedding": False,
        "backend": "pod-1",
        "queue_ms": 100,
        "gpu_ms": 1000,
        "created_at": "2030-01-01T00:00:01Z",
        "error": None,
    }


async def test_an_image_that_had_to_give_way_says_which_number_was_its_own(door: Door) -> None:
    door.peer.script = lambda event: [peer.stored(event, 0)]
    made = await door.batch(await door.character(), 2)
    event = await door.peer.reserved()
    await door.peer.says(peer.moved(event, 1, new=9))
    images = (await door.seen(made["id"]))["images"]
    told = [(image["index"], image["moved_from"], image["name"]) for image in images]
    assert told == [(1, None, "Areg_opal-fever_image_1"), (9, 2, "Areg_opal-fever_image_9")]


async def test_a_failure_says_its_code_and_whether_a_retry_can_help(door: Door) -> None:
    door.peer.script = lambda event: [peer.stored(event, 0), peer.failed(event, 1)]
    made = await door.batch(await door.character())
    await door.peer.reserved()
    body = await door.seen(made["id"])
    assert body["status"] == "partially_succeeded"
    assert body["images"][1]["error"] == {
        "code": "missing_model",
        "detail": "no such model",
        "retryable": True,
    }


async def test_a_rejected_batch_has_failed_and_says_why(door: Door) -> None:
    door.peer.refuses = "nobody may be pictured so"
    made = await door.batch(await door.character())
    await door.peer.hears(GenerateBatch)
    body = await door.seen(made["id"])
    assert (body["status"], body["images"], body["indexes"]) == ("failed", [], None)
    assert body["completed_at"] is not None
    assert body["error"] == {
        "code": "invalid_prompt",
        "detail": "nobody may be pictured so",
        "retryable": False,
    }


async def test_the_same_id_and_body_is_the_same_batch_made_once(door: Door) -> None:
    character_id = await door.character()
    answers = [await put(door, "order-91", character_id=character_id) for _ in range(2)]
    await door.peer.reserved()
    answers.append(await put(door, "order-91", character_id=character_id, quantity=2))
    await door.peer.bus.settled()
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert [answer.status_code for answer in answers][::2] == [202, 200]
    assert door.peer.count(GenerateBatch) == 1


async def test_many_puts_of_one_id_at_once_are_one_batch(door: Door) -> None:
    character_id = await door.character()
    puts = [put(door, "order-91", character_id=character_id) for _ in range(8)]
    answers = await asyncio.gather(*puts)
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_another_body_under_the_same_id_is_refused(door: Door) -> None:
    character_id = await door.character()
    await put(door, "order-91", character_id=character_id)
    for change in ({"quantity": 3}, {"parameters": {"steps": 1}}, {"style": "noir"}):
        answer = await put(door, "order-91", character_id=character_id, **change)
        assert (answer.status_code, answer.json()["code"]) == (422, "batch_id_reuse")


async def test_the_same_id_of_two_users_names_two_batches(door: Door) -> None:
    character_id = await door.character(premade=True)
    mine = await put(door, "order-91", character_id=character_id)
    hers = await door.by("Nare").put("/v1/batches/order-91", json={**WISH, "character_id": character_id})
    assert mine.json()["id"] != hers.json()["id"]


async def test_a_batch_is_also_found_under_the_callers_own_id(door: Door) -> None:
    made = await put(door, "order 91", character_id=await door.character())
    assert (await door.areg.get("/v1/batches/order 91")).json()["id"] == made.json()["id"]
    assert (await door.by("Nare").get("/v1/batches/order 91")).status_code == 404
    canceled = await door.areg.post("/v1/batches/order 91/cancel")
    assert canceled.json()["id"] == made.json()["id"]


async def test_true_is_not_one_to_a_workflow(door: Door) -> None:
    character_id = await door.character()
    await put(door, "order-91", character_id=character_id, parameters={"exact": False})
    answer = await put(door, "order-91", character_id=character_id, parameters={"exact": True})
    assert answer.json()["code"] == "batch_id_reuse"


async def test_batches_are_listed_newest_first_and_page_by_page_while_new_ones_come(door: Door) -> None:
    character_id = await door.character()
    made = [(await door.batch(character_id, 1))["id"] for _ in range(5)]
    seen: list[str] = []
    answer = await door.areg.get("/v1/batches", params={"limit": 2})
    while True:
        page = answer.json()
        seen += [item["id"] for item in page["items"]]
        await door.batch(character_id, 1)
        if not page["has_more"]:
            break
        assert page["next_cursor"] in answer.links["next"]["url"]
        answer = await door.areg.get("/v1/batches", params={"limit": 2, "cursor": page["next_cursor"]})
    assert seen == made[::-1]
    assert (await door.by("Nare").get("/v1/batches")).json()["items"] == []


async def test_a_listed_batch_has_its_status_and_its_numbers(door: Door) -> None:
    made = await door.batch(await door.character())
    await door.peer.reserved()
    await door.seen(made["id"])
    (item,) = (await door.areg.get("/v1/batches")).json()["items"]
    assert (item["id"], item["status"], item["quantity"]) == (made["id"], "succeeded", 2)
    assert item["indexes"] == {"first": 1, "last": 2}


async def test_a_batch_takes_the_characters_style_unless_it_names_one(door: Door) -> None:
    character_id = await door.character(style="noir")
    assert (await door.batch(character_id))["style"] == "noir"
    assert (await door.batch(character_id, style="pastel"))["style"] == "pastel"


async def test_an_unknown_workflow_is_refused_before_anything_is_kept(door: Door) -> None:
    character_id = await door.character()
    answer = await door.areg.post(
        f"/v1/characters/{character_id}/batches", json={"prompt": "x", "workflow": "landscape"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_workflow")
    assert answer.json()["errors"][0]["pointer"] == "/workflow"
    assert "colour-card, portrait" in answer.json()["detail"]
    assert (await door.areg.get("/v1/batches")).json()["items"] == []


async def test_names_that_are_too_long_together_are_not_blamed_on_the_body(door: Door) -> None:
    character_id = await door.character("x" * 90, premade=True)
    someone = door.by("Somebody-with-a-long-name")
    answer = await someone.post(f"/v1/characters/{character_id}/batches", json={"prompt": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_character")
    assert "errors" not in answer.json()


async def test_a_list_of_batches_can_be_narrowed(door: Door) -> None:
    first = await door.batch(await door.character())
    await door.peer.reserved()
    door.peer.script = peer.nothing
    second = await door.batch(await door.character("Second"))
    await door.peer.reserved(2)

    async def found(**query: Any) -> list[str]:
        answer = await door.areg.get("/v1/batches", params=query)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert await found(status="succeeded") == [first["id"]]
    assert await found(status="queued") == [second["id"]]
    assert await found(character=first["character"]["id"]) == [first["id"]]
    assert await found(created_after=second["created_at"]) == [second["id"]]
    assert await found(created_before=second["created_at"], limit=1) == [first["id"]]
    for wrong in (
        {"status": "done"},
        {"created_after": "yesterday"},
        {"created_after": "2030-01-01T00:00:00"},
    ):
        answer = await door.areg.get("/v1/batches", params=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, next(iter(wrong)))
