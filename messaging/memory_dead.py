"""`memory:` - its dead letters, which end with the process."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from contracts.topology import Queue
from messaging.dead_letters import DeadLetter, Found, Wanted, told
from messaging.envelope import Envelope


class MemoryDeadLetters:
    """Keeps the promise of `DeadLetters`. `put` gives a message back to its queue."""

    def __init__(self, lying: Mapping[Queue, list[Envelope]], put: Callable[[Queue, Envelope], None]) -> None:
        self._lying = lying
        self._put = put

    async def find(self, wanted: Wanted, limit: int) -> Found:
        found = [letter.bodiless() for letter in self._matching(wanted)]
        return Found(found[:limit], len(found) > limit)

    async def show(self, id_: str) -> DeadLetter | None:
        return next(self._matching(Wanted(ids=frozenset({id_}))), None)

    async def replay(self, wanted: Wanted) -> Sequence[str]:
        taken = self._taken(wanted)
        for letter in taken:
            self._put(letter.queue, letter.envelope.replayed())
        return [letter.id for letter in taken]

    async def drop(self, wanted: Wanted) -> Sequence[str]:
        return [letter.id for letter in self._taken(wanted)]

    def _matching(self, wanted: Wanted) -> Iterator[DeadLetter]:
        letters = (told(queue, envelope) for queue, lying in self._lying.items() for envelope in lying)
        return (letter for letter in letters if wanted.matches(letter))

    def _taken(self, wanted: Wanted) -> list[DeadLetter]:
        taken = list(self._matching(wanted))
        for letter in taken:
            self._lying[letter.queue].remove(letter.envelope)
        return taken
