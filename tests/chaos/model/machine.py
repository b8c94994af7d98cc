"""Steps in any order, by anybody, with death and frost between any two of them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.chaos.model.checks import breaches, unfinished
from tests.chaos.model.plant import KINDS, Process
from tests.chaos.model.pods import State
from tests.chaos.model.world import World

T = TypeVar("T")

#: Which of several: taken by remainder.
ANY = st.integers(0, 999)
WHO = st.integers(0, 1)
#: Images of a batch.
COUNT = st.integers(1, 3)
#: After how many touches of the world the process dies, or freezes; mostly it does neither.
FATE = st.one_of(st.none(), st.none(), st.tuples(st.sampled_from(["dies", "freezes"]), st.integers(1, 14)))
Fate = tuple[str, int] | None
#: Rounds in which everything must have come to rest.
ROUNDS = 120
#: Rounds in a row in which nothing was to be done: what is left to be repaired is repaired in them.
IDLE = 3


def pick(some: list[T], which: int) -> T:
    return some[which % len(some)]


def kept(found: list[str]) -> None:
    if found:
        raise AssertionError("\n".join(found))


class Machine(RuleBasedStateMachine):
    """Which steps there are to choose from follows from the steps before alone: what became of them may
    differ by the turns that threads take, and hypothesis could not repeat a choice that depends on it."""

    def __init__(self, templates: Path, kinds: Mapping[str, type[Process]] = KINDS) -> None:
        super().__init__()
        self.world = World(templates, kinds)
        self.post = self.world.ground.post
        self.cupboard = self.world.ground.cupboard
        self.batches = 0

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.end()
        finally:
            self.world.close()

    # People.

    @rule(
        character=WHO, quantity=st.integers(1, 3), fails=st.sampled_from(["placeholder", "omit"]), fate=FATE
    )
    def ask(self, character: int, quantity: int, fails: str, fate: Fate) -> None:
        self.batches += 1
        request = self.world.request(self.batches, character, quantity, fails)
        self.world.ask(self._one("gateway", self.batches, fate), request)

    @rule(character=WHO, quantity=COUNT)
    def inject(self, character: int, quantity: int) -> None:
        self.batches += 1
        self.world.inject(self.world.request(self.batches, character, quantity, "placeholder"))

    @precondition(lambda self: self.batches)
    @rule(which=ANY, who=WHO, fate=FATE)
    def cancel(self, which: int, who: int, fate: Fate) -> None:
        self.world.cancel(self._one("gateway", who, fate), self._batch(which))

    @precondition(lambda self: self.batches)
    @rule(which=ANY)
    def inject_cancel(self, which: int) -> None:
        self.world.inject_cancel(self._batch(which))

    @precondition(lambda self: self.batches)
    @rule(which=ANY, who=WHO, fate=FATE)
    def retry(self, which: int, who: int, fate: Fate) -> None:
        self.world.retry(self._one("gateway", who, fate), self._batch(which))

    @precondition(lambda self: self.batches)
    @rule(which=ANY, ordinal=st.integers(0, 2), who=WHO, fate=FATE)
    def delete(self, which: int, ordinal: int, who: int, fate: Fate) -> None:
        self.world.delete(self._one("gateway", who, fate), self._batch(which), ordinal)

    @rule(character=WHO, ahead=st.integers(0, 3))
    def squat(self, character: int, ahead: int) -> None:
        self.world.squat(character, ahead)

    # Processes.

    @precondition(lambda self: self.batches)
    @rule(who=WHO, fate=FATE)
    def relay(self, who: int, fate: Fate) -> None:
        self.world.relay(self._one("gateway", who, fate))

    @rule(which=ANY, who=WHO, fate=FATE)
    def deliver(self, which: int, who: int, fate: Fate) -> None:
        if due := self.post.due():
            letter = pick(due, which)
            self.world.deliver(self._one(letter.queue.service, who, fate), letter)

    @rule(some=st.lists(st.tuples(ANY, WHO), min_size=2, max_size=8))
    def deliver_several(self, some: list[tuple[int, int]]) -> None:
        for which, who in some:
            self.deliver(which, who, None)

    @rule(which=ANY)
    def copy(self, which: int) -> None:
        if self.post.past:
            self.post.copy(pick(self.post.past, which))

    @rule(who=WHO, fate=FATE)
    def claim(self, who: int, fate: Fate) -> None:
        self.world.claim(self._one("renderer", who, fate))

    @rule(who=WHO, fate=FATE)
    def look_after_jobs(self, who: int, fate: Fate) -> None:
        self.world.beat(self._one("renderer", who, fate))
        self.world.glean(self._one("renderer", who, None))

    @rule(who=WHO, fate=FATE, how=st.sampled_from(["announce", "sweep_ends"]))
    def announce(self, who: int, fate: Fate, how: str) -> None:
        getattr(self.world, how)(self._one("renderer", who, fate))

    @rule(who=WHO, fate=FATE, how=st.sampled_from(["sweep_blobs", "mirror"]))
    def tidy(self, who: int, fate: Fate, how: str) -> None:
        getattr(self.world, how)(self._one("uploader", who, fate))

    @rule(which=ANY)
    def thaw(self, which: int) -> None:
        if self.world.frozen:
            self.world.thaw(pick(self.world.frozen, which))

    @precondition(lambda self: self.batches)
    @rule(which=ANY, who=WHO, how=st.sampled_from(["dies", "freezes"]), crossings=st.integers(1, 60))
    def carry_on(self, which: int, who: int, how: str, crossings: int) -> None:
        """Everybody does his work once, and one of them does not get through it."""
        self._one(pick(list(KINDS), which), who, (how, crossings))
        self._round(pick([State.DONE, State.OUT_OF_MEMORY, State.INVALID], crossings))

    @precondition(lambda self: self.batches)
    @rule(which=ANY, who=WHO, crossings=st.integers(1, 60))
    def carry_on_without(self, which: int, who: int, crossings: int) -> None:
        self.carry_on(which, who, "dies", 3 * crossings)

    @rule(which=ANY, who=WHO)
    def kill(self, which: int, who: int) -> None:
        self.world.kill(self.world.process(pick(list(KINDS), which), who))

    def story(self, service: str, how: str, crossings: int) -> bool:
        """Three batches: one whose number somebody else has just taken, one past the gateway, one more. They
        fail, one is tried again, and every message comes once more. On the way one process dies or freezes.
        Whether it did: else it had no more crossings than that."""
        self.ask(0, 2, "placeholder", None)
        self.relay(0, None)
        self.deliver(0, 1, None)
        self.squat(0, 0)
        self.inject(0, 2)
        self.ask(0, 1, "omit", None)
        process = self._one(service, 0, (how, crossings))
        self._round(State.INVALID)
        self._round(State.INVALID)
        fell = bool(process.life.dead or process.life.frozen)
        self.promises_are_kept()
        self.retry(0, 1, None)
        self._round()
        for letter in list(self.post.past):
            self.post.copy(letter)
        self.end()
        return fell

    # The world around them.

    @rule(which=ANY, state=st.sampled_from([State.DONE, State.DONE, State.OUT_OF_MEMORY, State.INVALID]))
    def end_job(self, which: int, state: State) -> None:
        if jobs := self._jobs():
            self.world.end_job(*pick(jobs, which), state)

    @rule(which=ANY)
    def restart_backend(self, which: int) -> None:
        self.world.restart(pick(self.world.ground.machines, which))

    @rule(which=ANY, what=st.sampled_from(["answers_lost", "calls_lost"]), count=st.integers(1, 2))
    def disturb_backend(self, which: int, what: str, count: int) -> None:
        setattr(pick(self.world.ground.machines, which), what, count)

    @rule(what=st.sampled_from(["answers_lost", "calls_lost", "refusals"]), count=st.integers(1, 2))
    def disturb_storage(self, what: str, count: int) -> None:
        setattr(self.cupboard, what, count)

    @rule(seconds=st.sampled_from([1.0, 20.0, 20.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.world.time += seconds

    @invariant()
    def promises_are_kept(self) -> None:
        self.world.spare()
        kept(breaches(self.world.ground))

    # The end.

    def end(self) -> None:
        """All is well again, and everybody does his work: then everything ends as it must."""
        self.heal()
        self.drain()
        self.promises_are_kept()
        kept(unfinished(self.world))

    def heal(self) -> None:
        self.cupboard.answers_lost = self.cupboard.calls_lost = self.cupboard.refusals = 0
        for machine in self.world.ground.machines:
            machine.answers_lost = machine.calls_lost = 0
        while self.world.frozen:
            self.thaw(0)

    def drain(self) -> None:
        """Everybody does what he does, until rounds change nothing any more."""
        idle = 0
        for _ in range(ROUNDS):
            busy = self._round()
            # A command is sent again after a quarter of an hour in which nothing was heard.
            self.world.time += 20.0 if busy else 1000.0
            idle = 0 if busy or self._open() else idle + 1
            if idle == IDLE:
                return
        raise AssertionError(f"no rest after {ROUNDS} rounds: {unfinished(self.world)}")

    def _round(self, end: State = State.DONE) -> bool:
        busy = False
        for who in (0, 1):
            self.relay(who, None)
            while due := self.post.due():
                busy = True
                self.deliver(len(due) - 1, who, None)
            self.claim(who, None)
            self.look_after_jobs(who, None)
            while jobs := self._jobs():
                busy = True
                self.world.end_job(*jobs[0], end)
            self.announce(who, None, "announce")
            self.announce(who, None, "sweep_ends")
            self.tidy(who, None, "sweep_blobs")
            self.tidy(who, None, "mirror")
        return busy or bool(self.post.letters)

    def _open(self) -> bool:
        for batch in self.world.asked:
            images = self.world.images(batch)
            if (batch in self.world.accepted and not images) or any(
                image.status in ("queued", "running") for image in images or ()
            ):
                return True
        return False

    def _one(self, service: str, who: int, fate: Fate) -> Any:
        process = self.world.process(service, who)
        if fate is not None:
            (process.life.dies_in if fate[0] == "dies" else process.life.freezes_in)(fate[1])
        return process

    def _batch(self, which: int) -> str:
        return f"b{which % self.batches + 1}"

    def _jobs(self) -> list[tuple[Any, str]]:
        return [(machine, key) for machine in self.world.ground.machines for key in machine.open()]
