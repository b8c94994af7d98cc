"""Characters in SQL, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

from chassis.database import Database
from contracts.commands import OpenFolder
from services.gateway.adapters.sql_registry import SqlRegistry
from services.gateway.ports import Character, SlugTaken
from tests.services.gateway.databases import commands
from tests.services.gateway.events import FOLDER

OPAL = Character("chr_1", "Areg", "Opal Fever", "opal-fever", False, "opal_v2", "noir", 1.5)
OPENED = OpenFolder(folder=FOLDER)


@pytest.fixture
def registry(database: Database) -> SqlRegistry:
    return SqlRegistry(database)


async def test_a_registered_character_is_found_as_it_was_told(registry: SqlRegistry) -> None:
    await registry.register(OPAL, [])
    assert await registry.find("chr_1", "Areg") == OPAL


async def test_what_is_to_be_said_is_kept_with_the_character(
    database: Database, registry: SqlRegistry
) -> None:
    await registry.register(OPAL, [OPENED])
    assert await commands(database) == ["OpenFolder"]


async def test_a_character_that_a_user_may_not_use_does_not_exist_for_him(registry: SqlRegistry) -> None:
    await registry.register(OPAL, [])
    await registry.register(replace(OPAL, id="chr_2", slug="ruby", premade=True), [])
    assert await registry.find("chr_1", "Mara") is None
    assert await registry.find("chr_2", "Mara") is not None
    assert [known.id for known in await registry.known_to("Mara", None, 10)] == ["chr_2"]


async def test_a_slug_is_unique_among_one_owners_characters(
    database: Database, registry: SqlRegistry
) -> None:
    await registry.register(OPAL, [])
    with pytest.raises(SlugTaken):
        await registry.register(replace(OPAL, id="chr_2"), [OPENED])
    assert await registry.find("chr_2", "Areg") is None
    assert await commands(database) == []
    await registry.register(replace(OPAL, id="chr_3", owner="Mara"), [])


async def test_a_slug_is_unique_among_the_premade(registry: SqlRegistry) -> None:
    await registry.register(OPAL, [])
    await registry.register(replace(OPAL, id="chr_2", premade=True), [])
    with pytest.raises(SlugTaken):
        await registry.register(replace(OPAL, id="chr_3", owner="Mara", premade=True), [])


async def test_characters_are_listed_in_pages(registry: SqlRegistry) -> None:
    for n in range(5):
        await registry.register(replace(OPAL, id=f"chr_{n}", slug=f"s{n}"), [])
    first = await registry.known_to("Areg", None, 3)
    rest = await registry.known_to("Areg", first[-1].id, 3)
    assert [known.id for known in [*first, *rest]] == [f"chr_{n}" for n in range(5)]
