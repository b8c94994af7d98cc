"""Whether the four promises hold, image by image: by storage, by ledgers, by who rendered what."""

from collections import Counter
from collections.abc import Sequence

from contracts.topology import QUEUES, WAITS
from tests.distributed.ledgers import broken_ledgers
from tests.journeys.around import Around
from tests.journeys.evidence import Batch, breaches, gathered
from tests.journeys.waiting import until
from tests.nodes.broker import Broker


async def broken_promises(around: Around, database_url: str, batches: Sequence[Batch]) -> list[str]:
    """Everything that is wrong once nothing moves any more; all of these batches should have been made."""
    evidence = await gathered(around, batches)
    images = sum(batch["quantity"] for batch in batches)
    spread = dict(sorted(Counter(evidence.renders.values()).items()))
    print(f"{images} images; renders of an image -> images: {spread}")  # noqa: T201 - the figure is asked for
    broken = breaches(evidence)
    broken += [f"{each['id']} ended as {each['status']}" for each in batches if each["status"] != "succeeded"]
    if len(evidence.renders) != images:
        broken.append(f"{len(evidence.renders)} images were rendered, {images} were asked for")
    return broken + await _settled_ledgers(database_url, batches)


async def left_over(broker: Broker, vhost: str) -> dict[str, int]:
    """Messages that still lie in queues of ours when all work is done, dead letters among them."""
    ours = {name for queue in QUEUES for name in (queue.name, queue.dead)} | {wait.name for wait in WAITS}
    found: dict[str, int] = {}

    async def nothing() -> bool:
        nonlocal found
        found = {name: size for name, size in broker.queues(vhost).items() if size and name in ours}
        return not found

    try:
        await until(nothing, within=20)
    except TimeoutError:
        return found
    return {}


async def _settled_ledgers(database_url: str, batches: Sequence[Batch]) -> list[str]:
    """What is known last is written a moment after the end of an image was told."""
    broken: list[str] = []

    async def agree() -> bool:
        nonlocal broken
        broken = await broken_ledgers(database_url, batches)
        return not broken

    try:
        await until(agree, within=20)
    except TimeoutError:
        return broken
    return []
