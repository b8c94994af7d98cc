"""What `darkroom dead list|show|replay|drop` do at the broker."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chassis.settings import BadSettings
from cli import ages
from cli.broker import broker
from cli.dead_words import as_data, in_full, table
from contracts.topology import QUEUES
from messaging.connect import open_bus
from messaging.dead_letters import DeadLetters, Wanted

#: Seconds that a broker is waited for, and letters that are counted before somebody is asked.
PATIENCE, COUNTED = 5.0, 1_000
#: Of these, letters that are shown.
SHOWN = 20

Tell = Callable[[str], None]
#: Whether somebody is sure, told of how many.
Sure = Callable[[str], bool]


@dataclass(frozen=True)
class Choice:
    """As it was typed; empty: not said."""

    ids: Sequence[str]
    queues: Sequence[str]
    reason: str
    batch: str
    older_than: str
    newer_than: str
    everything: bool = False

    def wanted(self, now: datetime) -> Wanted:
        """Raises BadSettings for a queue that does not exist, and for what is no age."""
        known = [queue.name for queue in QUEUES]
        if strangers := [name for name in self.queues if name not in known]:
            raise BadSettings(f"there is no queue {', '.join(strangers)}; there are {', '.join(known)}")
        return Wanted(
            queues=frozenset(self.queues) or None,
            ids=frozenset(self.ids) or None,
            reason=self.reason,
            batch_id=self.batch or None,
            died_before=_ago(now, self.older_than),
            died_after=_ago(now, self.newer_than),
        )

    def meant(self, now: datetime) -> Wanted:
        """As `wanted`; also raises BadSettings where nobody said which."""
        wanted = self.wanted(now)
        if (wanted == Wanted()) != self.everything:
            raise BadSettings("name ids, or say which by --queue, --reason, --batch or age, or else --all")
        return wanted


async def listed(choice: Choice, limit: int, as_json: bool, tell: Tell) -> int:
    """Raises BadSettings, CannotConnect and Outage, as all here."""
    now = datetime.now(UTC)
    async with letters() as dead:
        found = await dead.find(choice.wanted(now), limit)
    if as_json:
        tell(
            json.dumps({"items": [as_data(letter) for letter in found.letters], "more": found.more}, indent=2)
        )
    else:
        tell(table(found.letters, now) if found.letters else "no dead letters")
        if found.more:
            tell(f"there are more than these {limit}; see --limit")
    return 0


async def shown(id_: str, as_json: bool, tell: Tell) -> int:
    """1 where it is not there."""
    async with letters() as dead:
        letter = await dead.show(id_)
    if letter is None:
        tell(f"no dead letter {id_} lies there; `darkroom dead list` shows those that do")
        return 1
    tell(json.dumps(as_data(letter), indent=2) if as_json else in_full(letter))
    return 0


async def replayed(choice: Choice, sure: Sure, tell: Tell) -> int:
    async with letters() as dead:
        if wanted := await _chosen(dead, choice, sure, tell):
            tell(f"{len(await dead.replay(wanted))} replayed")
    return 0


async def dropped(choice: Choice, sure: Sure, tell: Tell) -> int:
    async with letters() as dead:
        if wanted := await _chosen(dead, choice, sure, tell):
            tell(f"{len(await dead.drop(wanted))} dropped")
    return 0


@asynccontextmanager
async def letters() -> AsyncIterator[DeadLetters]:
    """Those of the broker that is configured."""
    url = broker().bus_url.get_secret_value()
    async with open_bus(url, "darkroom dead", declare=False, patience=PATIENCE) as bus:
        yield bus.dead


async def _chosen(dead: DeadLetters, choice: Choice, sure: Sure, tell: Tell) -> Wanted | None:
    """What somebody saw and said yes to: what dies meanwhile is not among it, unless there are so many that
    they were not even counted."""
    now = datetime.now(UTC)
    wanted = choice.meant(now)
    found = await dead.find(wanted, COUNTED)
    if not found.letters:
        tell("nothing of that lies there")
        return None
    tell(table(found.letters[:SHOWN], now))
    count = f"{'more than ' if found.more else ''}{len(found.letters)}"
    if not sure(f"{count} dead letters" if count != "1" else "this dead letter"):
        return None
    return wanted if found.more else Wanted(ids=frozenset(letter.id for letter in found.letters))


def _ago(now: datetime, age: str) -> datetime | None:
    return now - timedelta(seconds=ages.seconds(age)) if age else None
