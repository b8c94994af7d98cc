from pathlib import Path

import pytest
from cloudinary.exceptions import AuthorizationRequired, NotFound

from tests.sandbox.cloudinary.account import Account, account_at, png


@pytest.mark.parametrize("mode", ["fixed", "dynamic"])
async def test_the_configuration_tells_the_folder_mode_when_asked(tmp_path: Path, mode: str) -> None:
    async with account_at(tmp_path, folder_mode=mode) as account:
        assert (await account.admin("config", settings=True))["settings"] == {"folder_mode": mode}
        plain = await account.admin("config")
    assert plain["cloud_name"] == "darkroom"
    assert "settings" not in plain


async def test_usage_tells_the_limits_of_the_plan_and_what_is_stored(account: Account) -> None:
    stored = await account.upload(png(), public_id="a")
    usage = await account.admin("usage")
    assert usage["media_limits"]["image_max_size_bytes"] == 10 * 1024 * 1024
    assert (usage["resources"], usage["storage"]["usage"]) == (1, stored["bytes"])


async def test_every_admin_answer_tells_the_rest_of_the_quota(account: Account) -> None:
    first, second = await account.admin("ping"), await account.admin("ping")
    assert first["status"] == "ok"
    assert (first.rate_limit_allowed, first.rate_limit_remaining, second.rate_limit_remaining) == (
        500,
        499,
        498,
    )
    assert first.rate_limit_reset_at is not None
    assert first.request_id


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"api_key": "1"}, "unknown api_key"),
        ({"api_secret": "other"}, "api_secret mismatch"),
        ({"cloud_name": "other"}, "cloud_name mismatch"),
        ({"oauth_token": "t"}, "Authorization required"),
    ],
)
async def test_wrong_credentials_are_401(account: Account, wrong: dict[str, str], message: str) -> None:
    with pytest.raises(AuthorizationRequired, match=message):
        await account.admin("ping", **wrong)
    assert (await account.stats())["admin_calls"] == 0


async def test_folders_are_those_that_hold_something(account: Account) -> None:
    await account.upload(png(), public_id="1", asset_folder="a/b")
    await account.upload(png(), public_id="2", asset_folder="a/c")
    await account.upload(png(), public_id="3", asset_folder="d")
    roots = await account.admin("root_folders")
    below = await account.admin("subfolders", "a")
    assert [folder["path"] for folder in roots["folders"]] == ["a", "d"]
    assert below["folders"] == [{"name": "b", "path": "a/b"}, {"name": "c", "path": "a/c"}]
    with pytest.raises(NotFound, match="x"):
        await account.admin("subfolders", "x")
