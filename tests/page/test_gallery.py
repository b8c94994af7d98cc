"""Images are found again, marked, put together and taken away."""

from zipfile import ZipFile

import pytest
from playwright.async_api import Browser, expect

from tests.journeys.system import System
from tests.page.browser import DESKTOP, PHONE, Visitor, different, visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def _in_the_gallery(
    system: System, chromium: Browser, count: int, size: tuple[int, int] = DESKTOP, dark: bool = False
) -> Visitor:
    """Areg, before so many images that he has made."""
    around = str(system.client.base_url)
    areg = await visitor(chromium, around, "Areg", size, dark)
    await areg.signs_in()
    await areg.names("Opal Fever")
    await areg.makes(count, "opal light")
    await expect(areg.page.locator(".batch .state")).to_have_text(f"done, {count} of {count}")
    await areg.opens("Gallery")
    assert different(await areg.pictures(count, ".item img"))
    return areg


async def test_a_favourite_is_marked_with_a_key_and_found_by_the_filter(
    system: System, chromium: Browser
) -> None:
    areg = await _in_the_gallery(system, chromium, 3)
    await areg.page.get_by_role("button", name="Open Number 2").click()
    await areg.page.keyboard.press("f")
    await expect(areg.page.get_by_role("button", name="Favourite", pressed=True)).to_be_visible()
    await areg.page.keyboard.press("Escape")
    await areg.page.get_by_role("button", name="Favourites").click()
    await expect(areg.page.locator(".item .number")).to_have_text(["#2"])


async def test_the_full_view_is_walked_by_arrows_and_shows_how_an_image_was_made(
    system: System, chromium: Browser
) -> None:
    areg = await _in_the_gallery(system, chromium, 3)
    await areg.page.get_by_role("button", name="Open Number 3").click()
    title = areg.page.locator("#lightbox-title")
    await expect(title).to_have_text("Areg_opal-fever_image_3")
    await areg.page.keyboard.press("ArrowRight")
    await expect(title).to_have_text("Areg_opal-fever_image_2")
    await areg.page.keyboard.press("ArrowLeft")
    await expect(title).to_have_text("Areg_opal-fever_image_3")
    await expect(areg.page.locator(".lightbox dl")).to_contain_text("opal light")
    await areg.page.get_by_role("button", name="Use these again").click()
    await expect(areg.page.get_by_label("Prompt", exact=True)).to_have_value("opal light")
    assert areg.complaints == []


async def test_an_image_is_asked_for_again_with_all_its_settings_to_the_last_digit(
    system: System, chromium: Browser
) -> None:
    caller = system.caller("Areg")
    wish = {"seed": 2**63 + 5, "negative_prompt": "rain", "parameters": {"steps": 12}}
    first = await caller.ask("one", await caller.register("Opal Fever"), quantity=1, **wish)
    await caller.ended(first)
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await areg.opens("Gallery")
    await areg.page.get_by_role("button", name="Open Number 1").click()
    await expect(areg.page.locator(".lightbox dl")).to_contain_text("9223372036854775813")
    await areg.page.get_by_role("button", name="Use these again").click()
    await expect(areg.page.get_by_text("With steps 12")).to_be_visible()
    await areg.page.get_by_label("Another number of images").fill("1")
    await areg.page.get_by_role("button", name="Make 1 image").click()
    again = areg.page.locator(".batch").first
    await expect(again.locator(".tile .number")).to_have_text("#2")
    batch = await caller.look(str(await again.get_attribute("data-id")))
    assert {name: batch[name] for name in wish} == wish


async def test_what_is_deleted_is_gone_from_the_gallery_and_its_number_stays_empty(
    system: System, chromium: Browser
) -> None:
    areg = await _in_the_gallery(system, chromium, 3)
    await areg.page.get_by_role("button", name="Open Number 2").click()
    await areg.page.get_by_role("button", name="Delete").click()
    await (
        areg.page.get_by_role("dialog", name="Delete this image?")
        .get_by_role("button", name="Delete")
        .click()
    )
    await areg.page.keyboard.press("Escape")
    await expect(areg.page.locator(".item .number")).to_have_text(["#3", "#1"])
    await areg.page.reload()
    await expect(areg.page.locator(".item .number")).to_have_text(["#3", "#1"])


async def test_several_are_selected_and_put_into_a_collection(system: System, chromium: Browser) -> None:
    areg = await _in_the_gallery(system, chromium, 4)
    await areg.page.get_by_label("Select number 4").check()
    await areg.page.get_by_label("Select number 2").click(modifiers=["Shift"])
    await expect(areg.page.get_by_text("3 images selected")).to_be_visible()
    await areg.page.get_by_label("Put into a collection").select_option("new")
    dialog = areg.page.get_by_role("dialog", name="New collection")
    await dialog.get_by_label("Name").fill("Covers")
    await dialog.get_by_role("button", name="Make").click()
    await expect(areg.page.get_by_text("Put into Covers")).to_be_visible()
    await areg.page.reload()
    await areg.page.get_by_label("Collection", exact=True).select_option(label="Covers")
    await expect(areg.page.locator(".item .number")).to_have_text(["#4", "#3", "#2"])
    await areg.page.get_by_label("Select number 3").check()
    await areg.page.get_by_role("button", name="Take out of the collection").click()
    await expect(areg.page.locator(".item .number")).to_have_text(["#4", "#2"])
    await areg.page.get_by_role("button", name="Drop collection").click()
    await areg.page.get_by_role("dialog", name="Drop Covers?").get_by_role("button", name="Drop").click()
    await expect(areg.page.locator(".item .number")).to_have_text(["#4", "#3", "#2", "#1"])


async def test_many_are_marked_and_deleted_at_once_and_found_by_filter_and_order(
    system: System, chromium: Browser
) -> None:
    areg = await _in_the_gallery(system, chromium, 4)
    numbers = areg.page.locator(".item .number")
    for number in (1, 3):
        await areg.page.get_by_label(f"Select number {number}").check()
    selected = areg.page.get_by_role("toolbar", name="Selected images")
    await selected.get_by_role("button", name="Favourite", exact=True).click()
    await expect(areg.page.locator(".item[data-favourite]")).to_have_count(2)
    await areg.page.get_by_label("Order").select_option("index")
    await areg.page.get_by_role("button", name="Favourites").click()
    await expect(numbers).to_have_text(["#1", "#3"])
    await areg.page.get_by_label("Select number 1").check()
    await areg.page.get_by_label("Select number 3").check()
    await selected.get_by_role("button", name="Delete").click()
    sure = areg.page.get_by_role("dialog", name="Delete 2 images?")
    await sure.get_by_role("button", name="Delete").click()
    await expect(areg.page.get_by_text("Nothing here with these filters")).to_be_visible()
    await areg.page.get_by_role("button", name="Favourites").click()
    await expect(numbers).to_have_text(["#2", "#4"])
    await areg.page.get_by_role("button", name="Placeholders").click()
    await expect(numbers).to_have_count(0)
    await areg.opens("Make")
    await areg.page.get_by_role("link", name="See in the gallery").click()
    await expect(areg.page.get_by_label("Batch", exact=True)).not_to_have_value("")
    await expect(numbers).to_have_text(["#4", "#2"])
    await areg.page.get_by_label("Batch", exact=True).fill("another")
    await areg.page.keyboard.press("Tab")
    await expect(areg.page.get_by_text("Nothing here with these filters")).to_be_visible()


async def test_one_image_and_what_is_filtered_are_downloaded_under_their_own_names(
    system: System, chromium: Browser
) -> None:
    await system.caller("Areg").register("Opal Fever", private=True)
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    # Asks a person where to put a file without a known size.
    await areg.page.add_init_script("delete window.showSaveFilePicker")
    await areg.signs_in()
    character = areg.page.get_by_role("combobox", name="Character")
    await character.fill("opal")
    await character.press("Enter")
    await areg.makes(2, "opal light")
    await areg.pictures(2)
    await areg.opens("Gallery")
    await areg.page.get_by_role("button", name="Open Number 2").click()
    async with areg.page.expect_download() as one:
        await areg.page.get_by_role("dialog").get_by_role("button", name="Download").click()
    assert (await one.value).suggested_filename == "Areg_opal-fever_image_2.png"
    assert (await (await one.value).path()).read_bytes().startswith(b"\x89PNG")
    await areg.page.keyboard.press("f")
    await expect(areg.page.get_by_role("button", name="Favourite", pressed=True)).to_be_visible()
    await areg.page.keyboard.press("Escape")
    await areg.page.get_by_role("button", name="Favourites").click()
    await expect(areg.page.locator(".item")).to_have_count(1)
    async with areg.page.expect_download() as some:
        await areg.page.get_by_role("group", name="Filters").get_by_role("button", name="Download").click()
    assert (await some.value).suggested_filename == "opal-fever.zip"
    archive = ZipFile(await (await some.value).path())
    assert archive.namelist() == ["images/Areg_opal-fever_image_2.png", "images.jsonl"]
    assert areg.complaints == []


async def test_what_was_made_is_counted_by_day_and_character(system: System, chromium: Browser) -> None:
    areg = await _in_the_gallery(system, chromium, 3, PHONE)
    await areg.opens("Usage")
    await expect(areg.page.locator("tbody td")).to_contain_text(["", "Opal Fever", "3", "0", "0", "0"])
    assert await areg.found_by_axe() == []
    assert await areg.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_another_user_sees_nothing_of_it(system: System, chromium: Browser) -> None:
    await _in_the_gallery(system, chromium, 2)
    mira = await visitor(chromium, str(system.client.base_url), "Mira")
    await mira.signs_in()
    await expect(mira.page.get_by_text("Nothing made yet")).to_be_visible()
    await mira.opens("Gallery")
    await expect(mira.page.get_by_text("No characters yet")).to_be_visible()
    await expect(mira.page.get_by_role("img")).to_have_count(0)


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), (DESKTOP, True), ((2560, 1300), False)])
async def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    system: System, chromium: Browser, size: tuple[int, int], dark: bool
) -> None:
    areg = await _in_the_gallery(system, chromium, 2, size, dark)
    assert await areg.found_by_axe() == []
    await areg.page.get_by_role("button", name="Open Number 2").click()
    await expect(areg.page.locator(".lightbox dl")).to_contain_text("opal light")
    assert await areg.found_by_axe() == []
    await areg.page.keyboard.press("Escape")
    await areg.opens("Make")
    await areg.pictures(2)
    assert await areg.found_by_axe() == []
    assert await areg.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert areg.complaints == []


async def test_the_whole_way_can_be_gone_by_keyboard_alone(system: System, chromium: Browser) -> None:
    areg = await visitor(chromium, str(system.client.base_url), "Areg")
    await areg.signs_in()
    await areg.page.get_by_role("combobox", name="Character").focus()
    await areg.page.keyboard.type("Opal Fever")
    await areg.page.keyboard.press("Enter")
    await expect(areg.page.get_by_role("dialog", name="New character")).to_be_visible()
    await areg.page.keyboard.press("Enter")
    await expect(areg.page.get_by_role("dialog")).to_have_count(0)
    await areg.page.get_by_label("Prompt", exact=True).focus()
    await areg.page.keyboard.type("opal light")
    await areg.page.keyboard.press("Tab")
    await areg.page.keyboard.press("Enter")  # one image
    for _ in range(10):
        await areg.page.keyboard.press("Tab")
        if await areg.page.evaluate("document.activeElement.matches('button.main')"):
            break
    await areg.page.keyboard.press("Enter")
    await areg.pictures(1)
