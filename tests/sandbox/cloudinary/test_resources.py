from pathlib import Path

import pytest
from cloudinary.exceptions import BadRequest, NotFound

from tests.sandbox.cloudinary.account import Account, account_at, png


async def test_a_listing_by_prefix_is_read_page_by_page_in_order(account: Account) -> None:
    for number in (3, 10, 1, 2, 11):
        await account.upload(png(), public_id=f"a/image_{number}", context={"index": str(number)})
    await account.upload(png(), public_id="ab/image_1")
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = await account.admin(
            "resources", type="upload", prefix="a/", max_results=2, next_cursor=cursor, context=True
        )
        seen += [line["public_id"] for line in page["resources"]]
        cursor, pages = page.get("next_cursor"), pages + 1
        assert all(line["context"]["custom"]["index"] for line in page["resources"])
    assert seen == sorted(f"a/image_{number}" for number in (1, 2, 3, 10, 11))
    assert pages == 3


async def test_a_page_begins_after_the_last_asset_even_if_that_was_destroyed(account: Account) -> None:
    for name in "abc":
        await account.upload(png(), public_id=f"x/{name}")
    first = await account.admin("resources", type="upload", prefix="x/", max_results=2)
    await account.uploader("destroy", "x/b")
    second = await account.admin(
        "resources", type="upload", prefix="x/", max_results=2, next_cursor=first["next_cursor"]
    )
    assert [line["public_id"] for line in second["resources"]] == ["x/c"]


async def test_a_listing_shows_ten_and_each_kind_alone(account: Account) -> None:
    for number in range(11):
        await account.upload(b"1", public_id=f"a/{number}.txt", resource_type="raw")
    assert (await account.admin("resources", type="upload", prefix="a/"))["resources"] == []
    raw = await account.admin("resources", type="upload", prefix="a/", resource_type="raw")
    assert len(raw["resources"]) == 10


async def test_a_listing_says_tags_context_and_etag_only_when_asked(account: Account) -> None:
    await account.upload(png(), public_id="a", tags=["t"], context={"k": "v"})
    (plain,) = (await account.admin("resources", type="upload"))["resources"]
    assert not {"tags", "context", "etag"} & set(plain)
    (full,) = (await account.admin("resources", type="upload", tags=True, context=True))["resources"]
    assert (full["tags"], full["context"]) == (["t"], {"custom": {"k": "v"}})
    (chosen,) = (await account.admin("resources", type="upload", fields=["etag"]))["resources"]
    assert set(chosen) == {"asset_id", "public_id", "resource_type", "type", "etag"}


async def test_a_prefix_needs_the_delivery_type(account: Account) -> None:
    with pytest.raises(BadRequest, match="type"):
        await account.admin("resources", prefix="a/")


async def test_one_resource_is_told_with_etag_tags_and_context(account: Account) -> None:
    stored = await account.upload(
        b"8", public_id="a/index.txt", resource_type="raw", context={"next_index": "8"}
    )
    told = await account.admin("resource", "a/index.txt", resource_type="raw")
    assert (told["version"], told["etag"]) == (stored["version"], stored["etag"])
    assert told["context"] == {"custom": {"next_index": "8"}}
    assert "tags" not in told
    assert (await account.admin("resource_by_asset_id", stored["asset_id"]))["public_id"] == "a/index.txt"
    with pytest.raises(NotFound, match="Resource not found - a/index"):
        await account.admin("resource", "a/index", resource_type="raw")


async def test_resources_are_found_by_ids_asset_ids_folder_tag_and_context(account: Account) -> None:
    a = await account.upload(png(), public_id="x/a", asset_folder="one", tags=["t"], context={"k": "1"})
    await account.upload(png(), public_id="x/b", asset_folder="two", context={"k": "2"})

    def names(answer: dict[str, list[dict[str, str]]]) -> list[str]:
        return sorted(line["public_id"] for line in answer["resources"])

    assert names(await account.admin("resources_by_ids", ["x/a", "x/b", "x/c"])) == ["x/a", "x/b"]
    assert names(await account.admin("resources_by_asset_ids", [a["asset_id"]])) == ["x/a"]
    assert names(await account.admin("resources_by_asset_folder", "one")) == ["x/a"]
    assert names(await account.admin("resources_by_tag", "t")) == ["x/a"]
    assert names(await account.admin("resources_by_context", "k")) == ["x/a", "x/b"]
    assert names(await account.admin("resources_by_context", "k", "2")) == ["x/b"]
    with pytest.raises(BadRequest, match="Maximum is 100"):
        await account.admin("resources_by_ids", [f"x/{number}" for number in range(101)])


async def test_the_newest_asset_comes_first_unless_asked_otherwise(tmp_path: Path) -> None:
    moment = [0.0]
    async with account_at(tmp_path, now=lambda: moment[0]) as account:
        for name in "ab":
            moment[0] += 1
            await account.upload(png(), public_id=name)
        newest = await account.admin("resources")
        oldest = await account.admin("resources", direction="asc")
    assert [line["public_id"] for line in newest["resources"]] == ["b", "a"]
    assert [line["public_id"] for line in oldest["resources"]] == ["a", "b"]


async def test_an_update_changes_tags_context_and_place(account: Account) -> None:
    await account.upload(png(), public_id="a", tags=["t"])
    told = await account.admin("update", "a", tags=["u", "v"], context={"k": "v"}, asset_folder="f")
    assert (told["tags"], told["context"], told["asset_folder"]) == (["u", "v"], {"custom": {"k": "v"}}, "f")


async def test_asset_folders_need_dynamic_mode(tmp_path: Path) -> None:
    async with account_at(tmp_path, folder_mode="fixed") as account:
        with pytest.raises(BadRequest, match="dynamic"):
            await account.admin("resources_by_asset_folder", "a")


@pytest.mark.parametrize("wrong", [{"max_results": "many"}, {"next_cursor": "!"}, {"next_cursor": "e30"}])
async def test_a_bad_page_is_refused(account: Account, wrong: dict[str, str]) -> None:
    await account.upload(png(), public_id="a")
    with pytest.raises(BadRequest, match="Invalid value"):
        await account.admin("resources", **wrong)
