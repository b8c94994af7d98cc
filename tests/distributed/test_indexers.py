"""Four indexer processes on one queue: whoever gets a batch, its numbers follow on the last ones given."""

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from messaging.rabbitmq import open_rabbitmq
from tests.distributed.asking import SMALL
from tests.distributed.ledgers import broken_blocks
from tests.distributed.processes import cluster
from tests.distributed.wire import inject, taken
from tests.journeys.around import around

BATCHES = 200
CHARACTERS = ("Iron Lily", "Opal Fever", "Grey Fox", "Night Heron", "Salt Moth")
#: Where answers lie that no gateway takes, because none runs.
ANSWERS = "gateway.IndicesReserved"


def requests() -> list[dict[str, Any]]:
    dice = random.Random(11)
    return [
        {
            "batch_id": f"batch-{number}",
            "username": "Areg",
            "character": {"id": "chr_1", "name": CHARACTERS[number % 5], "collection": "characters"},
            "prompt": "opal light",
            "quantity": dice.randint(1, 8),
            **SMALL,
        }
        for number in range(BATCHES)
    ]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_batches_sent_at_once_and_again_get_blocks_without_gap_or_overlap(
    rabbitmq_url: str, postgres_url: str, tmp_path: Path
) -> None:
    asked = requests()
    async with around(tmp_path, 0) as beside, open_rabbitmq(rabbitmq_url, "tests"):
        known = {"BUS_URL": rabbitmq_url, "DATABASE_URL": postgres_url, **beside.where.urls()}
        async with cluster(tmp_path, known, {"indexer": 4}) as system:
            await inject(rabbitmq_url, asked)
            first = [json.loads(each.body) for each in await taken(rabbitmq_url, ANSWERS, BATCHES)]
            await inject(rabbitmq_url, random.Random(12).sample(asked, BATCHES))
            second = [json.loads(each.body) for each in await taken(rabbitmq_url, ANSWERS, BATCHES)]
            assert system.errors() == []
    answers = {reserved["request"]["batch_id"]: reserved for reserved in first}
    assert answers.keys() == {each["batch_id"] for each in asked}
    assert all(answers[each["batch_id"]]["quantity"] == each["quantity"] for each in asked)
    assert {reserved["request"]["batch_id"]: reserved for reserved in second} == answers
    blocks = defaultdict(list)
    for reserved in answers.values():
        blocks[reserved["folder"]].append((reserved["first"], reserved["quantity"]))
    assert [broken_blocks(given) for given in blocks.values()] == [[]] * len(CHARACTERS)
