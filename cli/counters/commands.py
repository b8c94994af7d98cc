"""What `darkroom counters show|check|adopt` say, and with which status they exit."""

from collections.abc import Callable, Sequence

from chassis import logs
from cli.counters import desk
from cli.counters.sources import sources
from cli.counters.standing import Standing, disagreements, in_words

Tell = Callable[[str], None]


async def show(folders: Sequence[str] | None, tell: Tell) -> int:
    standings = await _look(folders)
    for one in standings:
        tell(in_words(one, disagreements(one)))
    if not standings:
        tell("nobody has counted in any folder yet")
    return 0


async def check(folders: Sequence[str] | None, tell: Tell) -> int:
    """1 where anything disagrees."""
    standings = await _look(folders)
    wrong = [one for one in standings if disagreements(one)]
    for one in wrong:
        tell(in_words(one, disagreements(one)))
    tell(f"folders looked at: {len(standings)}, of which disagree: {len(wrong)}")
    return 1 if wrong else 0


async def adopt(folders: Sequence[str] | None, tell: Tell) -> int:
    """1 where a folder is left that needs a person."""
    logs.configure("darkroom counters", "error", "text")
    async with sources() as there:
        standings = await desk.look(there, folders or ())
        concerned = [one for one in standings if disagreements(one) or one.counter is None]
        left = [one for one in concerned if one.damage]
        mendable = [one for one in concerned if not one.damage]
        raised = await desk.adopt(there, mendable) if mendable else {}
    for folder, next_index in raised.items():
        tell(f"{folder}: the next image is {next_index}, and index.txt says so")
    for one in left:
        tell(in_words(one, disagreements(one)))
    if not concerned:
        tell("nothing to repair")
    return 1 if left else 0


async def _look(folders: Sequence[str] | None) -> list[Standing]:
    # What services log of their work is no answer to a person's question.
    logs.configure("darkroom counters", "error", "text")
    async with sources() as there:
        return await desk.look(there, folders or ())
