import time
from pathlib import Path
from typing import Any

import pytest
from cloudinary.exceptions import AuthorizationRequired, BadRequest

from tests.sandbox.cloudinary.account import Account, account_at, png


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_every_signature_of_the_sdk_is_accepted(account: Account, version: int, algorithm: str) -> None:
    options: dict[str, Any] = {
        "tags": ["a&b", "c"],
        "context": {"k": "1=2|3&4"},
        "notification_url": "https://example.com/?a=1&b",
    }
    options |= {"signature_version": version, "signature_algorithm": algorithm}
    answer = await account.upload(png(), public_id="a b", **options)
    assert answer["context"]["custom"] == {"k": "1=2|3&4"}
    tagged = await account.uploader(
        "add_tag", "new", "a b", notification_url="https://example.com", batch_id="b"
    )
    assert tagged["public_ids"] == ["a b"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"api_secret": "other"},
            r"Invalid Signature [0-9a-f]{40}\. String to sign - 'public_id=a&timestamp=\d+'\.",
        ),
        ({"api_key": "1"}, "unknown api_key"),
        ({"cloud_name": "other"}, "Invalid cloud_name other"),
    ],
)
async def test_wrong_credentials_are_401_and_the_secret_is_not_shown(
    account: Account, wrong: dict[str, str], message: str
) -> None:
    with pytest.raises(AuthorizationRequired, match=message) as caught:
        await account.upload(png(), public_id="a", **wrong)
    assert account.settings.api_secret not in str(caught.value)


async def test_a_request_from_a_clock_an_hour_behind_is_stale(tmp_path: Path) -> None:
    async with account_at(tmp_path, now=lambda: time.time() + 3700) as account:
        with pytest.raises(
            BadRequest, match=r"Stale request - reported time is .* which is more than 1 hour ago"
        ):
            await account.upload(png(), public_id="a")


@pytest.mark.parametrize(
    "refused", [{"unsigned": True}, {"upload_preset": "p"}, {"metadata": {"field": "v"}}]
)
async def test_what_the_account_has_not_set_up_is_refused(account: Account, refused: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=r"[Pp]reset|Metadata"):
        await account.upload(png(), public_id="a", **refused)


async def test_an_error_is_said_in_body_and_header_and_every_answer_has_its_request_id(
    account: Account,
) -> None:
    answer = await account.http.post("/v1_1/darkroom/image/upload", content=b"")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == answer.headers["x-cld-error"]
    assert len(answer.headers["x-request-id"]) == 32
    returned = await account.upload(b"", return_error=True)
    assert returned["error"]["http_code"] == 400
    assert returned["error"]["request_id"]


async def test_an_unknown_call_is_404_in_the_shape_of_an_error(account: Account) -> None:
    answer = await account.http.post("/v1_1/darkroom/image/sprite")
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        404,
        "Unknown call POST /v1_1/darkroom/image/sprite",
    )
