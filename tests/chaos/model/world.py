"""What can happen to the system, step by step; each step may be the last of the process that does it."""

import asyncio
import shutil
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from contracts.acceptance import folder_of
from contracts.commands import CancelBatch, Character, GenerateBatch
from contracts.names import image_name
from messaging.errors import DeliveryError
from services.gateway.domain.images import ImageState
from services.gateway.ports import Canceling
from tests.chaos.model.plant import KINDS, Gateway, Ground, Process, Renderer, Uploader
from tests.chaos.model.pods import Machine, State
from tests.chaos.model.post import Letter

USER = "Areg"
CHARACTERS = [Character(id=f"c{n}", name=name, collection="characters") for n, name in enumerate("AB")]
#: Of each service.
REPLICAS = 2


class World:
    """`kinds` puts other processes in the place of ours, for a test that such a system is found out."""

    def __init__(self, templates: Path, kinds: Mapping[str, type[Process]] = KINDS) -> None:
        self.time = 1_000_000.0
        self.kinds = kinds
        self.runner = asyncio.Runner()
        self.runner.get_loop().set_exception_handler(lambda *_: None)
        folder = templates.parent / "example"
        self.ground = Ground.on(folder, templates, lambda: self.time)
        (folder / "blobs").mkdir()
        self.processes: dict[tuple[str, int], Process] = {}
        #: Looks, does nothing, and never dies.
        self.viewer = Gateway("gateway", "viewer", self.ground)
        #: Thought dead by everybody else, and not dead.
        self.frozen: list[Process] = []
        self.born = 0
        #: Batches that were asked for, and those of them of which somebody was told that they are accepted.
        self.asked: list[str] = []
        self.accepted: set[str] = set()

    def close(self) -> None:
        for process in [self.viewer, *self.processes.values(), *self.frozen]:
            self.runner.run(process.end())
        self.runner.run(self.ground.close())
        self.runner.close()
        shutil.rmtree(self.ground.folder)

    def process(self, service: str, replica: int = 0) -> Process:
        """A living one."""
        key = service, replica % REPLICAS
        if key not in self.processes:
            self.born += 1
            self.processes[key] = self.kinds[service](service, f"{service}-{self.born}", self.ground)
        return self.processes[key]

    # What people do.

    def request(self, batch: int, character: int, quantity: int, on_failure: Any) -> GenerateBatch:
        return GenerateBatch(
            batch_id=f"b{batch}",
            username=USER,
            character=CHARACTERS[character % len(CHARACTERS)],
            prompt="a portrait",
            quantity=quantity,
            width=64,
            height=64,
            workflow="colour-card",
            on_failure=on_failure,
        )

    def ask(self, gateway: Gateway, request: GenerateBatch) -> None:
        self.asked.append(request.batch_id)
        if self.does(gateway, gateway.batches.accept(request)):
            self.accepted.add(request.batch_id)

    def inject(self, request: GenerateBatch) -> None:
        """Past the gateway, as any client of the broker may."""
        self.ground.post.put(request)
        self.asked.append(request.batch_id)
        self.accepted.add(request.batch_id)

    def cancel(self, gateway: Gateway, batch_id: str) -> None:
        if self.images(batch_id) is not None:
            self.does(gateway, gateway.batches.cancel(batch_id))

    def inject_cancel(self, batch_id: str) -> None:
        self.ground.post.put(CancelBatch(batch_id=batch_id))

    def retry(self, gateway: Gateway, batch_id: str) -> None:
        async def retry() -> None:
            try:
                await gateway.batches.retry(batch_id, None)
            except Canceling:
                return

        if self.images(batch_id):
            self.does(gateway, retry())

    def delete(self, gateway: Gateway, batch_id: str, ordinal: int) -> None:
        if self.images(batch_id):
            self.does(gateway, gateway.marks.delete(USER, [(batch_id, ordinal)]))

    def squat(self, character: int, ahead: int) -> None:
        """Somebody else puts an asset at a number that is next, or soon will be."""
        request = self.request(0, character, 1, "omit")
        folder = folder_of(request)
        highest = max((n for at, n in self.ground.post.numbers.owner if at == folder), default=0)
        name = image_name(USER, "ab"[character % len(CHARACTERS)], highest + ahead, 0)
        self.ground.cupboard.squat(folder, name, highest + ahead)

    # What processes do.

    def deliver(self, process: Process, letter: Letter) -> None:
        if not self.does(process, process.handle(letter)):
            letter.returns += 1

    def relay(self, gateway: Gateway) -> None:
        self.does(gateway, gateway.relay.send_due())

    def claim(self, renderer: Renderer) -> None:
        self.does(renderer, renderer.claim())

    def beat(self, renderer: Renderer) -> None:
        self.does(renderer, renderer.beat())

    def announce(self, renderer: Renderer) -> None:
        self.does(renderer, renderer.announcer.say_owed())

    def sweep_ends(self, renderer: Renderer) -> None:
        self.does(renderer, renderer.announcer.sweep())

    def glean(self, renderer: Renderer) -> None:
        self.does(renderer, renderer.gleaner.glean())

    def sweep_blobs(self, uploader: Uploader) -> None:
        self.does(uploader, uploader.sweep.round())

    def mirror(self, uploader: Uploader) -> None:
        self.does(uploader, uploader.mirror.verify())
        if uploader in self.processes.values():
            self.does(uploader, uploader.mirror.write())

    def thaw(self, process: Process) -> None:
        """It goes on where it stood, and then learns that everybody has given it up."""
        self.frozen.remove(process)
        process.life.thaw()
        self._quiet(process)
        self.runner.run(process.end())

    def kill(self, process: Process) -> None:
        self._forget(process)
        self.runner.run(process.end())

    # What backends do.

    def end_job(self, machine: Machine, key: str, state: State) -> None:
        self.runner.run(machine.end(key, state))
        self.settle()

    def restart(self, machine: Machine) -> None:
        self.runner.run(machine.restart())
        self.settle()

    # What is seen.

    def images(self, batch_id: str) -> list[ImageState] | None:
        """As its owner sees the batch; None where the gateway does not know it."""
        found = self.runner.run(self.viewer.batches.find(batch_id, USER))
        return None if found is None else list(found[1])

    def does(self, process: Process, work: Coroutine[Any, Any, Any]) -> bool:
        """Whether it came to its end, which a process that dies or freezes in the middle does not."""
        task = self.runner.run(self._started(process, work))
        self._quiet(process)
        ended = task.done() and not task.cancelled() and task.exception() is None
        if not task.done() or process.life.frozen:
            self._forget(process)
            self.frozen.append(process)
        self.settle()
        if process.life.dead:
            self._forget(process)
            self.runner.run(process.end())
        return ended

    def spare(self) -> None:
        """What was to happen to a process in this step does not happen in the next."""
        for process in self.processes.values():
            process.life.spared()

    def settle(self) -> None:
        """Lets everything that can go on go on, until all that is left waits for backends."""
        for process in [*self.processes.values()]:
            self._quiet(process)
            if process.life.dead:
                self.kill(process)
            elif process.life.frozen:
                self._forget(process)
                self.frozen.append(process)

    async def _started(self, process: Process, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[None]":
        return process.start(_tolerant(work))

    def _quiet(self, process: Process) -> None:
        if process.tasks:
            self.runner.run(process.quiet())

    def _forget(self, process: Process) -> None:
        self.processes = {key: one for key, one in self.processes.items() if one is not process}


async def _tolerant(work: Coroutine[Any, Any, Any]) -> None:
    """Loops outlast what goes wrong in a round."""
    try:
        await work
    except DeliveryError:
        return


def folders() -> list[str]:
    return [f"{USER}/characters/{one.name.lower()}/images" for one in CHARACTERS]
