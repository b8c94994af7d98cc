"""A browser without a screen, and what somebody does with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from cli.tokens import issue
from tests.journeys.caller import SECRET
from tests.nodes.packages import chromium_program

#: Nothing of the browser's own goes out; as root it has no sandbox of its own.
ALONE = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
#: Milliseconds; whatever takes longer is stuck, also on a machine that is busy with other tests.
PATIENCE = 60_000
PHONE, DESKTOP = (360, 740), (1280, 900)


@dataclass
class Visitor:
    """Somebody who is signed in, at the page."""

    page: Page
    url: str
    username: str
    #: What the browser complained of: errors of scripts and things that the policy forbids.
    complaints: list[str] = field(default_factory=list)

    async def signs_in(self, scope: str = "") -> None:
        await self.comes_with(issue(SECRET, self.username, 3600, scope))

    async def comes_with(self, token: str) -> None:
        """By a link, as a host product makes it."""
        await self.page.goto(f"{self.url}/#token={token}")
        await expect(self.page.get_by_role("form", name="Make images")).to_be_visible()

    async def names(self, character: str) -> None:
        """A new character, through the picker."""
        field = self.page.get_by_role("combobox", name="Character")
        await field.fill(character)
        await field.press("Enter")
        dialog = self.page.get_by_role("dialog", name="New character")
        await dialog.get_by_role("button", name="Add").click()
        await expect(dialog).to_have_count(0)
        await expect(field).to_have_value(character)

    async def makes(self, count: int, prompt: str) -> None:
        """Small pictures, so that it is quick."""
        await self.page.get_by_label("Prompt", exact=True).fill(prompt)
        await self.page.get_by_label("Another number of images").fill(str(count))
        await self.page.get_by_text("Size, seed and more").click()
        await self.page.get_by_label("Size", exact=True).select_option("own")
        await self.page.get_by_label("Width").fill("128")
        await self.page.get_by_label("Height").fill("192")
        await self.page.get_by_role("button", name=f"Make {count} image").click()

    async def opens(self, page: str) -> None:
        await self.page.get_by_role("navigation").get_by_role("link", name=page).click()

    async def pictures(self, count: int, place: str = ".tile img") -> list[str]:
        """The addresses of so many pictures, once they are there and shown."""
        shown = self.page.locator(place)
        await expect(shown).to_have_count(count)
        for number in range(count):
            await expect(shown.nth(number)).not_to_have_js_property("naturalWidth", 0)
        return [str(await shown.nth(number).get_attribute("src")) for number in range(count)]

    async def found_by_axe(self) -> list[str]:
        """What somebody with a screen reader or weak eyes would trip over."""
        await self.page.evaluate(
            "Promise.all(document.getAnimations().map((each) => each.finish?.call(each)))"
        )
        results = await Axe().run(self.page)
        return [
            f"{each['id']}: {[node['target'] for node in each['nodes']]}"
            for each in results.response["violations"]
        ]


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    program = str(await asyncio.to_thread(chromium_program))
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=ALONE)
        try:
            yield started
        finally:
            await started.close()


async def visitor(
    browser: Browser, url: str, username: str, size: tuple[int, int] = DESKTOP, dark: bool = False
) -> Visitor:
    """At a page of his own, with nothing kept from anybody else."""
    width, height = size
    context: BrowserContext = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page = await context.new_page()
    visiting = Visitor(page, url, username)
    page.on("pageerror", lambda error: visiting.complaints.append(str(error)))
    page.on("console", lambda said: _note(said.type, said.text, visiting.complaints))
    return visiting


def _note(kind: str, text: str, complaints: list[str]) -> None:
    # A call that is refused or cut off is told to the reader by the page itself.
    if kind == "error" and not text.startswith("Failed to load resource"):
        complaints.append(text)


def different(addresses: Sequence[str]) -> bool:
    return len(set(addresses)) == len(addresses)
