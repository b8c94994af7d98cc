"""The account over real sockets, against the stand-in and against servers that misbehave."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import cloudinary as sdk
import httpx
import pytest
from cloudinary import api, uploader
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis import cloudinary_account
from chassis.cloudinary_account import Account, NotFound, Refused, Unauthorized, open_account
from chassis.cloudinary_answers import Limited
from chassis.cloudinary_gate import ASKING_RESTS, SPREAD
from chassis.cloudinary_url import credentials
from chassis.settings import BadSettings
from messaging.errors import Outage
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve


def _png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (2, 2), "teal").save(buffer, "PNG")
    return buffer.getvalue()


PNG = _png()
NAME = "Areg/characters/opal/images/Areg_opal_image_1"


def url_of(base: str, secret: str = "stand-in") -> str:
    return f"cloudinary://000000000000000:{secret}@darkroom?upload_prefix={base}"


@pytest.fixture
async def stand_in(tmp_path: Path) -> AsyncIterator[str]:
    async with serve(cloudinary(CloudinarySettings(tmp_path / "assets"))) as base:
        yield base


@pytest.fixture
async def account(stand_in: str) -> AsyncIterator[Account]:
    async with open_account(url_of(stand_in), threads=3) as account:
        yield account


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def calls(base: str) -> dict[str, int]:
    async with httpx.AsyncClient() as client:
        counted: dict[str, int] = (await client.get(f"{base}/sandbox/stats")).json()["calls"]
    return counted


async def fault(base: str, **rule: Any) -> None:
    async with httpx.AsyncClient() as client:
        (await client.post(f"{base}/sandbox/faults", json=rule)).raise_for_status()


@asynccontextmanager
async def answering(status: int, body: bytes, **headers: str) -> AsyncIterator[Account]:
    async def answer(_: Request) -> Response:
        return Response(body, status, headers)

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "DELETE"])])
    async with serve(app) as base, open_account(url_of(base), threads=1) as account:
        yield account


async def test_an_upload_and_an_admin_call_answer_with_their_objects(account: Account) -> None:
    stored = await account.call(uploader.upload, PNG, public_id=NAME, filename="1.png")
    known = await account.call(api.resource, NAME)
    assert stored["public_id"] == known["public_id"] == NAME


async def test_what_is_not_there_is_not_found(account: Account) -> None:
    with pytest.raises(NotFound):
        await account.call(api.resource, NAME)
    with pytest.raises(NotFound):
        await account.call(uploader.explicit, NAME, type="upload")


async def test_a_refusal_says_status_and_words(account: Account) -> None:
    with pytest.raises(Refused, match="Invalid image file") as refused:
        await account.call(uploader.upload, b"not an image", public_id=NAME)
    assert refused.value.status == 400


OUTAGES = [
    "drop",
    "html_502",
    "error_500",
    "error_503",
    "no_error_field",
    "list_body",
    "limited_420",
    "limited_429",
]


@pytest.mark.parametrize("kind", OUTAGES)
@pytest.mark.parametrize("call", ["upload", "resource"])
async def test_whatever_says_nothing_of_the_image_is_an_outage(
    account: Account, stand_in: str, kind: str, call: str
) -> None:
    await account.call(uploader.upload, PNG, public_id=NAME)
    await fault(stand_in, kind=kind, calls=[call])
    function, args = (uploader.upload, [PNG]) if call == "upload" else (api.resource, [NAME])
    with pytest.raises(Outage) as outage:
        await account.call(function, *args, **({"public_id": NAME} if call == "upload" else {}))
    assert not isinstance(outage.value, Unauthorized)
    waits = (call, kind[:7]) == ("resource", "limited")
    assert await account.trouble() == (None if waits else str(outage.value))


@pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "stale"])
@pytest.mark.parametrize("call", ["upload", "resource"])
async def test_a_refused_account_is_a_loud_outage_that_says_what_to_check(
    account: Account, stand_in: str, kind: str, call: str
) -> None:
    await fault(stand_in, kind=kind, calls=[call])
    function, args = (uploader.upload, [PNG]) if call == "upload" else (api.resource, [NAME])
    with pytest.raises(Unauthorized, match="check"):
        await account.call(function, *args, **({"public_id": NAME} if call == "upload" else {}))


async def test_a_good_answer_ends_the_trouble(stand_in: str) -> None:
    clock = Clock()
    async with open_account(url_of(stand_in), 1, clock) as account:
        await fault(stand_in, kind="unauthorized")
        with pytest.raises(Unauthorized):
            await account.call(api.ping)
        assert "CLOUDINARY_URL" in (await account.trouble() or "")
        clock.now += 4
        await account.call(api.ping)
        assert await account.trouble() is None


async def test_a_refused_account_is_tried_again_after_a_rest_and_not_before(stand_in: str) -> None:
    clock = Clock()
    async with open_account(url_of(stand_in), 1, clock) as account:
        await fault(stand_in, kind="unauthorized", count=2)
        for _ in range(5):
            with pytest.raises(Unauthorized, match="CLOUDINARY_URL"):
                await account.call(uploader.upload, PNG, public_id=NAME)
        assert (await calls(stand_in))["upload"] == 1
        clock.now += 3
        with pytest.raises(Unauthorized):
            await account.call(uploader.upload, PNG, public_id=NAME)
        clock.now += 3
        with pytest.raises(Unauthorized):
            await account.call(uploader.upload, PNG, public_id=NAME)
        assert (await calls(stand_in))["upload"] == 2
        clock.now += 4
        await account.call(uploader.upload, PNG, public_id=NAME)


async def test_a_limit_that_says_its_end_is_waited_for_without_a_call(stand_in: str) -> None:
    clock = Clock(time.time())
    async with open_account(url_of(stand_in), 1, clock) as account:
        await fault(stand_in, kind="limited_429", reset_seconds=600)
        for later in (0, 300, 290):
            clock.now += later
            with pytest.raises(Limited):
                await account.call(api.ping)
        assert (await calls(stand_in))["ping"] == 1
        clock.now += 10 + SPREAD + 1
        await account.call(api.ping)


async def test_a_limit_on_listing_does_not_stop_uploads(account: Account, stand_in: str) -> None:
    await fault(stand_in, kind="limited_420", calls=["ping"], count=None, reset_seconds=3000)
    with pytest.raises(Limited):
        await account.call(api.ping)
    assert (await account.call(uploader.upload, PNG, public_id=NAME))["public_id"] == NAME
    assert await account.trouble() is None


@pytest.mark.parametrize("function", [uploader.destroy, api.resource])
async def test_storage_that_is_back_is_noticed_by_who_has_nothing_to_ask(
    stand_in: str, function: Any
) -> None:
    clock = Clock()
    async with open_account(url_of(stand_in), 1, clock) as account:
        await account.look()
        await fault(stand_in, kind="error_503", count=3)
        with pytest.raises(Outage):
            await account.call(function, NAME)
        for rest in (0, *ASKING_RESTS[:2]):
            clock.now += rest * 1.25
            await account.look()
            assert await account.trouble()
        clock.now += ASKING_RESTS[2] * 1.25
        await account.look()
        assert await account.trouble() is None


async def test_asking_again_costs_a_call_only_after_growing_pauses(stand_in: str) -> None:
    clock = Clock()
    async with open_account(url_of(stand_in), 1, clock) as account:
        await fault(stand_in, kind="error_503", calls=["upload", "explicit"], count=None)
        with pytest.raises(Outage):
            await account.call(uploader.upload, PNG, public_id=NAME)
        for _ in range(600):
            clock.now += 0.5
            await account.look()
        # 1, 2, 5, 10, 20 and then each 30 seconds, give or take a quarter, in five minutes.
        assert 11 <= (await calls(stand_in))["explicit"] <= 17


async def test_a_refused_account_is_asked_again_after_its_rest_and_a_used_up_listing_never(
    stand_in: str,
) -> None:
    clock = Clock(time.time())
    async with open_account(url_of(stand_in), 1, clock) as account:
        await fault(stand_in, kind="unauthorized", calls=["upload"])
        await fault(stand_in, kind="limited_420", calls=["ping"])
        with pytest.raises(Unauthorized):
            await account.call(uploader.upload, PNG, public_id=NAME)
        with pytest.raises(Limited):
            await account.call(api.ping)
        await account.look()
        assert "CLOUDINARY_URL" in (await account.trouble() or "")
        clock.now += 600
        await account.look()
        assert await account.trouble() is None
        assert (await calls(stand_in))["ping"] == 1


async def test_the_first_look_asks_for_the_folder_mode_and_shows_a_wrong_key(stand_in: str) -> None:
    async with open_account(url_of(stand_in), 1) as account, open_account(url_of(stand_in, "no"), 1) as wrong:
        await account.look()
        await account.look()
        assert (await calls(stand_in))["config"] == 1
        await wrong.look()
        assert "CLOUDINARY_URL" in (await wrong.trouble() or "")


@pytest.mark.parametrize("status", [408, 413, 422, 423, 499, 501, 504])
async def test_every_status_has_its_class_where_the_sdk_raises_a_bare_exception(status: int) -> None:
    passing = status not in (413, 422)
    async with answering(status, b'{"error": {"message": "because"}}') as account:
        with pytest.raises(Outage if passing else Refused, match="because"):
            await account.call(api.ping)
        with pytest.raises(Outage if passing else Refused, match="because"):
            await account.call(uploader.upload, PNG, public_id=NAME)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b'{"error": "text"}', b'{"error": null, ', b"<html>"]
)
async def test_a_success_without_an_object_that_says_something_is_an_outage(body: bytes) -> None:
    async with answering(200, body) as account:
        with pytest.raises(Outage):
            await account.call(uploader.upload, PNG, public_id=NAME)
        with pytest.raises(Outage):
            await account.call(api.ping)


async def test_a_rate_limit_says_when_it_ends(account: Account, stand_in: str) -> None:
    await fault(stand_in, kind="limited_420", reset_seconds=600)
    with pytest.raises(Limited, match=r"for \d+ s more") as limited:
        await account.call(api.ping)
    assert limited.value.resets_at == pytest.approx(time.time() + 600, abs=5)


async def test_a_redirect_is_not_followed_with_the_bytes() -> None:
    async with answering(307, b"", location="http://127.0.0.1:9/elsewhere") as account:
        with pytest.raises(Outage, match="307"):
            await account.call(uploader.upload, PNG, public_id=NAME)


async def test_who_takes_a_call_and_never_answers_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudinary_account, "READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = url_of(f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with asyncio.timeout(20), open_account(url, threads=1) as account:
            for function in (uploader.destroy, api.resource):
                with pytest.raises(Outage, match="ReadTimeout"):
                    await account.call(function, NAME)


async def test_nobody_listening_is_an_outage() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with open_account(url_of(f"http://127.0.0.1:{closed.getsockname()[1]}")) as account:
            with pytest.raises(Outage, match="does not answer"):
                await account.call(api.ping)


async def test_the_sdks_own_refusal_of_a_call_is_our_mistake_and_no_outage(account: Account) -> None:
    with pytest.raises(TypeError):
        await account.call(uploader.upload, PNG, public_id=NAME, tags=[1, 2])


async def test_a_wrong_secret_is_told_without_showing_what_was_signed(stand_in: str) -> None:
    async with open_account(url_of(stand_in, "wrong%2Fsecret")) as account:
        with pytest.raises(Unauthorized) as refused:
            await account.call(uploader.upload, PNG, public_id=NAME)
    assert "wrong/secret" not in str(refused.value)
    assert NAME not in str(refused.value)


async def test_a_percent_encoded_secret_signs_decoded(tmp_path: Path) -> None:
    settings = CloudinarySettings(tmp_path / "assets", api_secret="s/e:c@r?t")
    async with (
        serve(cloudinary(settings)) as base,
        open_account(url_of(base, "s%2Fe%3Ac%40r%3Ft")) as account,
    ):
        assert (await account.call(uploader.upload, PNG, public_id=NAME))["public_id"] == NAME
        assert (await account.call(api.ping))["status"] == "ok"


async def test_two_accounts_in_one_process_keep_apart(tmp_path: Path) -> None:
    settings = [
        CloudinarySettings(tmp_path / name, cloud_name=name, api_secret=name) for name in ("one", "two")
    ]
    async with (
        serve(cloudinary(settings[0])) as one,
        serve(cloudinary(settings[1])) as two,
        open_account(f"cloudinary://000000000000000:one@one?upload_prefix={one}") as first,
        open_account(f"cloudinary://000000000000000:two@two?upload_prefix={two}") as second,
    ):
        answers = await asyncio.gather(
            *(
                account.call(uploader.upload, PNG, public_id=f"{account.cloud_name}{number}")
                for number in range(20)
                for account in (first, second)
            )
        )
        assert [a["public_id"] for a in answers] == [f"{c}{n}" for n in range(20) for c in ("one", "two")]
        for base, name in ((one, "one"), (two, "two")):
            assert all(asset["public_id"].startswith(name) for asset in await _assets(base))


async def test_more_calls_than_threads_share_as_many_connections_as_threads(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "urllib3"):
        await asyncio.gather(
            *(account.call(uploader.upload, PNG, public_id=f"image-{number}") for number in range(24))
        )
    opened = [line for line in caplog.messages if "Starting new HTTP connection" in line]
    assert 1 <= len(opened) <= 3
    assert not [line for line in caplog.messages if "pool is full" in line]


async def test_the_environment_and_the_global_configuration_do_not_matter(
    stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDINARY_CLOUD_NAME", "somebody-else")
    wrong = {"cloud_name": "else", "api_key": "1", "oauth_token": "t", "upload_preset": "p", "timeout": "30"}
    for name, value in wrong.items():
        monkeypatch.setitem(sdk.config().__dict__, name, value)
    async with open_account(url_of(stand_in)) as account:
        assert (await account.call(uploader.upload, PNG, public_id=NAME))["public_id"] == NAME
        assert (await account.call(api.ping))["status"] == "ok"


async def test_the_folder_mode_is_asked_once(tmp_path: Path) -> None:
    settings = CloudinarySettings(tmp_path / "assets", folder_mode="fixed")
    async with serve(cloudinary(settings)) as base, open_account(url_of(base)) as account:
        await fault(base, kind="drop", calls=["config"])
        with pytest.raises(Outage):
            await account.folder_mode()
        assert await asyncio.gather(*(account.folder_mode() for _ in range(5))) == ["fixed"] * 5
        async with httpx.AsyncClient() as client:
            stats = (await client.get(f"{base}/sandbox/stats")).json()
        assert stats["calls"]["config"] == 2


@pytest.mark.parametrize("mode", ["fixed", "dynamic"])
async def test_a_used_up_admin_quota_does_not_keep_the_folder_mode_secret(tmp_path: Path, mode: str) -> None:
    settings = CloudinarySettings(tmp_path, folder_mode=mode, admin_calls_per_hour=0)  # type: ignore[arg-type]
    async with serve(cloudinary(settings)) as base, open_account(url_of(base)) as account:
        assert await account.folder_mode() == mode
        assert await _assets(base) == []


@pytest.mark.parametrize(
    "url",
    ["", "cloudinary://", "https://key:hush@cloud", "cloudinary://key:hush", "cloudinary://key:hu/sh@cloud", "'cloudinary://key:hush@cloud'",
     "cloudinary://key:hush@cloud?upload_prefix=ftp://x"],
)  # fmt: skip
async def test_a_malformed_url_is_a_sentence_without_the_secret(url: str) -> None:
    with pytest.raises(BadSettings, match="CLOUDINARY_URL") as bad:
        async with open_account(url):
            raise AssertionError("opened")
    assert "hush" not in str(bad.value)


def test_credentials_show_neither_key_nor_secret() -> None:
    shown = repr(credentials("cloudinary://1234:hush@Cloud?upload_prefix=https://api-eu.cloudinary.com/"))
    assert shown == "Credentials(cloud_name='Cloud', upload_prefix='https://api-eu.cloudinary.com')"


async def _assets(base: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient() as client:
        assets: list[dict[str, Any]] = (await client.get(f"{base}/sandbox/assets")).json()["assets"]
    return assets


async def test_a_silent_storage_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudinary_account, "PARTING_SECONDS", 0.1)
    heard = asyncio.Event()

    async def silent(request: Request) -> Response:
        heard.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    app = Starlette(routes=[Route("/{path:path}", silent, methods=["POST"])])
    async with asyncio.timeout(20), serve(app) as base, open_account(url_of(base), threads=1) as account:
        call = asyncio.create_task(account.call(uploader.upload, PNG, public_id=NAME))
        await heard.wait()
        call.cancel()
        await asyncio.wait({call})
