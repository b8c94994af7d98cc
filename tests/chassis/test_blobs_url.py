"""BLOBS_URL: a folder, or a sentence that says why not."""

from pathlib import Path

import pytest

from chassis.blobs import blob_key, open_blobs
from chassis.settings import BadSettings

KEY = blob_key("batch-1", 3, 0, "0123456789abcdef" * 2)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:{}/a/b", "a/b"),
        ("file://{}/a", "a"),
        ("file://localhost{}/a", "a"),
        ("file:{}/with%20space%23", "with space#"),
    ],
)
async def test_a_file_url_names_a_folder_that_is_made(url: str, path: str, tmp_path: Path) -> None:
    async with open_blobs(url.format(tmp_path)) as blobs:
        await blobs.put(KEY, b"bytes")
    assert (tmp_path / path / KEY).read_bytes() == b"bytes"


@pytest.mark.parametrize("url", ["file:var/blobs", "file://var/blobs"])
async def test_a_relative_folder_is_below_the_working_directory(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_blobs(url) as blobs:
        await blobs.put(KEY, b"bytes")
    assert (tmp_path / "var" / "blobs" / KEY).read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("s3://secret:words@bucket", "begins with s3:"),
        ("secret words", "begins with nothing:"),
        ("file:", "names no folder"),
        ("file:/a#b", "%23"),
        ("file:/a?b", "%3F"),
        ("file://[secret", "not a URL"),
    ],
)
async def test_a_url_of_another_kind_is_said(url: str, word: str) -> None:
    with pytest.raises(BadSettings, match="BLOBS_URL") as caught:
        async with open_blobs(url):
            pass
    assert word in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSettings, match="can't be made"):
        async with open_blobs(f"file:{tmp_path}/file/blobs"):
            pass
