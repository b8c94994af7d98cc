"""Whoever runs it sees how it stands, and settles what died."""

import pytest
from playwright.async_api import Browser, expect

from contracts.commands import CancelBatch
from contracts.topology import Queue
from messaging.envelope import Envelope
from messaging.memory import MemoryBus
from services.gateway.domain.callers import SCOPES
from tests.journeys.system import System
from tests.page.browser import DESKTOP, PHONE, visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EVERYTHING = " ".join(SCOPES)


@pytest.mark.parametrize(("size", "dark"), [(PHONE, True), (DESKTOP, False)])
async def test_a_dead_letter_is_seen_opened_and_dropped(
    system: System, bus: MemoryBus, chromium: Browser, size: tuple[int, int], dark: bool
) -> None:
    nonsense = Envelope.read("CancelBatch.v1", b'{"batch_id": 7}', {})
    await bus.inject(Queue("renderer", CancelBatch), nonsense)
    olga = await visitor(chromium, str(system.client.base_url), "Olga", size, dark)
    await olga.signs_in(EVERYTHING)
    await olga.opens("Operate")
    letters = olga.page.get_by_role("region", name="Dead letters")
    await expect(letters.get_by_role("listitem")).to_have_count(1)
    await expect(olga.page.get_by_role("region", name="Processes")).to_contain_text("renderer")
    assert await olga.found_by_axe() == []
    assert await olga.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await letters.locator("summary").click()
    await expect(letters).to_contain_text('"batch_id": 7')
    await letters.get_by_label("All shown").check()
    await letters.get_by_role("button", name="Drop 1").click()
    sure = olga.page.get_by_role("dialog", name="Drop 1 dead letter?")
    await sure.get_by_role("button", name="Drop").click()
    await expect(letters.get_by_role("listitem")).to_have_count(0)
    assert olga.complaints == []


async def test_who_does_not_run_it_is_not_shown_how_it_stands(system: System, chromium: Browser) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await expect(areg.page.get_by_role("link", name="Operate")).to_have_count(0)
    await areg.page.goto(f"{areg.url}/#/operate")
    await expect(areg.page.get_by_role("form", name="Make images")).to_be_visible()
