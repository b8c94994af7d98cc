import pytest
from cloudinary.exceptions import BadRequest

from tests.sandbox.cloudinary.account import Account, png


async def names(account: Account) -> list[str]:
    return [asset["public_id"] for asset in await account.assets()]


async def test_named_assets_are_deleted_and_missing_ones_reported(account: Account) -> None:
    for name in "ab":
        await account.upload(png(), public_id=name)
    answer = await account.admin("delete_resources", ["a", "c"])
    assert answer["deleted"] == {"a": "deleted", "c": "not_found"}
    assert answer["partial"] is False
    assert await names(account) == ["b"]


async def test_a_prefix_a_tag_or_everything_of_a_kind_is_deleted(account: Account) -> None:
    for name, tags in (("x/a", []), ("x/b", []), ("y", ["t"]), ("z", [])):
        await account.upload(png(), public_id=name, tags=tags)
    await account.upload(b"1", public_id="x/raw.txt", resource_type="raw")
    assert (await account.admin("delete_resources_by_prefix", "x/"))["deleted"] == {
        "x/a": "deleted",
        "x/b": "deleted",
    }
    await account.admin("delete_resources_by_tag", "t")
    assert await names(account) == ["z", "x/raw.txt"]
    await account.admin("delete_all_resources")
    assert await names(account) == ["x/raw.txt"]


async def test_more_than_a_hundred_names_or_none_are_refused(account: Account) -> None:
    with pytest.raises(BadRequest, match="Maximum is 100"):
        await account.admin("delete_resources", [str(number) for number in range(101)])
    with pytest.raises(BadRequest, match="Missing"):
        await account.admin("delete_resources", [])
