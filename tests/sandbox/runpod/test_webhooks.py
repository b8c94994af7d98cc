"""The webhook: called at the end with what /status says, again where it is not answered with 200."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.runpod import Settings
from tests.sandbox.comfyui.server import empty_image, portrait
from tests.sandbox.runpod.cloud import Cloud, listening, running


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Cloud]:
    """Calls again at once."""
    async with running(Settings(files=tmp_path, webhook_gap_seconds=0.02)) as found:
        yield found


async def test_a_webhook_hears_what_status_says_and_is_not_signed(hasty: Cloud) -> None:
    async with listening() as listener:
        told = await hasty.ran(empty_image(), webhook=listener.url)
        assert await listener.heard(1) == [told]
    assert (await hasty.stats())["webhooks"] == 1


async def test_a_webhook_hears_of_a_failure_too(hasty: Cloud) -> None:
    await hasty.fault("job_fails", error="gone")
    async with listening() as listener:
        await hasty.run(empty_image(), webhook=listener.url)
        (told,) = await listener.heard(1)
    assert (told["status"], told["error"]) == ("FAILED", "gone")


async def test_a_webhook_that_does_not_say_200_is_called_up_to_three_times(hasty: Cloud) -> None:
    async with listening(500, 204, 302, 500) as listener:
        await hasty.ran(empty_image(1), webhook=listener.url)
        first = await listener.heard(3)
        await hasty.ran(empty_image(2), webhook=listener.url)
        told = await listener.heard(5)
    assert first[0] == first[1] == first[2]
    assert [each["id"] for each in told[3:]] == [told[4]["id"]] * 2
    assert told[4]["id"] != first[0]["id"]


async def test_a_webhook_that_no_one_answers_does_no_harm(hasty: Cloud) -> None:
    told = await hasty.ran(empty_image(), webhook="http://127.0.0.1:1/hook")
    assert told["status"] == "COMPLETED"
    assert (await hasty.ran(empty_image(), webhook="no url"))["status"] == "COMPLETED"


async def test_a_cancelled_job_calls_no_webhook(slow: Cloud) -> None:
    async with listening() as listener:
        job = await slow.run(portrait(), webhook=listener.url)
        await slow.post(f"/cancel/{job}")
        await slow.ran(empty_image(), webhook=listener.url)
        assert [each["status"] for each in await listener.heard(1)] == ["COMPLETED"]


async def test_a_webhook_may_never_come_or_come_twice(hasty: Cloud) -> None:
    await hasty.fault("webhook_never", prefix="never")
    await hasty.fault("webhook_twice", prefix="twice")
    async with listening() as listener:
        await hasty.ran(empty_image(1, "never"), webhook=listener.url)
        twice = await hasty.ran(empty_image(2, "twice"), webhook=listener.url)
        assert await listener.heard(2) == [twice, twice]
