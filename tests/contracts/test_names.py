"""Names, by example: what is kept, what is taken out, what is refused and why."""
# ruff: noqa: RUF001 - letters that look like others are what is tested here

import pytest

from contracts import names
from contracts.limits import MAX_INDEX
from contracts.names import CHARACTERS, PREMADE, Unnameable


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Opal Fever", "opal-fever"),
        ("  Opal --  Fever!! ", "opal-fever"),
        ("opal_fever", "opal-fever"),
        ("O'Malley's", "omalleys"),
        ("O\N{RIGHT SINGLE QUOTATION MARK}Malley", "omalley"),
        ("Zoe\u0308", "zoe"),
        ("Zoë", "zoe"),
        ("ﬁlly", "filly"),
        ("Ａｒｅｇ　７", "areg-7"),
        ("İSTANBUL", "istanbul"),
        ("Işıl", "isl"),
        ("Opal 🔥 Fever", "opal-fever"),
        ("Opal\0Fever\n", "opal-fever"),
        ("\u202eOpal", "opal"),
        ("v12 Interceptor", "v12-interceptor"),
        ("V", "v"),
        ("7", "7"),
    ],
)
def test_a_slug_keeps_the_latin_letters_and_digits_of_a_name(name: str, slug: str) -> None:
    assert names.slug(name) == slug


@pytest.mark.parametrize("name", ["", " ", "---", "👩‍🚀", "أوبال", "Опал", "オパール", "ıı", "ß", "\0", "'"])
def test_a_name_without_a_latin_letter_or_digit_is_refused(name: str) -> None:
    with pytest.raises(Unnameable, match="at least one Latin letter or digit"):
        names.slug(name)


@pytest.mark.parametrize("name", ["v12", "V12", "v１２", " v12! ", "v0", "'v7'"])
def test_a_name_that_reads_as_a_version_is_refused(name: str) -> None:
    with pytest.raises(Unnameable, match="version"):
        names.slug(name)


@pytest.mark.parametrize("username", ["A", "7", "Areg", "ar-eg", "areg_2", "Ar--eg__2", "vv1", "V12", "v1a"])
def test_a_username_keeps_its_letters_and_case(username: str) -> None:
    assert names.check_username(username) == username


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        ("", "letters, digits"),
        ("Areg\n", "letters, digits"),
        ("Are\0g", "letters, digits"),
        (" Areg", "letters, digits"),
        ("Արեգ", "letters, digits"),
        ("Ａｒｅｇ", "letters, digits"),
        ("Zoë", "letters, digits"),
        ("Işıl", "letters, digits"),
        ("ar.eg", "letters, digits"),
        ("ar/eg", "letters, digits"),
        ("../areg", "letters, digits"),
        ("areg_", "letters, digits"),
        ("-areg", "letters, digits"),
        ("١٢٣", "letters, digits"),
        ("v12", "version"),
        ("w_100", "transformation"),
        ("are_g", "transformation"),
    ],
)
def test_a_username_that_would_be_altered_is_refused(username: str, reason: str) -> None:
    with pytest.raises(Unnameable, match=reason):
        names.check_username(username)


def test_the_longest_names_fit_at_the_highest_index_and_one_more_would_not() -> None:
    username, slug = "x" * 50, "y" * (names.MAX_NAMES - 50)
    longest = names.public_id(
        names.folder(username, PREMADE, slug), names.image_name(username, slug, MAX_INDEX)
    )
    assert len(longest) <= names.MAX_PUBLIC_ID < len(longest) + 2
    with pytest.raises(Unnameable, match="more than"):
        names.folder(username, PREMADE, slug + "y")


@pytest.mark.parametrize("collection", ["", "Characters", "premade", "images", "characters/"])
def test_a_collection_is_one_of_the_two(collection: str) -> None:
    with pytest.raises(Unnameable, match="collection"):
        names.folder("Areg", collection, "opal")


@pytest.mark.parametrize("slug", ["", "Opal", "opal_fever", "-opal", "opal-", "a--b", "v7", "opal\n", "ópal"])
def test_a_folder_is_only_made_of_a_slug(slug: str) -> None:
    with pytest.raises(Unnameable, match="slug"):
        names.folder("Areg", CHARACTERS, slug)


def test_the_example_of_the_design_is_named_to_the_letter() -> None:
    folder = names.folder("Areg", PREMADE, names.slug("Opal Fever"))
    assert names.public_id(folder, names.image_name("Areg", "opal-fever", 7)) == (
        "Areg/premade_characters/opal-fever/images/Areg_opal-fever_image_7"
    )
    assert names.image_name("Areg", "opal-fever", 7, padding=4) == "Areg_opal-fever_image_0007"
    assert names.index_file(folder) == "Areg/premade_characters/opal-fever/images/index.txt"


@pytest.mark.parametrize(
    "public_id",
    [
        "Areg/characters/opal/images/Areg_opal_image_0",
        "Areg/characters/opal/images/Areg_opal_image_",
        "Areg/characters/opal/images/Areg_opal_image_-7",
        "Areg/characters/opal/images/Areg_opal_image_7.png",
        "Areg/characters/opal/images/Areg_opal_image_٧",
        "Areg/characters/opal/images/Bela_opal_image_7",
        "Areg/characters/opal/images/Areg_ruby_image_7",
        "Areg/characters/opal/other/Areg_opal_image_7",
        "Areg/characters/opal/Areg_opal_image_7",
        "x/Areg/characters/opal/images/Areg_opal_image_7",
        "Areg/characters/opal/images/index.txt",
        f"Areg/characters/opal/images/Areg_opal_image_{MAX_INDEX + 1}",
    ],
)
def test_what_only_resembles_one_of_our_images_is_not_read_as_one(public_id: str) -> None:
    assert names.parse_public_id(public_id) is None
