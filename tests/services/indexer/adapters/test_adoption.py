"""Folders seen for the first time."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from chassis.database import Database
from messaging.errors import Later, Outage, PermanentError
from services.indexer.adapters.adoption import AdoptingFolders
from services.indexer.adapters.shelves import NewStorage, SharedShelf
from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.domain import Contents
from tests.services.indexer.ledgers import FOLDERS, OPAL, counters, opened_database


class Shelf:
    """Answers in turn, each when it is let go; an Outage is raised."""

    def __init__(self, *answers: Contents | Outage) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def look(self, folder: str) -> Contents:
        self.asked.append(folder)
        answer = self._answers.pop(0)
        await self.may_answer.wait()
        if isinstance(answer, Outage):
            raise answer
        return answer


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened_database(database_url) as database:
        yield database


@asynccontextmanager
async def adopting(database: Database, shelf: Shelf | NewStorage) -> AsyncIterator[AdoptingFolders]:
    async with aclosing(AdoptingFolders(SqlCounters(database, time.time), shelf)) as folders:
        yield folders


async def test_numbering_begins_behind_what_storage_holds(database: Database) -> None:
    async with adopting(database, Shelf(Contents(7, 12))) as folders:
        assert await folders.open(OPAL) == 12
    assert await counters(database) == {OPAL: 12}


async def test_storage_is_asked_once_however_many_wait_and_never_again(database: Database) -> None:
    shelf = Shelf(Contents(7), Contents(99))
    async with adopting(database, shelf) as folders:
        assert set(await asyncio.gather(*(folders.open(OPAL) for _ in range(200)))) == {8}
        assert await folders.open(OPAL) == 8
    assert shelf.asked == [OPAL]


async def test_the_first_adopter_wins(database: Database) -> None:
    first, second = Shelf(Contents(7)), Shelf(Contents(30))
    first.may_answer.clear()
    second.may_answer.clear()
    async with adopting(database, first) as one, adopting(database, second) as other:
        opening = asyncio.create_task(one.open(OPAL))
        late = asyncio.create_task(other.open(OPAL))
        first.may_answer.set()
        assert await opening == 8
        second.may_answer.set()
        assert await late == 8


async def test_storage_down_lets_this_folder_wait_and_others_go_on(database: Database) -> None:
    shelf = Shelf(Outage("Cloudinary does not answer"), Contents(3), Contents(4))
    async with adopting(database, shelf) as folders:
        answers = await asyncio.gather(*map(folders.open, FOLDERS[:2]), return_exceptions=True)
        # Both ask at once; whichever is first meets the outage.
        answered = dict(zip(FOLDERS[:2], answers, strict=True))
        [(waits, later)] = [each for each in answered.items() if isinstance(each[1], Later)]
        [other] = set(answered) - {waits}
        assert waits in str(later)
        assert "does not answer" in str(later)
        assert answered[other] == 4
        assert await counters(database) == {other: 4}
        assert await folders.open(waits) == 5


async def test_numbers_beyond_any_use_are_adopted_by_nobody(database: Database) -> None:
    async with adopting(database, Shelf(Contents(2**53 - 1))) as folders:
        with pytest.raises(PermanentError):
            await folders.open(OPAL)
    assert await counters(database) == {}


async def test_new_storage_begins_at_1_and_is_asked_nothing(database: Database) -> None:
    async with adopting(database, NewStorage()) as folders:
        assert await folders.open(OPAL) == 1


async def test_those_who_look_at_one_folder_at_the_same_time_share_a_listing() -> None:
    shelf = Shelf(Contents(1), Contents(2), Contents(3))
    async with aclosing(SharedShelf(shelf)) as shared:
        looks: Sequence[Contents] = await asyncio.gather(*map(shared.look, (OPAL, OPAL, FOLDERS[0])))
        assert [contents.highest for contents in looks] == [1, 1, 2]
        assert (await shared.look(OPAL)).highest == 3
