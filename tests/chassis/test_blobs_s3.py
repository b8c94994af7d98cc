"""Blobs in a bucket whose server breaks, refuses, stalls or is full: that never means nothing is there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from chassis.blobs import blob_key
from chassis.blobs_s3 import Patience, S3Blobs, open_s3
from chassis.blobs_s3_answers import Refused, judged
from chassis.blobs_s3_place import place_of
from chassis.settings import BadSettings
from messaging.errors import Outage
from tests.chassis.blob_stores import KEY, MD5, ages, keys
from tests.journeys.waiting import until
from tests.s3.gate import Fault, Gate, gate_before
from tests.s3.server import LOGIN, S3Server

HASTE = Patience(connect=1, answer=1.5, retries=0)
DEEDS: dict[str, Callable[[S3Blobs], Awaitable[object]]] = {
    "put": lambda blobs: blobs.put(KEY, b"bytes"),
    "get": lambda blobs: blobs.get(KEY),
    "remove": lambda blobs: blobs.remove(KEY),
    "keys": keys,
    "tidy": lambda blobs: blobs.tidy(0),
    "probe": lambda blobs: blobs.probe(),
}


@dataclass(frozen=True)
class Behind:
    """A bucket behind the gate, opened without patience."""

    gate: Gate
    server: S3Server
    bucket: str
    blobs: S3Blobs

    @property
    def url(self) -> str:
        return self.server.url(self.bucket, endpoint=self.gate.url)


@pytest.fixture
async def behind(s3: S3Server) -> AsyncIterator[Behind]:
    async with gate_before(s3.endpoint) as gate:
        bucket = s3.new_bucket()
        place = place_of(s3.url(bucket, endpoint=gate.url))
        async with open_s3(place, LOGIN, HASTE) as blobs:
            await blobs.put(KEY, b"bytes")
            gate.requests.clear()
            yield Behind(gate, s3, bucket, blobs)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "SlowDown"),
        (502, ""),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
        (507, ""),
        (507, "XMinioStorageFull"),
        (403, "RequestTimeTooSkewed"),
        (403, "QuotaExceeded"),
    ],
)
async def test_what_passes_is_an_outage_and_no_refusal(
    status: int, code: str, deed: str, behind: Behind
) -> None:
    behind.gate.answers(status, code)
    with pytest.raises(Outage, match=f"HTTP {status} ?{code}") as caught:
        await DEEDS[deed](behind.blobs)
    assert not isinstance(caught.value, Refused)
    behind.gate.faults.clear()
    assert await behind.blobs.get(KEY) == b"bytes"


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (403, "AccessDenied", "rights to get, put, delete and list"),
        (403, "InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "check AWS_ACCESS_KEY_ID"),
        (403, "", "check AWS_ACCESS_KEY_ID"),
        (401, "", "check AWS_ACCESS_KEY_ID"),
        (404, "NoSuchBucket", "make the bucket"),
        (404, "", "what answers there is no S3 store"),
        (400, "AuthorizationHeaderMalformed", "region"),
        (301, "PermanentRedirect", "region"),
    ],
)
async def test_what_only_people_can_mend_is_said_with_what_to_do(
    status: int, code: str, advice: str, deed: str, behind: Behind
) -> None:
    behind.gate.answers(status, code)
    with pytest.raises(Refused, match=advice):
        await DEEDS[deed](behind.blobs)
    assert advice in (await behind.blobs.trouble() or "")
    behind.gate.faults.clear()
    assert await behind.blobs.trouble() is None


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("kind", ["reset", "hang"])
async def test_no_answer_is_an_outage_and_comes_in_time(kind: str, deed: str, behind: Behind) -> None:
    async with open_s3(place_of(behind.url), LOGIN, Patience(connect=1, answer=0.4, retries=0)) as blobs:
        behind.gate.faults.append(Fault(kind, times=None))
        async with asyncio.timeout(10):
            with pytest.raises(Outage, match="no answer"):
                await DEEDS[deed](blobs)


async def test_half_a_body_is_an_outage_and_never_the_blob(behind: Behind) -> None:
    behind.gate.faults.append(Fault("cut", times=None))
    with pytest.raises(Outage, match="no answer"):
        await behind.blobs.get(KEY)


async def test_a_page_of_somebody_in_between_is_not_a_missing_blob(behind: Behind) -> None:
    behind.gate.faults.append(Fault("answer", times=None, status=404, body="<html>NoSuchKey</html>"))
    with pytest.raises(Refused, match="no S3 store"):
        await behind.blobs.get(KEY)


async def test_a_put_whose_answer_is_lost_may_be_repeated(behind: Behind) -> None:
    other = blob_key("batch-1", 4, 0, MD5)
    behind.gate.faults.append(Fault("lost"))
    with pytest.raises(Outage):
        await behind.blobs.put(other, b"other")
    await behind.blobs.put(other, b"other")
    assert await behind.blobs.get(other) == b"other"
    assert await keys(behind.blobs) == {KEY, other}


async def test_what_passes_at_once_is_nobodys_outage_and_retries_end(behind: Behind) -> None:
    async with open_s3(place_of(behind.url), LOGIN, Patience(retries=2)) as blobs:
        behind.gate.requests.clear()
        behind.gate.answers(503, "SlowDown", times=2)
        assert await blobs.get(KEY) == b"bytes"
        assert len(behind.gate.requests) == 3
        behind.gate.requests.clear()
        behind.gate.answers(503, "SlowDown")
        with pytest.raises(Outage, match="SlowDown"):
            await blobs.put(KEY, b"bytes")
        assert len(behind.gate.requests) == 3


async def test_a_cancelled_call_lets_go_of_its_connection(behind: Behind) -> None:
    behind.gate.faults.append(Fault("hang", times=None))
    for deed in (behind.blobs.put(KEY, b"x" * 1000), behind.blobs.get(KEY)):
        given_up, asked = behind.gate.given_up, len(behind.gate.requests)
        call = asyncio.create_task(_awaited(deed))

        async def under_way(asked: int = asked) -> bool:
            return len(behind.gate.requests) > asked

        await until(under_way)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        async def let_go(given_up: int = given_up) -> bool:
            return behind.gate.given_up > given_up

        await until(let_go)


async def test_connections_are_used_again(behind: Behind) -> None:
    before = behind.gate.connections
    for _ in range(20):
        await behind.blobs.put(KEY, b"bytes")
        assert await behind.blobs.get(KEY) == b"bytes"
    assert behind.gate.connections - before <= 1


async def test_every_page_of_a_listing_is_read(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    many = {blob_key("batch-1", number, 1, MD5) for number in range(10)}
    for key in many:
        await behind.blobs.put(key, b"x")
    behind.gate.requests.clear()
    assert await keys(behind.blobs) == many | {KEY}
    assert len(behind.gate.requests) == 4


async def test_a_prefix_keeps_stores_of_one_bucket_apart(s3: S3Server) -> None:
    bucket = s3.new_bucket()
    async with (
        open_s3(place_of(s3.url(bucket, "a")), LOGIN) as one,
        open_s3(place_of(s3.url(bucket, "ab")), LOGIN) as other,
        open_s3(place_of(s3.url(bucket, "")), LOGIN) as bare,
    ):
        await one.put(KEY, b"one")
        await bare.put(KEY, b"bare")
        assert (await one.get(KEY), await other.get(KEY), await bare.get(KEY)) == (b"one", None, b"bare")
        assert (await keys(one), await keys(other), await keys(bare)) == ({KEY}, set(), {KEY})
        assert set(await ages(one)) == {KEY}


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(403, "InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"), (404, "NoSuchBucket", "make the bucket")],
)
async def test_a_refused_login_and_a_missing_bucket_are_wrong_settings_at_the_start(
    status: int, code: str, word: str, behind: Behind
) -> None:
    behind.gate.answers(status, code)
    with pytest.raises(BadSettings, match=word) as caught:
        async with open_s3(place_of(behind.url), LOGIN):
            pass
    assert LOGIN.secret_access_key.get_secret_value() not in str(caught.value)


async def test_the_client_hears_nothing_of_the_environment(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SESSION_TOKEN": "somebody-else",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    async with gate_before(s3.endpoint) as gate:
        async with open_s3(place_of(s3.url(s3.new_bucket(), endpoint=gate.url)), LOGIN, HASTE) as blobs:
            assert await blobs.trouble() is None
        assert f"Credential={LOGIN.access_key_id}/" in gate.headers["authorization"]
        assert "x-amz-security-token" not in gate.headers


def test_the_body_of_an_answer_is_never_quoted() -> None:
    text = (
        "Error performing GET http://host/x - Server returned non-2xx status code: 403 Forbidden: <Error>"
        "<Code>SignatureDoesNotMatch</Code><StringToSign>AWS4 words</StringToSign></Error>\n\n"
        "Debug source:\nX"
    )
    why = judged(text, "s3://bucket")
    assert isinstance(why, Refused)
    assert str(why) == (
        "blob store s3://bucket: HTTP 403 SignatureDoesNotMatch; check AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY"
    )


def test_a_login_hides_its_secret() -> None:
    assert "hush" not in repr(type(LOGIN)("key", SecretStr("hush")))


async def _awaited(deed: Awaitable[object]) -> object:
    return await deed
