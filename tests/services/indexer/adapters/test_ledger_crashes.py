"""A process or a connection that dies in the middle leaves nothing half done."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.errors import Outage
from services.indexer.adapters.tables import COUNTERS
from services.indexer.domain import Reservation
from tests.services.indexer.ledgers import (
    FOLDERS,
    OPAL,
    assert_contiguous,
    claims,
    counters,
    many_wishes,
    opened,
    opened_database,
    wish,
)

ROOT = Path(__file__).parents[4]


def replica(url: str, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.services.indexer.replica", url, *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


@pytest.mark.slow
async def test_a_process_killed_at_its_commit_leaves_nothing_half_done(database_url: str) -> None:
    async with opened(database_url, FOLDERS) as ledger, opened_database(database_url) as database:
        died = replica(database_url, "--die")
        await asyncio.to_thread(died.communicate)
        assert died.returncode == -signal.SIGKILL
        # SQLite: all was written, and not committed. PostgreSQL: committed, and nobody was told.
        assert await claims(database) == (200 if database.is_postgresql else 0)
        assert (set((await counters(database)).values()) == {1}) is not database.is_postgresql
        # Sent again, each gets what it was given, if it was: no number is lost.
        blocks = await asyncio.gather(*map(ledger.reserve, many_wishes()))
        assert_contiguous([block for block in blocks if block], many_wishes())


@pytest.mark.slow
async def test_a_process_killed_while_its_statement_waits_leaves_all_or_nothing(postgres_url: str) -> None:
    async with opened(postgres_url, FOLDERS) as ledger, opened_database(postgres_url) as database:
        async with database.begin() as holder:
            await holder.execute(select(COUNTERS).with_for_update())
            died = replica(postgres_url)
            async with database.read() as watcher:
                await _until_somebody_waits(watcher)
            died.kill()
            await asyncio.to_thread(died.communicate)
            assert await claims(database) == 0
        blocks = await asyncio.gather(*map(ledger.reserve, many_wishes()))
        assert_contiguous([block for block in blocks if block], many_wishes())
        assert await claims(database) == 200


@pytest.mark.slow
async def test_200_batches_from_4_processes_are_contiguous_and_all_answers_agree(postgres_url: str) -> None:
    async with opened(postgres_url, FOLDERS):
        replicas = [replica(postgres_url) for _ in range(4)]
        outputs = [(await asyncio.to_thread(process.communicate))[0] for process in replicas]
    answers = [{Reservation(**block) for block in json.loads(output)} for output in outputs]
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert_contiguous(list(answers[0]), many_wishes())


async def test_a_connection_killed_in_mid_transaction_is_an_outage_and_leaves_nothing(
    postgres_url: str,
) -> None:
    async with opened(postgres_url, [OPAL]) as ledger, opened_database(postgres_url) as database:
        async with database.begin() as holder:
            await holder.execute(select(COUNTERS).with_for_update())
            waiting = asyncio.create_task(ledger.reserve(wish("b1", 4)))
            async with database.read() as watcher:
                await _end_whoever_waits(watcher)
            with pytest.raises(Outage):
                await waiting
        assert await claims(database) == 0
        block = await ledger.reserve(wish("b1", 4))
        assert block is not None
        assert block.first == 1


async def _until_somebody_waits(watcher: AsyncConnection) -> None:
    asked = text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(30):
        while not (await watcher.execute(asked)).all():  # noqa: ASYNC110 - the server tells nobody who waits
            await asyncio.sleep(0.01)


async def _end_whoever_waits(watcher: AsyncConnection) -> None:
    asked = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10):
        while not (await watcher.execute(asked)).all():  # noqa: ASYNC110 - the server tells nobody who waits
            await asyncio.sleep(0.01)
