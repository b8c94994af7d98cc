"""The list of backends: in the variable itself, or in a file that may change."""

import os
from pathlib import Path

import pytest

from services.renderer.adapters.comfyui.pod import read_pod
from services.renderer.adapters.places import BadAddress, Pace, Place, Places


def read_url(url: str) -> Place:
    return read_pod(url, Pace(2), frozenset())


def places(urls: str) -> Places:
    return Places(urls, {"comfyui+http": read_url})


def names(found: list[Place] | None) -> list[str] | None:
    return None if found is None else [each.name for each in found]


def written(file: Path, text: str, second: int) -> None:
    file.write_text(text)
    os.utime(file, (second, second))


def test_several_backends_are_separated_by_commas() -> None:
    found = places("comfyui+http://a:1, comfyui+http://[::1]:2?depth=7,").read()
    assert [(each.name, each.depth) for each in found] == [("a:1", 2), ("[::1]:2", 7)]


@pytest.mark.parametrize(
    ("urls", "reason"),
    [
        ("", "names no backend"),
        ("http://a", "RENDERER_URLS: a renderer URL begins with one of comfyui"),
        ("comfyui+http://a:1,comfyui+http://u:p@a:1", "RENDERER_URLS: a:1 is named twice"),
        ("file:nowhere.txt", "nowhere.txt cannot be read: No such file"),
    ],
)
def test_what_cannot_be_a_fleet_is_refused_in_a_sentence_without_secrets(urls: str, reason: str) -> None:
    with pytest.raises(BadAddress, match=reason) as refused:
        places(urls).read()
    assert "u:p" not in str(refused.value)


def test_a_file_has_one_url_a_line_and_remarks(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    file.write_text("# the fleet\ncomfyui+http://a:1  # old\n\n  comfyui+http://b:2\n")
    assert names(places(f"file:{file}").read()) == ["a:1", "b:2"]
    assert names(places(f"file://{file}").read()) == ["a:1", "b:2"]


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    file.write_text("comfyui+http://a:1\ncomfyui+http://u:geheim@b?depth=x\n")
    with pytest.raises(BadAddress, match=r"fleet\.txt line 2: depth must be") as refused:
        places(f"file:{file}").read()
    assert "geheim" not in str(refused.value)


def test_an_empty_file_is_a_fleet_that_is_yet_to_come(tmp_path: Path) -> None:
    (tmp_path / "fleet.txt").write_text("# nobody yet\n")
    assert places(f"file:{tmp_path}/fleet.txt").read() == []


def test_a_changed_file_is_read_once_it_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    written(file, "comfyui+http://a:1\n", 1)
    watched = places(f"file:{file}")
    watched.read()
    assert watched.changed() is None
    written(file, "comfyui+http://b", 2)
    assert watched.changed() is None
    written(file, "comfyui+http://b:2\n", 3)
    assert watched.changed() is None
    assert names(watched.changed()) == ["b:2"]
    assert watched.changed() is None


def test_a_file_that_goes_away_is_told_once_and_read_when_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    written(file, "comfyui+http://a:1\n", 1)
    watched = places(f"file:{file}")
    watched.read()
    file.unlink()
    assert watched.changed() is None
    with pytest.raises(BadAddress):
        watched.changed()
    assert watched.changed() is None
    written(file, "comfyui+http://a:1\n", 2)
    watched.changed()
    assert names(watched.changed()) == ["a:1"]


def test_a_list_in_the_variable_never_changes() -> None:
    fixed = places("comfyui+http://a:1")
    fixed.read()
    assert fixed.changed() is None


def test_a_place_can_be_shown_without_its_credentials() -> None:
    assert "geheim" not in repr(read_url("comfyui+http://u:geheim@a?token=geheim"))
