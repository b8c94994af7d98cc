"""A gallery of hundreds of images is walked as easily as one of three."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.page.browser import DESKTOP, PHONE, Visitor, visitor
from tests.page.many import Many, many
from tests.services.gateway.http.door import token
from tests.services.gateway.http.peer import progress

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

IMAGES = 200
#: In the document at once, of all of them: the screen, and what is ready above and below it.
MOST = 120


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Many]:
    async with many(tmp_path, IMAGES) as made:
        yield made


async def _at_the_gallery(there: Many, chromium: Browser, size: tuple[int, int] = DESKTOP) -> Visitor:
    areg = await visitor(chromium, there.door.url, "Areg", size)
    await areg.comes_with(token())
    await areg.opens("Gallery")
    await expect(_number(areg, IMAGES)).to_be_visible()
    return areg


def _number(areg: Visitor, number: int) -> Locator:
    return areg.page.get_by_role("button", name=f"Open Number {number}", exact=True)


async def _scrolls_to_the_end(areg: Visitor) -> int:
    """The most images that were in the document at once."""
    return int(
        await areg.page.evaluate(
            """async (all) => {
              let most = 0;
              const counted = document.querySelector(".gallery-head .facts");
              const there = () => counted.textContent === `${all} images`
                && innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
              while (!there()) {
                scrollBy(0, innerHeight);
                await new Promise((resolve) => setTimeout(resolve, 30));
                most = Math.max(most, document.querySelectorAll(".item").length);
              }
              return most;
            }""",
            IMAGES,
        )
    )


async def test_only_what_is_near_the_screen_is_in_the_document_and_what_is_selected_stays_so(
    there: Many, chromium: Browser
) -> None:
    areg = await _at_the_gallery(there, chromium)
    first, last = (areg.page.get_by_label(f"Select number {number}", exact=True) for number in (IMAGES, 1))
    await first.check()
    await areg.page.evaluate("document.activeElement.blur()")
    assert await _scrolls_to_the_end(areg) < MOST
    await expect(_number(areg, 1)).to_be_visible()
    await expect(_number(areg, IMAGES)).to_have_count(0)
    assert await areg.found_by_axe() == []
    await last.click(modifiers=["Shift"])
    await expect(areg.page.get_by_text(f"{IMAGES} images selected")).to_be_visible()
    await areg.page.keyboard.press("Home")
    await expect(first).to_be_checked()
    assert areg.complaints == []


async def test_one_goes_on_where_the_focus_was_and_where_the_image_seen_last_is(
    there: Many, chromium: Browser
) -> None:
    areg = await _at_the_gallery(there, chromium, PHONE)
    await _number(areg, IMAGES - 1).focus()
    await _scrolls_to_the_end(areg)
    await expect(_number(areg, IMAGES - 1)).to_be_focused()
    await areg.page.keyboard.press("Tab")
    await expect(areg.page.get_by_label(f"Select number {IMAGES - 1}", exact=True)).to_be_focused()
    await _number(areg, IMAGES).click()
    for _ in range(30):
        await areg.page.keyboard.press("ArrowRight")
    await areg.page.keyboard.press("Escape")
    await expect(_number(areg, IMAGES - 30)).to_be_focused()
    await expect(_number(areg, IMAGES - 30)).to_be_in_viewport()
    await areg.page.set_viewport_size({"width": 1600, "height": 900})
    await expect(_number(areg, IMAGES - 30)).to_be_in_viewport()
    assert await areg.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_batch_of_a_thousand_shows_a_few_tiles_and_is_asked_for_once(
    there: Many, chromium: Browser
) -> None:
    door, asked = there.door, Counter[str]()
    door.peer.script = lambda _event: []
    thousand = await door.batch(there.character, 1000)
    numbered = await door.peer.reserved(2)
    areg = await visitor(chromium, door.url, "Areg")
    areg.page.on("request", lambda request: asked.update([urlsplit(request.url).path]))
    await areg.comes_with(token())
    waiting, made = (areg.page.locator(".batch").nth(place) for place in (0, 1))
    await expect(waiting.locator(".tile")).to_have_count(24)
    await door.peer.says(progress(numbered, 0, stage="cold-start", step=0, steps=0))
    await expect(waiting.locator(".stage").first).to_have_text("the GPU is starting")
    await door.peer.says(progress(numbered, 0, stage="running", step=3, steps=30))
    await expect(waiting.locator(".stage").first).to_have_text("step 3 of 30")
    await made.scroll_into_view_if_needed()
    await expect(made.locator(".tile")).to_have_count(24)
    await made.get_by_role("button", name="Show 96 of 176 more").click()
    await expect(made.locator(".tile")).to_have_count(120)
    await expect(made.locator(".tile .number").last).to_have_text("#120")
    [batch] = [path for path in asked if path.startswith("/v1/batches/") and thousand["id"] not in path]
    stream = f"/v1/batches/{thousand['id']}/events"
    calls = {path: count for path, count in asked.items() if path.startswith("/v1/batches")}
    assert calls == {"/v1/batches": 1, batch: 1, stream: 1}
    assert areg.complaints == []
