"""Images are made before one's eyes."""

import re

import pytest
from playwright.async_api import Browser, expect

from cli.up import greeting
from services.__main__ import Started
from tests.journeys.caller import SECRET
from tests.journeys.system import System
from tests.page.browser import PHONE, different, visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def test_a_batch_of_eight_comes_in_as_eight_different_pictures(
    system: System, chromium: Browser
) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await areg.names("Opal Fever")
    await areg.makes(8, "opal light, silver hair")
    await expect(areg.page.locator(".tile .number")).to_have_text([f"#{number}" for number in range(1, 9)])
    assert different(await areg.pictures(8))
    await expect(areg.page.locator(".batch .state")).to_have_text("done, 8 of 8")
    await expect(areg.page.get_by_text("8 images of 8 made of Opal Fever")).to_be_visible()
    assert areg.complaints == []


async def test_a_reload_in_mid_batch_loses_nothing_of_it(system: System, chromium: Browser) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg", PHONE)
    await areg.signs_in()
    await areg.names("Iron Lily")
    await areg.makes(6, "iron and lilies")
    await expect(areg.page.locator(".tile img").first).to_be_visible()
    # Nothing moves for whoever asked for that.
    assert await areg.page.evaluate("document.getAnimations().length") == 0
    await areg.page.reload()
    await expect(areg.page.locator(".tile")).to_have_count(6)
    assert different(await areg.pictures(6))
    assert areg.complaints == []


async def test_a_lost_connection_is_told_and_made_up_for(system: System, chromium: Browser) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await areg.names("Opal Fever")
    await areg.makes(6, "opal light")
    await expect(areg.page.locator(".tile img").first).to_be_visible()
    await areg.page.context.set_offline(True)
    await expect(areg.page.get_by_text("The connection is lost")).to_be_visible()
    await areg.page.context.set_offline(False)
    assert different(await areg.pictures(6))
    await expect(areg.page.get_by_text("The connection is lost")).to_be_hidden()


async def test_a_batch_can_be_cancelled_and_made_again(system: System, chromium: Browser) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await areg.names("Opal Fever")
    await areg.makes(30, "opal light")
    await areg.page.get_by_role("button", name="Cancel").click()
    await expect(areg.page.locator(".batch .state")).to_contain_text("30 of 30")
    cancelled = areg.page.locator('.tile[data-status="canceled"]')
    before = await cancelled.count()
    assert before > 0
    await cancelled.last.get_by_role("button", name="Render number").click()
    await expect(cancelled).to_have_count(before - 1)
    await expect(areg.page.locator(".tile:last-child img")).to_be_visible()


async def test_a_placeholder_says_why_and_can_be_rendered_again(system: System, chromium: Browser) -> None:
    struck = {"kind": "node_error", "text": "thunder", "message": "struck by lightning", "times": None}
    await system.around.trouble_backends(struck)
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await areg.names("Opal Fever")
    await areg.makes(1, "thunder")
    placeholder = areg.page.locator('.tile[data-status="placeholder"]')
    await expect(placeholder.locator(".why")).to_contain_text("struck by lightning")
    assert await areg.found_by_axe() == []
    await system.around.calm_backends()
    await placeholder.get_by_role("button", name="Render number 1 again").click()
    await expect(areg.page.locator('.tile[data-status="succeeded"] img')).to_be_visible()
    await expect(placeholder).to_have_count(0)


async def test_what_is_missing_is_said_before_anything_is_asked(system: System, chromium: Browser) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await areg.page.get_by_role("button", name="Make 4 images").click()
    await expect(areg.page.get_by_role("alert")).to_have_text("Choose a character first.")
    await areg.names("Opal Fever")
    await areg.page.get_by_role("button", name="Make 4 images").click()
    await expect(areg.page.get_by_role("alert")).to_have_text("Write what the pictures show.")
    await expect(areg.page.get_by_label("Prompt", exact=True)).to_be_focused()


async def test_the_link_that_a_start_prints_signs_in_and_leaves_no_token_in_the_address(
    system: System, chromium: Browser
) -> None:
    around = str(system.client.base_url).rstrip("/")
    printed = greeting(Started(around, SECRET, system.around.where))
    [link] = re.findall(r"page, signed in\s+(\S+)", printed)
    newcomer = await visitor(chromium, around, "newcomer")
    await newcomer.page.goto(link)
    await expect(newcomer.page.get_by_role("form", name="Make images")).to_be_visible()
    await expect(newcomer.page.get_by_role("link", name="Operate")).to_be_visible()
    assert newcomer.page.url == f"{around}/#/make"


async def test_without_a_token_there_is_a_door_and_a_wrong_one_leads_back_to_it(
    system: System, chromium: Browser
) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.page.goto(areg.url)
    await areg.page.get_by_label("Token").fill("nonsense")
    await areg.page.get_by_role("button", name="Sign in").click()
    await expect(areg.page.get_by_label("Token")).to_be_visible()
    assert await areg.found_by_axe() == []
