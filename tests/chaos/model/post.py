"""A broker that outlives every process: keeps what was published until it is acknowledged, in no order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from contracts.events import IndexReassigned, IndicesReserved
from contracts.message import Message
from contracts.topology import QUEUES, Queue
from messaging.envelope import Envelope, now
from messaging.policy import Again, Dead, Pause

Image = tuple[str, int]


@dataclass(eq=False)
class Letter:
    """A delivery in its queue."""

    queue: Queue
    envelope: Envelope
    #: Not delivered before this epoch second.
    due: float = 0.0
    #: How often it came back without an answer.
    returns: int = 0


@dataclass
class Numbers:
    """Who was told which number, as everybody who listens heard it."""

    owner: dict[tuple[str, int], Image] = field(default_factory=dict)
    blocks: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def hear(self, message: Message) -> None:
        if isinstance(message, IndicesReserved):
            block = (message.folder, message.first, message.quantity)
            if self.blocks.setdefault(message.batch_id, block) != block:
                self.breaches.append(f"{message.batch_id} got {block} after {self.blocks[message.batch_id]}")
            for ordinal in range(message.quantity):
                self._give(message.folder, message.first + ordinal, (message.batch_id, ordinal))
        elif isinstance(message, IndexReassigned):
            self._give(message.folder, message.new_index, (message.batch_id, message.ordinal))

    def _give(self, folder: str, index: int, image: Image) -> None:
        known = self.owner.setdefault((folder, index), image)
        if known != image:
            self.breaches.append(f"number {index} of {folder} was given to {known} and to {image}")


class Post:
    """`clock` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.letters: list[Letter] = []
        #: Everything that ever lay in a queue, for copies that come late.
        self.past: list[Letter] = []
        self.dead: list[Letter] = []
        self.numbers = Numbers()

    async def publish(self, *messages: Message, traces: Sequence[str | None] = ()) -> None:
        for message in messages:
            self.put(message)

    def put(self, message: Message, cause: Envelope | None = None) -> None:
        self.numbers.hear(message)
        envelope = Envelope.of(message, "model", now(), cause)
        for queue in QUEUES:
            if queue.message is type(message):
                letter = Letter(queue, envelope)
                self.letters.append(letter)
                self.past.append(letter)

    def copy(self, letter: Letter) -> None:
        """The same bytes once more, as after a confirm that was lost, or out of somebody's backup."""
        self.letters.append(replace(letter, due=0.0))

    def acknowledge(self, letter: Letter) -> None:
        if letter in self.letters:
            self.letters.remove(letter)

    def put_off(self, letter: Letter, verdict: Again | Pause) -> None:
        copy = letter.envelope.returned(verdict.attempts, verdict.reason, now())
        self.letters.append(Letter(letter.queue, copy, self._clock() + verdict.wait.seconds))

    def bury(self, letter: Letter, dead: Dead) -> None:
        buried = letter.envelope.buried(dead.attempts, dead.reason, now())
        self.dead.append(Letter(letter.queue, buried))

    def due(self) -> list[Letter]:
        return [letter for letter in self.letters if letter.due <= self._clock()]
