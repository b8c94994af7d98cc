"""Where one server runs: a process of this machine under its warden. `containers.py` is the other place."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from tests.nodes import warden
from tests.nodes.packages import NodeUnavailableError

END_SECONDS = 30.0
LOG_LINES = 40


class Machine(Protocol):
    """One server's life. Every call returns when it is so, and none waits for the server to be ready.

    `keeper` is the process to end when the server shall end and its holder may be gone; None where there is
    nothing to do.
    """

    def launch(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def alive(self) -> bool: ...
    def log(self) -> str: ...
    def remove(self) -> None: ...
    def keeper(self) -> int | None: ...


@dataclass(frozen=True)
class Owner:
    """The process a node belongs to, and the folder that goes with it when it ends."""

    pid: int
    folder: Path


#: Who was given which port: one that a killed server comes back to must not be another's meanwhile.
_GIVEN = Path(tempfile.gettempdir()) / f"darkroom-ports-{os.getuid()}"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the ephemeral range, where a probe on loopback could meet itself. They
    are this process's until it ends: no other one that asks here gets them."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            listener = held.enter_context(socket.socket())
            port = random.randrange(12_000, 32_000)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            if claimed(port):
                ports.append(port)
        return ports


def claimed(port: int) -> bool:
    """Takes the port for this process; False where a living one has taken it. Who it is stands in a link's
    target, which is made at once and whole or not at all."""
    _GIVEN.mkdir(exist_ok=True)
    link = _GIVEN / str(port)
    with suppress(FileNotFoundError):
        if Path("/proc", os.readlink(link)).exists():
            return False
        link.unlink()
    try:
        link.symlink_to(str(os.getpid()))
    except FileExistsError:  # somebody was quicker
        return False
    return True


@dataclass
class LocalMachine:
    """A server as a process here. `stop_signal` is how it is asked to end in good order."""

    ward: warden.Ward
    environment: dict[str, str]
    stop_signal: signal.Signals
    _warden: subprocess.Popen[bytes] | None = None
    _server: int = field(default=0, init=False)

    def launch(self) -> None:
        command = [sys.executable, "-I", "-S", warden.__file__, json.dumps(asdict(self.ward))]
        self._warden = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._warden.stdout is not None
        with self._warden.stdout as answer:
            said = answer.readline()
        if not said:
            raise NodeUnavailableError(
                f"{self.ward.command[0]} could not be run; see the traceback of its warden"
            )
        self._server = int(said)

    def stop(self) -> None:
        self._end_by(self.stop_signal)

    def kill(self) -> None:
        self._end_by(signal.SIGKILL)

    def pause(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def alive(self) -> bool:
        return self._warden is not None and self._warden.poll() is None

    def log(self) -> str:
        lines = (Path(self.ward.folder) / "log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    def remove(self) -> None:
        if self._warden is not None:
            self._warden.terminate()
            self._warden.wait(END_SECONDS)
        subprocess.run(["rm", "-rf", self.ward.folder], check=True)

    def keeper(self) -> int:
        """The warden's pid, which another process may end to end the server."""
        assert self._warden is not None
        return self._warden.pid

    def _end_by(self, number: signal.Signals) -> None:
        if self._warden is None or not self.alive():
            return
        os.kill(self._server, number)
        self._warden.wait(END_SECONDS)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in warden.descendants(self.keeper()):
            os.kill(pid, number)
