"""The renderer over RunPod's serverless endpoints: batches go in, images come out, each paid for once."""

from pathlib import Path

from tests.services.renderer.endpoints import rendering, serverless
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import done


async def test_a_batch_ends_as_that_many_different_images(tmp_path: Path) -> None:
    async with serverless(tmp_path / "a") as one, rendering(tmp_path, one) as heard:
        await heard.bus.publish(reserved(quantity=8, first=5))
        await heard.ended(8)
        assert sorted(image.index for image in heard.ready) == list(range(5, 13))
        assert len({image.md5 for image in heard.ready}) == 8
        assert {image.backend for image in heard.ready} == {one.name}
        assert await one.accepted() == 8
