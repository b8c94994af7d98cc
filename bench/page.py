"""`python -m bench.page`: whether ten thousand images scroll smoothly in the gallery.

A gateway with so many images of one character, a server for their thumbnails, and a real browser that scrolls
from the newest to the oldest while the page loads what comes next. The longest task that kept the browser
from drawing is compared with 100 ms, above which people notice.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Page, expect

from bench.verdict import Bar, verdict
from tests.page.browser import DESKTOP, browser
from tests.page.many import many
from tests.services.gateway.http.door import token

NOTICED_MS = 100.0
BAR = Bar(at_most=1.0)
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
  const counted = document.querySelector(".gallery-head .facts");
  const known = () => counted.textContent === `${wanted.toLocaleString()} images`;
  const end = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
  let most = 0;
  while (!known() || !end()) {
    scrollBy(0, innerHeight / 2);
    await new Promise((resolve) => setTimeout(resolve, 60));
    most = Math.max(most, document.querySelectorAll(".item").length);
  }
  return { tasks: window.tasks, most };
}"""


@dataclass(frozen=True)
class Scrolled:
    #: Milliseconds of every task over 50 ms, as the browser tells them.
    tasks: list[float]
    #: Images that were in the document at once.
    most: int


async def measure(images: int) -> Scrolled:
    with TemporaryDirectory(prefix="darkroom-page-") as name:
        async with many(Path(name), images) as there, browser() as chromium:
            width, height = DESKTOP
            page = await chromium.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE_MS)
            await page.add_init_script(_WATCH)
            return await _scrolled(page, f"{there.door.url}/#token={token()}", there.character, images)


async def _scrolled(page: Page, door: str, character: str, images: int) -> Scrolled:
    await page.goto(door)
    await page.wait_for_selector(".make-form")
    await page.goto(f"{door.partition('#')[0]}#/gallery/{character}")
    await expect(page.locator(".item").first).to_be_visible(timeout=60_000)
    told: Any = await page.evaluate(_SCROLL, images)
    return Scrolled([float(each) for each in told["tasks"]], int(told["most"]))


async def _main(images: int) -> int:
    scrolled = await measure(images)
    longest = max(scrolled.tasks, default=0.0)
    print(f"{images} images, at most {scrolled.most} of them in the document at once", flush=True)
    print(f"{len(scrolled.tasks)} tasks over 50 ms, the longest {longest:.0f} ms", flush=True)
    return verdict("page", longest / NOTICED_MS, BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.page", description="10,000 images in a gallery")
    parser.add_argument("--images", type=int, default=10_000, help="how many, in thousands")
    parser.add_argument("--quick", action="store_true", help="2,000 images")
    options = parser.parse_args()
    sys.exit(asyncio.run(_main(2_000 if options.quick else options.images)))
