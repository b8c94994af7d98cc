import re

import pytest

from sandbox.cloudinary.public_ids import accepted_asset_folder, accepted_public_id, name_from_file
from sandbox.cloudinary.refusals import Refusal


@pytest.mark.parametrize(
    "public_id", ["a", "a/b_1.png", "Kremet brokkolisalat", "x" * 255, "v12", "ä/é-1", "a,b(1)!"]
)
def test_an_ordinary_public_id_stays_as_it_is(public_id: str) -> None:
    assert accepted_public_id(public_id) == public_id


@pytest.mark.parametrize(
    "public_id",
    [
        *(f"a{forbidden}b" for forbidden in "?&#\\%<>+"),
        "/a",
        "a/",
        "a//b",
        "a/ b",
        "",
        "v12/a",
        "a/v1/b",
        "x" * 256,
    ],
)
def test_an_impossible_public_id_is_refused(public_id: str) -> None:
    with pytest.raises(Refusal, match="public_id") as caught:
        accepted_public_id(public_id)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("sent", "stored"), [(" a ", "a"), ("a*b", "a_b"), ('a"b|c', "a_b_c"), ("a\tb", "a_b")]
)
def test_odd_characters_are_altered_without_a_word(sent: str, stored: str) -> None:
    assert accepted_public_id(sent) == stored


def test_an_asset_folder_keeps_no_outer_slashes_and_refuses_a_space_at_its_end() -> None:
    assert accepted_asset_folder("/a/b/") == "a/b"
    with pytest.raises(Refusal):
        accepted_asset_folder("a ")


def test_a_name_from_a_file_is_its_stem_with_a_random_tail_if_it_must_be_unique() -> None:
    assert re.fullmatch(r"logo_[a-z0-9]{6}", name_from_file("/tmp/logo.png", unique=True))
    assert name_from_file("C:\\tmp\\lo#go.png", unique=False) == "lo_go"
