from io import BytesIO
from pathlib import Path

import pytest
from cloudinary.exceptions import BadRequest, NotFound
from PIL import Image

from tests.sandbox.cloudinary.account import Account, account_at, png


async def test_destroying_is_idempotent_and_the_asset_is_gone(account: Account) -> None:
    url = (await account.upload(png(), public_id="a"))["secure_url"]
    assert (await account.uploader("destroy", "a", invalidate=True))["result"] == "ok"
    assert (await account.uploader("destroy", "a", invalidate=True))["result"] == "not found"
    assert (await account.http.get(url)).status_code == 404


async def test_an_image_and_a_raw_file_of_one_public_id_are_two_assets(account: Account) -> None:
    await account.upload(png(), public_id="a")
    await account.upload(b"1", public_id="a", resource_type="raw")
    await account.uploader("destroy", "a", resource_type="raw")
    assert [asset["resource_type"] for asset in await account.assets()] == ["image"]


async def test_a_rename_keeps_the_asset_and_refuses_a_taken_name_unless_it_may_overwrite(
    account: Account,
) -> None:
    first = await account.upload(png("red"), public_id="a")
    await account.upload(png("blue"), public_id="b")
    with pytest.raises(BadRequest, match=r"to_public_id \(b\) already exists"):
        await account.uploader("rename", "a", "b")
    moved = await account.uploader("rename", "a", "b", overwrite=True)
    assert (moved["asset_id"], moved["public_id"], moved["etag"]) == (first["asset_id"], "b", first["etag"])
    with pytest.raises(NotFound, match="Resource not found - a"):
        await account.uploader("rename", "a", "c")


async def test_what_is_made_ahead_is_told_listed_and_served(account: Account) -> None:
    wish = [{"width": 3, "crop": "scale"}, {"width": 2, "crop": "fit", "format": "jpg"}]
    stored = await account.upload(png(), public_id="a", eager=wish[:1])
    assert [one["transformation"] for one in stored["eager"]] == ["c_scale,w_3"]
    told = await account.uploader("explicit", "a", type="upload", eager=wish)
    assert [(one["transformation"], one["format"]) for one in told["eager"]] == [
        ("c_scale,w_3", "png"),
        ("c_fit,w_2", "jpg"),
    ]
    derived = (await account.admin("resource", "a"))["derived"]
    assert len({one["id"] for one in derived}) == 2
    for one, width in zip(derived, (3, 2), strict=True):
        answer = await account.http.get(one["secure_url"])
        assert Image.open(BytesIO(answer.content)).width == width


async def test_what_is_not_public_is_told_with_a_signed_url(account: Account) -> None:
    stored = await account.upload(png(), public_id="a", type="authenticated")
    assert (await account.http.get(stored["secure_url"])).status_code == 200
    bare = stored["secure_url"].replace(stored["secure_url"].split("/")[6] + "/", "")
    assert (await account.http.get(bare)).status_code == 401


async def test_explicit_changes_what_it_names_and_tells_the_etag(account: Account) -> None:
    stored = await account.upload(png(), public_id="a", tags=["x"], context={"k": "v"}, asset_folder="f")
    same = await account.uploader("explicit", "a", type="upload")
    assert same["etag"] == stored["etag"]
    assert (same["tags"], same["context"]) == (["x"], {"custom": {"k": "v"}})
    changed = await account.uploader(
        "explicit", "a", type="upload", tags=["y"], context={"n": "1"}, asset_folder="g", display_name="N"
    )
    assert (changed["tags"], changed["context"]["custom"]) == (["y"], {"n": "1"})
    assert (changed["asset_folder"], changed["display_name"], changed["version"]) == (
        "g",
        "N",
        stored["version"],
    )


async def test_explicit_tells_of_a_missing_asset_outside_the_admin_quota(account: Account) -> None:
    with pytest.raises(NotFound, match="Resource not found - a"):
        await account.uploader("explicit", "a", type="upload")
    assert (await account.stats())["admin_calls"] == 0


async def test_tags_are_added_removed_replaced_and_cleared(account: Account) -> None:
    for public_id in ("a", "b"):
        await account.upload(png(), public_id=public_id, tags=["z"])

    async def tags() -> dict[str, list[str]]:
        return {asset["public_id"]: asset["tags"] for asset in await account.assets()}

    answer = await account.uploader("add_tag", ["t1", "t2"], ["a", "b", "missing"])
    assert answer["public_ids"] == ["a", "b"]
    assert await tags() == {"a": ["t1", "t2", "z"], "b": ["t1", "t2", "z"]}
    await account.uploader("remove_tag", "t1,z", "a")
    await account.uploader("replace_tag", "t3", "b")
    assert await tags() == {"a": ["t2"], "b": ["t3"]}
    await account.uploader("remove_all_tags", ["a", "b"])
    assert await tags() == {"a": [], "b": []}


async def test_context_is_added_and_cleared(account: Account) -> None:
    await account.upload(png(), public_id="a", context={"k": "v"})
    await account.uploader("add_context", {"alt": "a|b=c"}, "a")
    assert (await account.assets())[0]["context"] == {"k": "v", "alt": "a|b=c"}
    await account.uploader("remove_all_context", "a")
    assert (await account.assets())[0]["context"] == {}


async def test_calls_on_nothing_are_refused(account: Account) -> None:
    with pytest.raises(BadRequest, match="public_ids"):
        await account.uploader("add_tag", "t", [])
    with pytest.raises(BadRequest, match="Missing required parameter - tag"):
        await account.uploader("add_tag", None, ["a"])


async def test_fixed_folders_have_no_asset_folder_to_change(tmp_path: Path) -> None:
    async with account_at(tmp_path, folder_mode="fixed") as account:
        await account.upload(png(), public_id="a/b")
        assert (await account.uploader("explicit", "a/b", type="upload", asset_folder="x"))["folder"] == "a"
