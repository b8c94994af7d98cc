"""Whatever is asked of the ledger, in whatever order: no number twice, no gap but where an image moved."""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from services.indexer.adapters.sql_counters import SqlCounters
from services.indexer.adapters.sql_ledger import SqlLedger
from services.indexer.domain import Move, Reassignment, Reservation, Wish
from tests.services.indexer.ledgers import FOLDERS, opened_database, wish

WISHES = st.builds(
    wish,
    batch_id=st.sampled_from([f"b{n}" for n in range(12)]),
    quantity=st.integers(1, 8),
    folder=st.sampled_from(FOLDERS[:3]),
    digest=st.sampled_from(["a" * 64, "b" * 64]),
)


class LedgerModel(RuleBasedStateMachine):
    """The ledger beside what it has said so far."""

    images = Bundle("images")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.opening = opened_database(f"sqlite+aiosqlite:///{self.folder}/indexer.db")
        database = self.runner.run(self.opening.__aenter__())
        self.ledger = SqlLedger(database, lambda: 0.0)
        self.counters = SqlCounters(database, lambda: 0.0)
        self.blocks: dict[str, Reservation] = {}
        self.moves: dict[tuple[str, int, int], Reassignment] = {}
        #: What each folder's counter must be.
        self.following: dict[str, int] = {}
        #: Every (folder, number) that was ever handed out.
        self.handed: list[tuple[str, int]] = []

    def teardown(self) -> None:
        self.runner.run(self.ledger.aclose())
        self.runner.run(self.opening.__aexit__(None, None, None))
        self.runner.close()
        shutil.rmtree(self.folder)

    @rule(folder=st.sampled_from(FOLDERS[:3]), first=st.integers(1, 50))
    def adopt(self, folder: str, first: int) -> None:
        expected = self.following.setdefault(folder, first)
        assert self.runner.run(self.counters.adopt(folder, first)) == expected

    @rule(target=images, group=st.lists(WISHES, min_size=1, max_size=10))
    def reserve(self, group: list[Wish]) -> object:
        answers = self.runner.run(self._all(group))
        new: list[tuple[str, int, int]] = []
        for asked, block in zip(group, answers, strict=True):
            known = self.blocks.get(asked.batch_id)
            if known:
                assert block == known
            elif block is None:
                assert next(w for w in group if w.batch_id == asked.batch_id).folder not in self.following
            else:
                self._is_next(asked, block)
                new += [(block.batch_id, n, block.first + n) for n in range(block.quantity)]
        return multiple(*new)

    @rule(target=images, image=consumes(images), ahead=st.integers(-5, 20))
    def move(self, image: tuple[str, int, int], ahead: int) -> tuple[str, int, int]:
        batch_id, ordinal, index = image
        folder = self.blocks[batch_id].folder
        floor = max(1, self.following[folder] + ahead)
        moved = self.runner.run(self.ledger.reassign(Move(batch_id, ordinal, index, folder, floor)))
        assert moved.new_index == max(floor, self.following[folder])
        self.following[folder] = moved.next_index
        self.handed.append((folder, moved.new_index))
        self.moves[image] = moved
        return batch_id, ordinal, moved.new_index

    @rule(floor=st.integers(1, 500))
    def move_again(self, floor: int) -> None:
        for (batch_id, ordinal, index), moved in self.moves.items():
            again = self.ledger.reassign(Move(batch_id, ordinal, index, moved.folder, floor))
            assert self.runner.run(again) == moved

    @invariant()
    def no_number_is_handed_out_twice(self) -> None:
        assert len(self.handed) == len(set(self.handed))

    @invariant()
    def counters_are_where_the_last_number_left_them(self) -> None:
        for folder, expected in self.following.items():
            assert self.runner.run(self.counters.next_index(folder)) == expected

    async def _all(self, group: Sequence[Wish]) -> list[Reservation | None]:
        return await asyncio.gather(*map(self.ledger.reserve, group))

    def _is_next(self, asked: Wish, block: Reservation) -> None:
        assert (block.digest, block.folder, block.quantity) == (asked.digest, asked.folder, asked.quantity)
        assert block.first == self.following[block.folder]
        self.blocks[block.batch_id] = block
        self.following[block.folder] = block.next_index
        self.handed += [(block.folder, number) for number in range(block.first, block.next_index)]


LedgerModel.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestWhateverIsAskedInWhateverOrder = LedgerModel.TestCase
