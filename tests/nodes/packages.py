"""Finds the programs the nodes are made of; installs Debian's packages where they are missing."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = (
    "#!/bin/sh\n# Put here by Darkroom's tests while apt-get runs; delete it if it is left over.\nexit 101\n"
)
LOCK = Path(tempfile.gettempdir()) / "darkroom-tests-packages.lock"
LOCK_WAIT = ["-o", "DPkg::Lock::Timeout=120"]


class NodeUnavailableError(Exception):
    """A node cannot be had on this machine, or did not come up; the text says what to do about it."""


def rabbitmq_programs() -> Path:
    """The folder of RabbitMQ's own scripts, not of Debian's wrappers, which change user and folder."""
    return _found_or_installed(_rabbitmq_folder, "rabbitmq-server")


def postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`, of the newest version there is."""
    return _found_or_installed(_postgres_folder, "postgresql")


def promtool_program() -> Path:
    """What Prometheus checks its rules with."""
    return _found_or_installed(_promtool, "prometheus")


def chromium_program() -> Path:
    """A browser without a screen."""
    return _found_or_installed(_chromium, "chromium")


def _found_or_installed(find: Callable[[], Path | None], package: str) -> Path:
    found = find()
    if found is not None:
        return found
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find() is None:
            _install(package)
    found = find()
    if found is None:
        raise NodeUnavailableError(
            f"{package} is installed, but its programs are not where they were looked for"
        )
    return found


def _rabbitmq_folder() -> Path | None:
    folders = [Path("/usr/lib/rabbitmq/bin"), *Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin")]
    on_path = shutil.which("rabbitmq-server")
    if on_path and not on_path.startswith("/usr/sbin/"):
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "rabbitmq-server").exists()), None)


def _postgres_folder() -> Path | None:
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    folders.sort(key=_version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _chromium() -> Path | None:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return None if found is None else Path(found)


def _promtool() -> Path | None:
    found = shutil.which("promtool")
    return None if found is None else Path(found)


def _version(folder: Path) -> float:
    number = folder.parent.name.removeprefix("pgsql-")
    return float(number) if number.replace(".", "", 1).isdigit() else 0.0


def _install(package: str) -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NodeUnavailableError(
            f"The tests need {package}: start Docker, or install it (Debian: apt-get install {package})"
        )
    with services_kept_down():
        _run([apt, *LOCK_WAIT, "update", "-qq"])
        _run([apt, *LOCK_WAIT, "install", "-qq", "-y", "--no-install-recommends", package])


@contextmanager
def services_kept_down(policy: Path = POLICY) -> Iterator[None]:
    """Packages may not start their default service meanwhile. A policy that is there already stays."""
    if policy.exists() and policy.read_text() != POLICY_TEXT:
        yield
        return
    policy.write_text(POLICY_TEXT)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def _run(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, check=False, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise NodeUnavailableError(
            f"`{' '.join(command)}` failed; install the package yourself. It said:\n{tail}"
        )
