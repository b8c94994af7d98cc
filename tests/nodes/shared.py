"""One node of each kind for a whole test run: who asks first starts it, the others find it by its record."""

import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.nodes.broker import Broker
from tests.nodes.choice import private_postgres, private_rabbitmq
from tests.nodes.machine import END_SECONDS, Owner
from tests.nodes.node import Node, run_apart
from tests.nodes.packages import NodeUnavailableError
from tests.nodes.postgres import Server

Record = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A test run and its workers: the process that leads it, and a folder that comes with the first node."""

    folder: Path
    leader: int
    _started: list[Node] = field(default_factory=list)  # held, as a process in use may not be collected

    @classmethod
    def begin(cls) -> "Run":
        """To be called in the leading process."""
        name = f"darkroom-tests-{os.getpid()}-{os.urandom(4).hex()}"
        return cls(Path(tempfile.gettempdir()) / name, os.getpid())

    def broker(self) -> Broker:
        """The run's RabbitMQ, started if need be."""
        return Broker(**self._found_or_started("rabbitmq", self._start_rabbitmq))

    def server(self) -> Server:
        """The run's PostgreSQL, started if need be."""
        return Server(**self._found_or_started("postgres", self._start_postgres))

    def node_folder(self, name: str) -> Path:
        """A new folder that other users may pass through, as PostgreSQL's own user must."""
        self.folder.mkdir(mode=0o711, exist_ok=True)
        folder = self.folder / f"{name}-{os.urandom(4).hex()}"
        folder.mkdir()
        return folder

    def end(self) -> None:
        """Ends the nodes and removes the folder. Without it, the wardens do so once the leader has ended."""
        for record in self.folder.glob("*.json"):
            keeper = json.loads(record.read_text()).get("keeper")
            if keeper is not None:
                _end_process(keeper)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_rabbitmq(self) -> Record:
        node = private_rabbitmq(self.node_folder("rabbitmq"), Owner(self.leader, self.folder))
        self._started.append(node)
        run_apart(node.start())
        return {"keeper": node.keeper(), "node": asdict(node.broker)}

    def _start_postgres(self) -> Record:
        node = private_postgres(self.node_folder("postgres"), Owner(self.leader, self.folder))
        self._started.append(node)
        run_apart(node.start())
        return {"keeper": node.keeper(), "node": asdict(node.server)}

    def _found_or_started(self, name: str, start: Callable[[], Record]) -> Record:
        self.folder.mkdir(mode=0o711, exist_ok=True)
        path = self.folder / f"{name}.json"
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                path.write_text(json.dumps(_outcome(start)))
            record = json.loads(path.read_text())
        if "failure" in record:
            raise NodeUnavailableError(record["failure"])
        node: Record = record["node"]
        return node


def _outcome(start: Callable[[], Record]) -> Record:
    try:
        return start()
    except (
        NodeUnavailableError
    ) as error:  # recorded, so that each worker hears it and none waits in vain again
        return {"failure": str(error)}


def _end_process(pid: int) -> None:
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGTERM)
            select.select([watched], [], [], END_SECONDS)
        finally:
            os.close(watched)
