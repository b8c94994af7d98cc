"""Words as they can be drawn, whatever fonts the machine has."""

import pytest

from services.uploader.adapters import lettering
from services.uploader.adapters.lettering import lettered


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Opal Fever", "Opal Fever"),
        ("Zo\u00eb\u2019s \u00d8yvind \u2014 \u00c6gir", "Zoe's Oyvind - AEgir"),
        ("Stra\u00dfe  \u0141\u00f3d\u017a\n\0", "Strasse Lodz"),
        ("a\u0301" * 3, "aaa"),
    ],
)
def test_latin_letters_of_every_kind_are_drawn_in_the_font_that_is_always_there(
    text: str, drawn: str
) -> None:
    said, face = lettered(text)
    assert (said, face) == (drawn, lettering._own)


def test_without_a_font_for_its_script_the_rest_of_a_name_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "MACHINE_FONTS", ("no-such-font.ttf",))
    assert lettered("Зимняя ночь 2") == ("2", lettering._own)
    assert lettered("夜 Yoru")[0] == "Yoru"


def test_a_font_of_the_machine_is_used_for_a_script_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has: here the one font that is always there is taken for it."""
    monkeypatch.setattr(lettering, "MACHINE_FONTS", ("every-script.ttf",))
    monkeypatch.setattr(lettering, "_is_installed", lambda name: True)
    monkeypatch.setattr(lettering, "_draws", lambda name, text: True)
    said, face = lettered("Зимняя ночь 2")
    assert said == "Зимняя ночь 2"
    assert face is not lettering._own


def test_the_longest_text_is_looked_at_no_further_than_it_could_be_drawn() -> None:
    assert len(lettered("x" * 100_000)[0]) == lettering.MOST_SIGNS
