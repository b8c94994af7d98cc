"""BLOBS_URL: a folder, a bucket, or a sentence that says why not."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from chassis.blobs import BlobSettings, Login, blob_key, open_blobs
from chassis.blobs_s3_place import Place, place_of
from chassis.settings import BadSettings, read

LOGIN = Login("key", SecretStr("secret"))
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
        ("ftp://secret:words@host", "begins with ftp:"),
        ("secret words", "begins with nothing:"),
        ("s3://secret:words@bucket", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead"),
        ("s3:", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://b/prefix", "names no bucket"),
        ("s3://bucket/a b", "prefix"),
        ("s3://bucket/../x", "prefix"),
        ("s3://bucket/a#b", "prefix"),
        ("s3://bucket/a?key=secret", "not known"),
        ("s3://bucket/a?region=US EAST", "not a region's name"),
        ("s3://bucket/a?endpoint=minio:9000", "http(s)://host:port"),
        ("s3://bucket/a?endpoint=http://user:secret@minio", "carries no login"),
        ("s3://bucket/a?endpoint=http://minio:port", "http(s)://host:port"),
        ("s3://bucket/a?endpoint=http://[secret", "http(s)://host:port"),
        ("s3://bucket/a", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set"),
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


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", Place("bucket", "", "us-east-1", None)),
        ("s3://bucket/", Place("bucket", "", "us-east-1", None)),
        ("s3://my.bucket/a/b/?region=eu-west-1", Place("my.bucket", "a/b", "eu-west-1", None)),
        (
            "s3://bucket/a?endpoint=http://minio:9000/&region=auto",
            Place("bucket", "a", "auto", "http://minio:9000"),
        ),
        (
            "s3://bucket/a?endpoint=https%3A%2F%2Fx.example%2Fstorage%2Fv1%2Fs3",
            Place("bucket", "a", "us-east-1", "https://x.example/storage/v1/s3"),
        ),
    ],
)
def test_an_s3_url_names_bucket_prefix_and_server(url: str, place: Place) -> None:
    assert place_of(url) == place


async def test_a_store_that_does_not_answer_is_opened_all_the_same() -> None:
    async with open_blobs("s3://bucket/a?endpoint=http://127.0.0.1:1", LOGIN) as blobs:
        assert await blobs.trouble() == "blob store s3://bucket/a: no answer (connect)"


def test_the_login_comes_from_two_variables_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOBS_URL", "s3://bucket")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    assert read(BlobSettings).login() is None
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    settings = read(BlobSettings)
    assert settings.login() == LOGIN
    assert "secret" not in repr(settings).replace("secret_access_key", "")
    assert "secret" not in repr(settings.login()).replace("secret_access_key", "")
