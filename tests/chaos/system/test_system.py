"""The whole system at work, while all that can be killed is killed, and whatever can go wrong does."""

import json
import logging
import os
from pathlib import Path

import pytest

from tests.chaos.system import checker
from tests.chaos.system.evidence import Evidence
from tests.chaos.system.hazards import Pace
from tests.chaos.system.mishaps import ENDPOINT, POD, kinds
from tests.chaos.system.run import Size, room
from tests.distributed.processes import Cluster
from tests.nodes.postgres import OwnPostgres
from tests.nodes.rabbitmq import OwnRabbitmq

MINUTE = Size(
    images=160,
    render_seconds=0.5,
    ahead=60,
    nonsense=9,
    strangers=3,
    processes=Pace((0.3, 1.5), images=5),
    neighbours=Pace((0.5, 3.0), images=12),
    mishap_pauses=(0.2, 0.8),
)


def whole_size(images: int) -> Size:
    return Size(
        images=images,
        render_seconds=0.4,
        ahead=200,
        nonsense=images // 60,
        strangers=images // 100,
        processes=Pace((0.5, 3.0), images=12),
        neighbours=Pace((1.0, 6.0), images=25),
        mishap_pauses=(0.3, 1.5),
    )


@pytest.mark.slow
@pytest.mark.timeout(0)
async def test_whatever_happens_to_the_whole_system_it_keeps_its_four_promises(
    own_rabbitmq: OwnRabbitmq,
    own_postgres: OwnPostgres,
    tmp_path: Path,
    whole: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SEED and IMAGES ask for another run; IMAGES counts at full length alone."""
    caplog.set_level(logging.CRITICAL, "aiormq")  # tells of every broker that is away
    seed = int(os.environ.get("SEED", "8"))
    size = whole_size(int(os.environ.get("IMAGES", "2000"))) if whole else MINUTE
    print(f"\nSEED={seed} IMAGES={size.images}")  # noqa: T201 - the same run can be asked for again
    async with room(own_rabbitmq, own_postgres, tmp_path, size, seed) as run:
        evidence = await run.to_its_end()
        print(checker.table(evidence))  # noqa: T201
        assert checker.breaches(evidence) == []
        assert surprises(run.system) == []
        # A short run is over before everything has had its turn.
        assert not whole or missing(evidence) == set()


def missing(evidence: Evidence) -> set[str]:
    """Faults and blows that nobody met."""
    met = {each.kind for each in evidence.struck} | {blow.kind.partition(" (")[0] for blow in evidence.blows}
    return {
        *kinds((*POD, *ENDPOINT)),
        "killed",
        "killed whole",
        "frozen",
        "restarted",
        "full",
        "latency",
    } - met


def surprises(system: Cluster) -> list[str]:
    """What a process logged that was no outage, and nobody foresaw. Which letters died, and which should
    have, is the checker's affair; a connection that nobody waited for any more is the client library's."""
    lines = [line for each in system.replicas for line in each.log.read_text().splitlines()]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    unforeseen = [event for event in events if "exception" in event and event.get("logger") != "asyncio"]
    bad = [line for line in system.errors() if '"event": "dead letter"' not in line]
    return bad + [
        f"{event['service']}: {event['event']}: {event['exception'][-600:]}" for event in unforeseen
    ]
