"""Names: whatever somebody is called, the name reads back to the letter or is refused with a reason."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from contracts import names
from contracts.limits import MAX_INDEX
from contracts.names import CHARACTERS, PREMADE, ImagePlace, Unnameable
from tests.contracts.invented_names import character_names, collections, indexes, paddings, usernames

#: What Cloudinary forbids in a public_id.
FORBIDDEN = set("?&#\\%<>+")


def check_one(username: str, collection: str, character: str, index: int, padding: int) -> None:
    """The promise of this module, for one image."""
    slug = names.slug(character)
    folder = names.folder(username, collection, slug)
    image = names.image_name(username, slug, index, padding)
    public_id = names.public_id(folder, image)
    assert names.parse_folder(folder) == (username, collection, slug)
    assert names.parse_public_id(public_id) == ImagePlace(username, collection, slug, index)
    assert names.index_of(image) == names.index_of(public_id) == index
    assert len(public_id) <= 255
    assert not FORBIDDEN & set(public_id)
    assert re.fullmatch(r"[A-Za-z0-9_/-]+", public_id, re.ASCII)
    for part in public_id.split("/"):
        assert not re.fullmatch(r"v[0-9]+", part)
        assert part.strip("-_") == part
    # Read as a transformation: up to three characters before the first underscore of a folder.
    for part in folder.split("/"):
        assert part.find("_") == -1 or part.find("_") >= 4


@given(usernames, collections, character_names, indexes, paddings)
@example("Areg", PREMADE, "Opal Fever", 7, 0)
@example("x" * 50, PREMADE, "y" * 51, MAX_INDEX, 6)
@example("some_image_7", CHARACTERS, "image 7", 7, 4)
def test_a_name_reads_back_to_its_parts_or_is_refused_with_a_reason(
    username: str, collection: str, character: str, index: int, padding: int
) -> None:
    try:
        check_one(username, collection, character, index, padding)
    except Unnameable as why:
        refusal = str(why)
    else:
        refusal = "none"
    assert 0 < len(refusal) < 200


@given(st.from_regex(r"[A-Za-z0-9]{4}([A-Za-z0-9_-]{0,40}[A-Za-z0-9])?", fullmatch=True), indexes, paddings)
def test_a_plain_name_is_never_refused(username: str, index: int, padding: int) -> None:
    if not re.fullmatch(r"v[0-9]+", username):
        check_one(username, CHARACTERS, f"{username} the Great", index, padding)


@given(character_names)
def test_a_slug_of_a_slug_is_itself(character: str) -> None:
    try:
        slug = names.slug(character)
    except Unnameable:
        return
    assert names.slug(slug) == slug
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)


triples = st.tuples(
    st.text("Aa1_-/", max_size=6),
    st.one_of(collections, st.just("images")),
    st.text("a1-/", max_size=5),
)


@given(triples, triples)
@example(("Areg", CHARACTERS, "opal"), ("Areg", PREMADE, "opal"))
@example(("Areg", CHARACTERS, "opal"), ("areg", CHARACTERS, "opal"))
def test_two_characters_never_share_a_folder(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    try:
        folders = {names.folder(*one), names.folder(*other)}
    except Unnameable:
        return
    assert len(folders) == len({one, other})


@given(st.sampled_from(["Areg", "Ar-eg_2", "image_image_1"]), st.integers(0, 12), indexes, indexes)
@example("Areg", 4, 999, 1000)
@example("Areg", 4, 9999, 10000)
@example("Areg", 4, 1000, 1001)
def test_a_later_number_is_padded_as_the_old_one_was(
    username: str, padding: int, one: int, other: int
) -> None:
    old, new = sorted((one, other))
    renumbered = names.renumbered(names.image_name(username, "opal-fever", old, padding), new)
    assert renumbered == names.image_name(username, "opal-fever", new, padding)
    assert names.index_of(renumbered) == new


@given(st.text())
@example("Areg/characters/opal/images/Areg_opal_image_" + "9" * 5000)
@example("Areg/characters/opal/images/Areg_opal_image_7\n")
def test_reading_a_foreign_path_never_fails(path: str) -> None:
    names.parse_folder(path)
    assert names.parse_public_id(path) is None
    assert names.index_of(path) is None
