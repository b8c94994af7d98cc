"""`python -m bench.page`: whether ten thousand images scroll smoothly in the gallery.

A gateway with so many images of one character, a server for their thumbnails, and a real browser that scrolls
from the newest to the oldest while the page loads what comes next. The longest task that kept the browser
from drawing is compared with 100 ms, above which people notice.
"""

import argparse
import asyncio
import io
import random
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.verdict import Bar, verdict
from contracts.events import IndicesReserved
from contracts.message import Message
from sandbox.serving import serve
from tests.journeys.waiting import until
from tests.page.browser import DESKTOP, browser
from tests.services.gateway.http.door import Door, opened, token
from tests.services.gateway.http.peer import stored

NOTICED_MS = 100.0
BAR = Bar(at_most=1.0)
BATCH = 1000
#: Milliseconds that a whole scroll may take before it is given up.
PATIENCE_MS = 600_000

_WATCH = """
window.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((each) => each.duration)))
  .observe({ type: "longtask", buffered: true });
"""
#: Scrolls as a hand does, half a screen at a time, until the last image is there and seen.
_SCROLL = """async (wanted) => {
  window.tasks.length = 0;
  const seen = () => document.querySelectorAll(".item").length;
  const end = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
  while (seen() < wanted || !end()) {
    scrollBy(0, innerHeight / 2);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  return window.tasks;
}"""


async def measure(images: int) -> list[float]:
    """Milliseconds of every task over 50 ms, as the browser tells them."""
    with TemporaryDirectory(prefix="darkroom-page-") as name:
        pictures = Starlette(routes=[Route("/{name:path}", _thumbnail)])
        async with (
            serve(pictures) as host,
            opened(Path(name), IMAGE_HOSTS=host) as door,
            browser() as chromium,
        ):
            character = await _filled(door, host, images)
            width, height = DESKTOP
            page = await chromium.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE_MS)
            await page.add_init_script(_WATCH)
            return await _scrolled(page, f"{door.url}/#token={token()}", character, images)


async def _filled(door: Door, host: str, images: int) -> str:
    """The id of a character with so many images."""

    def all_there(event: IndicesReserved) -> Sequence[Message]:
        there = (stored(event, ordinal) for ordinal in range(event.quantity))
        return [each.model_copy(update={"url": f"{host}/{each.index}"}) for each in there]

    door.peer.script = all_there
    character = await door.character()
    for _ in range(images // BATCH):
        batch = await door.batch(character, BATCH)
        await until(partial(_is_made, door, batch["id"]))
    return character


async def _is_made(door: Door, batch_id: str) -> bool:
    return bool((await door.seen(batch_id))["status"] == "succeeded")


async def _scrolled(page: Page, door: str, character: str, images: int) -> list[float]:
    await page.goto(door)
    await page.wait_for_selector(".make-form")
    await page.goto(f"{door.partition('#')[0]}#/gallery/{character}")
    await expect(page.locator(".item").first).to_be_visible(timeout=60_000)
    tasks: Any = await page.evaluate(_SCROLL, images)
    return [float(each) for each in tasks]


async def _thumbnail(request: Request) -> Response:
    """A small picture of its own for each address."""
    dice = random.Random(request.path_params["name"])
    picture = Image.new("RGB", (200, 300), tuple(dice.randrange(256) for _ in range(3)))
    kept = io.BytesIO()
    picture.save(kept, "JPEG")
    return Response(kept.getvalue(), media_type="image/jpeg", headers={"Cache-Control": "max-age=86400"})


async def _main(images: int) -> int:
    tasks = sorted(await measure(images))
    longest = tasks[-1] if tasks else 0.0
    print(f"{images} images: {len(tasks)} tasks over 50 ms, the longest {longest:.0f} ms", flush=True)
    return verdict("page", longest / NOTICED_MS, BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.page", description="10,000 images in a gallery")
    parser.add_argument("--images", type=int, default=10_000, help="how many, in thousands")
    parser.add_argument("--quick", action="store_true", help="2,000 images")
    options = parser.parse_args()
    sys.exit(asyncio.run(_main(2_000 if options.quick else options.images)))
