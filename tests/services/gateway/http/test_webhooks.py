"""Webhooks from their first wish to the call that arrives, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from standardwebhooks import Webhook as Verifier

from tests.journeys.waiting import until
from tests.services.gateway.adapters.webhooks.receiver import Answer, Receiver, receiving
from tests.services.gateway.http import peer
from tests.services.gateway.http.door import Door, opened
from tests.services.gateway.http.wishes import pointers

WEBHOOKS = "/v1/webhooks"
#: Where nobody answers.
URL = "http://127.0.0.1:1024/hooks"
PUBLIC = "https://example.com/hooks"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


async def added(door: Door, url: str, *events: str, **more: Any) -> dict[str, Any]:
    made = await door.areg.post(WEBHOOKS, json={"url": url, "events": list(events), **more})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def delivered(door: Door, webhook: dict[str, Any], many: int) -> list[dict[str, Any]]:
    """Its deliveries, once so many are."""

    async def so_many() -> list[dict[str, Any]] | None:
        found = await door.areg.get(webhook["urls"]["deliveries"], params={"status": "delivered"})
        items: list[dict[str, Any]] = found.json()["items"]
        return items if len(items) >= many else None

    return await until(so_many)


async def test_a_batch_is_told_to_whoever_asked_for_it(door: Door, receiver: Receiver) -> None:
    webhook = await added(door, receiver.url(), "batch.started", "output", "completed")
    await door.batch(await door.character(), quantity=1)
    heard = await receiver.hears(3)
    told = [Verifier(webhook["secret"]).verify(each.body, dict(each.headers)) for each in heard]
    assert sorted(each["type"] for each in told) == ["batch.completed", "batch.started", "image.completed"]
    log = await delivered(door, webhook, 3)
    assert {each["id"] for each in log} == {each.headers["webhook-id"] for each in heard}
    assert {each["attempts"][0]["status_code"] for each in log} == {200}


async def test_a_webhook_is_shown_as_it_was_asked_for_but_for_its_secret(door: Door) -> None:
    made = await added(door, URL, "output", description="shop")
    assert made.pop("secret").startswith("whsec_")
    assert made["events"] == ["image.completed", "image.failed"]
    assert (made["enabled"], made["batch_id"], made["description"]) == (True, None, "shop")
    assert (await door.areg.get(made["urls"]["self"])).json() == made
    assert (await door.areg.get(WEBHOOKS)).json()["items"] == [made]


async def test_a_webhook_is_added_once_and_its_secret_told_also_when_the_answer_was_lost(door: Door) -> None:
    async def add(**more: Any) -> httpx.Response:
        key = {"Idempotency-Key": "shop-1"}
        return await door.areg.post(WEBHOOKS, json={"url": URL, **more}, headers=key)

    first = await add()
    assert first.status_code == 201
    again = await add()
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    # As a process leaves it that added the webhook and died before it could keep its answer.
    door.spoil("UPDATE idempotency_keys SET status = NULL, lease_until = 0")
    resumed = await add()
    assert (resumed.status_code, resumed.json()) == (201, first.json())
    assert (await add(description="x")).json()["code"] == "idempotency_key_reuse"
    assert len((await door.areg.get(WEBHOOKS)).json()["items"]) == 1


async def test_a_webhook_is_changed_switched_and_removed(door: Door, receiver: Receiver) -> None:
    made = await added(door, URL)
    here = made["urls"]["self"]
    wish = {"url": receiver.url(), "events": ["start"], "description": "x"}
    changed = await door.areg.patch(here, json=wish)
    assert changed.json()["url"] == receiver.url()
    assert (changed.json()["events"], changed.json()["description"]) == (["batch.started"], "x")
    off = (await door.areg.patch(here, json={"enabled": False})).json()
    assert (off["enabled"], off["disabled_reason"]) == (False, "asked")
    assert off["disabled_at"] is not None
    refused = await door.areg.post(made["urls"]["test"])
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
    on = (await door.areg.patch(here, json={"enabled": True})).json()
    assert (on["enabled"], on["disabled_reason"], on["disabled_at"]) == (True, None, None)
    assert (await door.areg.patch(here, json={})).json() == on
    assert (await door.areg.delete(here)).status_code == 204
    assert (await door.areg.get(here)).status_code == 404
    assert (await door.areg.delete(here)).status_code == 404


async def test_what_waits_for_a_disabled_webhook_is_told_when_it_is_enabled(
    door: Door, receiver: Receiver
) -> None:
    receiver.answer = lambda _heard: Answer(500)
    made = await added(door, receiver.url())
    await door.batch(await door.character(), quantity=1)
    await receiver.hears(1)
    await door.areg.patch(made["urls"]["self"], json={"enabled": False})
    receiver.answer = lambda _heard: Answer()
    (waits,) = (await door.areg.get(made["urls"]["deliveries"])).json()["items"]
    assert (waits["status"], waits["attempts"][0]["status_code"]) == ("pending", 500)
    await door.areg.patch(made["urls"]["self"], json={"enabled": True})
    await door.areg.post(waits["urls"]["redeliver"])
    await delivered(door, made, 1)


async def test_a_test_arrives_and_can_be_looked_at(door: Door, receiver: Receiver) -> None:
    made = await added(door, receiver.url())
    asked = await door.areg.post(made["urls"]["test"])
    assert asked.status_code == 202
    assert asked.json()["type"] == "webhook.test"
    await delivered(door, made, 1)
    shown = (await door.areg.get(asked.headers["Location"])).json()
    assert shown["status"] == "delivered"
    assert shown["body"]["data"] == {"webhook_id": made["id"]}


async def test_a_delivery_is_told_again_by_call(door: Door, receiver: Receiver) -> None:
    made = await added(door, receiver.url())
    await door.areg.post(made["urls"]["test"])
    (first,) = await delivered(door, made, 1)
    again = await door.areg.post(first["urls"]["redeliver"])
    assert (again.status_code, again.headers["Location"]) == (202, first["urls"]["self"])
    heard = await receiver.hears(2)
    assert len({each.headers["webhook-id"] for each in heard}) == 1


async def test_a_rotated_secret_is_shown_once_and_the_old_one_signs_along(
    door: Door, receiver: Receiver
) -> None:
    made = await added(door, receiver.url())
    rotated = (await door.areg.post(made["urls"]["rotate_secret"])).json()
    assert rotated["secret"] != made["secret"]
    assert len(rotated["also_signing_until"]) == 1
    await door.areg.post(made["urls"]["test"])
    (heard,) = await receiver.hears(1)
    for secret in (rotated["secret"], made["secret"]):
        assert Verifier(secret).verify(heard.body, dict(heard.headers))


async def test_ones_own_secret_is_made_once_and_rotated(door: Door) -> None:
    first = (await door.areg.get("/v1/webhook-secret")).json()
    assert (await door.areg.get("/v1/webhook-secret")).json() == first
    assert (await door.by("Nare").get("/v1/webhook-secret")).json()["secret"] != first["secret"]
    rotated = (await door.areg.post("/v1/webhook-secret/rotate")).json()
    assert rotated["secret"] != first["secret"]
    assert (await door.areg.get("/v1/webhook-secret")).json() == rotated


async def test_lists_have_pages(door: Door) -> None:
    made = [await added(door, URL) for _ in range(3)]
    first = await door.areg.get(WEBHOOKS, params={"limit": 2})
    assert [each["id"] for each in first.json()["items"]] == [made[2]["id"], made[1]["id"]]
    assert 'rel="next"' in first.headers["Link"]
    second = await door.areg.get(WEBHOOKS, params={"cursor": first.json()["next_cursor"]})
    assert [each["id"] for each in second.json()["items"]] == [made[0]["id"]]
    here = made[0]["urls"]["deliveries"]
    sent = [(await door.areg.post(made[0]["urls"]["test"])).json()["id"] for _ in range(3)]
    page = (await door.areg.get(here, params={"limit": 2})).json()
    rest = (await door.areg.get(here, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert {each["id"] for each in page["items"] + rest["items"]} == set(sent)
    assert (len(page["items"]), rest["next_cursor"]) == (2, None)


@pytest.mark.parametrize("cursor", ["x", "WyJhIiwiYiJd", "WyJuYW4iLCAid2hfIl0"])
async def test_a_cursor_that_is_none_of_ours_is_refused(door: Door, cursor: str) -> None:
    made = await added(door, URL)
    for path in (WEBHOOKS, made["urls"]["deliveries"]):
        answer = await door.areg.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("path", ["wh_1", "a" * 300, "%00", "wh_%00"])
async def test_a_name_of_nothing_is_not_found(door: Door, path: str) -> None:
    made = await added(door, URL)
    answers = [
        await door.areg.get(f"{WEBHOOKS}/{path}"),
        await door.areg.get(f"{made['urls']['deliveries']}/{path}"),
        await door.areg.post(f"{made['urls']['deliveries']}/{path}/redeliver"),
    ]
    assert {each.status_code for each in answers} <= {404, 405}


async def test_webhooks_of_one_user_do_not_pile_up(door: Door) -> None:
    for _ in range(20):
        await added(door, URL)
    answer = await door.areg.post(WEBHOOKS, json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")
    assert (await door.by("Nare").post(WEBHOOKS, json={"url": URL})).status_code == 201


NOWHERE: list[Any] = [
    "http://example.com/",
    "ftp://example.com/",
    "example.com",
    "https://",
    "https://user:password@example.com/",
    "https://user@example.com/",
    "https://localhost/",
    "https://localhost./",
    "https://api.localhost/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://example.com:25/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com\\@localhost/",
    "https://exa mple.com/",
    "https://%31%32%37.0.0.1/",
    "https://ex\nample.com/",
    "https://" + "a" * 2000,
    "https://" + "a" * 70 + ".com/",
    "",
    "https://example.com/\0",
    7,
    None,
]


async def test_a_url_that_nobody_may_be_called_at_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, WEBHOOK_ALLOW_PRIVATE="") as door:
        made = await added(door, PUBLIC)
        for url in NOWHERE:
            answer = await door.areg.post(WEBHOOKS, json={"url": url})
            assert (answer.status_code, pointers(answer)) == (422, ["/url"]), url
            changed = await door.areg.patch(made["urls"]["self"], json={"url": url})
            assert changed.status_code == (200 if url is None else 422), url
        assert (await door.areg.get(made["urls"]["self"])).json()["url"] == PUBLIC


async def test_names_in_other_alphabets_and_free_ports_are_welcome(tmp_path: Path) -> None:
    async with opened(tmp_path, WEBHOOK_ALLOW_PRIVATE="") as door:
        for url in ("https://пример.рф/x", "https://example.com:8443/x?y=1", "https://1.1.1.1/", PUBLIC):
            assert (await added(door, url))["url"] == url


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": URL, "events": ["logs"]},
        {"url": URL, "events": "completed"},
        {"url": URL, "events": ["completed"] * 21},
        {"url": URL, "secret": "whsec_mine"},
        {"url": URL, "description": "x" * 501},
        {"url": URL, "description": "\0"},
    ],
)
async def test_a_wish_that_can_not_be_kept_is_refused(door: Door, body: dict[str, Any]) -> None:
    assert (await door.areg.post(WEBHOOKS, json=body)).status_code == 422


async def test_what_is_called_is_what_the_document_says(door: Door, receiver: Receiver) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        document = (await http.get("/openapi.json")).json()
    assert set(document["webhooks"]) == {
        "batch.started",
        "batch.completed",
        "image.completed",
        "image.failed",
        "image.deleted",
        "webhook.test",
    }
    webhook = await added(door, receiver.url(), "batch.started", "batch.completed", "output", "image.deleted")

    def half(event: Any) -> list[Any]:
        return [peer.stored(event, 0), peer.failed(event, 1)]

    door.peer.script = half
    await door.batch(await door.character(), quantity=2)
    await door.areg.post(webhook["urls"]["test"])
    heard = await receiver.hears(5)
    for each in heard:
        told = Verifier(webhook["secret"]).verify(each.body, dict(each.headers))
        operation = document["webhooks"][told["type"]]["post"]
        assert {p["name"] for p in operation["parameters"]} == {
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        }
        media = operation["requestBody"]["content"]["application/json"]
        assert troubles(document, media["schema"], told) == []
        assert troubles(document, media["schema"], media["example"]) == []


def troubles(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": document["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


async def ordered(door: Door, path: str, **more: Any) -> httpx.Response:
    if path.startswith("/v1/batches"):
        return await door.areg.put(path, json={"prompt": "x", **more})
    return await door.areg.post(path, json={"prompt": "x", **more})


async def test_a_batch_may_be_ordered_with_a_webhook_of_its_own(door: Door, receiver: Receiver) -> None:
    secret = (await door.areg.get("/v1/webhook-secret")).json()["secret"]
    path = f"/v1/characters/{await door.character()}/batches"
    more = {"webhook": receiver.url(), "webhook_events_filter": ["start", "completed"]}
    made = (await ordered(door, path, **more)).json()
    heard = await receiver.hears(2)
    told = [Verifier(secret).verify(each.body, dict(each.headers)) for each in heard]
    assert sorted(each["type"] for each in told) == ["batch.completed", "batch.started"]
    assert {each["data"]["id"] for each in told} == {made["id"]}
    # Another batch is none of its business, nor is it one of those about everything.
    assert (await ordered(door, path)).status_code == 202
    await door.peer.bus.settled()
    assert (await door.areg.get(WEBHOOKS)).json()["items"] == []
    (kept,) = (await door.areg.get(WEBHOOKS, params={"batch_id": made["id"]})).json()["items"]
    assert (kept["batch_id"], kept["events"]) == (made["id"], ["batch.started", "batch.completed"])
    await delivered(door, kept, 2)
    assert len(receiver.heard) == 2
    refused = await door.areg.post(f"{kept['urls']['self']}/rotate-secret")
    assert (refused.status_code, refused.json()["code"]) == (409, "owners_secret")


async def test_the_same_order_has_the_same_webhook(door: Door) -> None:
    body = {"character_id": await door.character(), "webhook": URL}
    first = await ordered(door, "/v1/batches/own", **body)
    assert first.status_code in (200, 202)
    assert (await ordered(door, "/v1/batches/own", **body)).json()["id"] == first.json()["id"]
    for other in ({"webhook": f"{URL}/2"}, {"webhook": None}, {"webhook_events_filter": ["start"]}):
        answer = await ordered(door, "/v1/batches/own", **{**body, **other})
        assert (answer.status_code, answer.json()["code"]) == (422, "batch_id_reuse")


async def test_an_order_with_a_webhook_that_can_not_be_called_is_refused(door: Door) -> None:
    path = f"/v1/characters/{await door.character()}/batches"
    for more, pointer in (
        ({"webhook": "ftp://example.com"}, "/webhook"),
        ({"webhook": ""}, "/webhook"),
        ({"webhook_events_filter": ["start"]}, "/webhook_events_filter"),
        ({"webhook": URL, "webhook_events_filter": ["logs"]}, "/webhook_events_filter/0"),
    ):
        answer = await ordered(door, path, **more)
        assert (answer.status_code, pointers(answer)) == (422, [pointer])
    assert (await door.areg.get("/v1/batches")).json()["items"] == []
