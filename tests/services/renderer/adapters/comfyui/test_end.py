"""The end of a job: its file is asked for while the server says how it ended, and either may go wrong."""

from pathlib import Path

import pytest

from tests.services.renderer.backends import backend, renders
from tests.services.renderer.stage import done, stage


@pytest.mark.parametrize("route", ["/view", "/jobs"])
@pytest.mark.parametrize("kind", ["http_error", "drop_before", "drop_after", "html_page"])
async def test_whichever_call_goes_wrong_the_image_is_fetched_and_not_rendered_again(
    tmp_path: Path, kind: str, route: str
) -> None:
    async with backend(tmp_path / "a", render_seconds=0.5) as one:
        # The first look follows the socket's word, for the render is over before the first pause is.
        async with stage(tmp_path, one.renderer_url, poll_seconds=2.0) as heard:
            await heard.answered()
            await one.fault(kind, route=route, times=1)
            await done(heard)
        assert (await one.stats())["faults"] == {kind: 1}
        assert await renders(one) == [1]
