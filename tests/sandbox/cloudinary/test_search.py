from pathlib import Path
from typing import Any

import pytest
from cloudinary.exceptions import BadRequest

from tests.sandbox.cloudinary.account import Account, account_at, png


def found(answer: Any) -> list[str]:
    return sorted(line["public_id"] for line in answer["resources"])


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('asset_folder="x"', ["x/a", "x/b"]),
        ('folder="x/*"', ["x/a", "x/b", "x/c"]),
        ("folder:x/*", ["x/a", "x/b", "x/c"]),
        ("public_id:x/a", ["x/a"]),
        ("public_id=x/*", ["x/a", "x/b", "x/c"]),
        ("tags=t AND NOT public_id=x/b", ["x/a"]),
        ("context.job=1", ["x/a"]),
        ("resource_type:raw", ["index.txt"]),
        ("width>5 AND format:png", ["x/a", "x/b", "x/c"]),
        ("bytes<2", ["index.txt"]),
        ("display_name:lovely", ["x/c"]),
    ],
)
async def test_an_expression_finds_what_it_says(account: Account, expression: str, names: list[str]) -> None:
    await account.upload(png(), public_id="x/a", asset_folder="x", tags=["t"], context={"job": "1"})
    await account.upload(png(), public_id="x/b", asset_folder="x", tags=["t"])
    await account.upload(png(), public_id="x/c", asset_folder="x/deep", display_name="A lovely day")
    await account.upload(b"1", public_id="index.txt", asset_folder="xy", resource_type="raw")
    assert found(await account.search(expression)) == names


async def test_a_result_carries_the_etag_and_further_fields_on_request(account: Account) -> None:
    stored = await account.upload(png(), public_id="a", tags=["t"], context={"k": "v"})
    (plain,) = (await account.search("public_id=a"))["resources"]
    assert plain["etag"] == stored["etag"]
    assert not {"tags", "context"} & set(plain)
    (full,) = (await account.search("public_id=a", with_field=["tags", "context"]))["resources"]
    assert (full["tags"], full["context"]) == (["t"], {"k": "v"})


async def test_results_are_paged_in_the_order_asked_for(account: Account) -> None:
    for name in "cab":
        await account.upload(png(), public_id=name)
    seen, cursor = [], ""
    for _ in range(3):
        page = await account.search("", max_results=1, sort_by=[{"public_id": "asc"}], next_cursor=cursor)
        assert page["total_count"] == 3
        seen += found(page)
        cursor = page.get("next_cursor", "")
    assert (seen, cursor) == (["a", "b", "c"], "")


async def test_with_fixed_folders_the_folder_is_that_of_the_public_id(tmp_path: Path) -> None:
    async with account_at(tmp_path, folder_mode="fixed") as account:
        await account.upload(png(), public_id="x/y/a")
        assert found(await account.search('folder="x/y"')) == ["x/y/a"]


async def test_new_assets_stay_hidden_for_as_long_as_the_index_lags(tmp_path: Path) -> None:
    moment = [100.0]
    async with account_at(tmp_path, now=lambda: moment[0], search_lag_seconds=5) as account:
        await account.upload(png(), public_id="a")
        assert found(await account.search("public_id=a")) == []
        moment[0] += 5
        assert found(await account.search("public_id=a")) == ["a"]


@pytest.mark.parametrize("expression", ["colour:red", "bytes:many", "public_id>a"])
async def test_a_term_that_is_not_understood_is_refused(account: Account, expression: str) -> None:
    with pytest.raises(BadRequest, match="Query Error"):
        await account.search(expression)
