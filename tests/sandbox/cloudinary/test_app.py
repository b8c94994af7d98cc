import asyncio
import signal
import sys
from pathlib import Path

import pytest
from cloudinary.exceptions import RateLimited

from tests.sandbox.cloudinary.account import KEY, SECRET, Account, account_at, png

_SERVE = """
import asyncio, pathlib, sys
from sandbox.cloudinary import CloudinarySettings, cloudinary
from sandbox.serving import serve

async def main():
    settings = CloudinarySettings(pathlib.Path(sys.argv[1]), api_key=sys.argv[2], api_secret=sys.argv[3])
    async with serve(cloudinary(settings)) as base:
        print(base, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_assets_survive_a_restart(tmp_path: Path) -> None:
    async with account_at(tmp_path) as account:
        stored = await account.upload(png(), public_id="a/b", tags=["t"], context={"k": "v"})
    async with account_at(tmp_path) as account:
        again = await account.upload(png("blue"), public_id="a/b", overwrite=False)
        assert again["existing"] is True
        assert (again["asset_id"], again["version"], again["etag"]) == (
            stored["asset_id"],
            stored["version"],
            stored["etag"],
        )
        assert (await account.http.get(again["secure_url"])).content == png()


async def test_every_answered_upload_survives_a_kill(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVE, str(tmp_path), KEY, SECRET, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    base = (await process.stdout.readline()).decode().strip()
    answered: dict[str, str] = {}
    async with account_at(tmp_path / "unused") as here:
        victim = Account(base, here.http, here.settings)

        async def upload(number: int) -> None:
            stored = await victim.upload(png(size=(40 + number, 40)), public_id=f"a/{number}")
            answered[stored["public_id"]] = stored["etag"]
            if len(answered) == 10:
                process.send_signal(signal.SIGKILL)

        await asyncio.gather(*(upload(number) for number in range(40)), return_exceptions=True)
    await process.wait()
    async with account_at(tmp_path) as account:
        kept = {asset["public_id"]: asset["etag"] for asset in await account.assets()}
    assert len(answered) >= 10
    assert answered.items() <= kept.items()


async def test_a_base_url_of_the_settings_is_the_one_in_answers(tmp_path: Path) -> None:
    async with account_at(tmp_path, base_url="https://cdn.example.com/x") as account:
        answer = await account.upload(png(), public_id="a")
    assert answer["secure_url"].startswith("https://cdn.example.com/x/darkroom/image/upload/v")


async def test_admin_calls_past_the_limit_are_420_and_uploads_are_not_limited(tmp_path: Path) -> None:
    async with account_at(tmp_path, admin_calls_per_hour=2) as account:
        for _ in range(2):
            await account.admin("ping")
        with pytest.raises(RateLimited, match="Limit of 2 api operations reached"):
            await account.search("public_id=a")
        await account.upload(png(), public_id="a")


async def test_an_unknown_path_is_404_whatever_the_method(tmp_path: Path) -> None:
    async with account_at(tmp_path) as account:
        answers = [
            await account.http.request(verb, "/v1_1/darkroom/triggers") for verb in ("GET", "POST", "PUT")
        ]
        elsewhere = await account.http.get("/favicon.ico")
    assert [answer.status_code for answer in (*answers, elsewhere)] == [404] * 4
    assert answers[0].headers["x-cld-error"] == "Unknown call GET /v1_1/darkroom/triggers"


async def test_a_client_that_dies_in_the_middle_of_an_upload_leaves_neither_asset_nor_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with account_at(tmp_path) as account:
        _, writer = await asyncio.open_connection(*account.base.removeprefix("http://").split(":"))
        writer.write(
            b"POST /v1_1/darkroom/image/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nhalf"
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await account.assets() == []
    assert "Exception" not in caplog.text
