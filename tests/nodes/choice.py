"""Chooses where nodes run: in containers where a Docker engine answers, else as processes of this machine."""

import shutil
import subprocess
from pathlib import Path

from tests.nodes.machine import Owner
from tests.nodes.postgres import OwnPostgres, local_postgres
from tests.nodes.rabbitmq import OwnRabbitmq, local_rabbitmq


def private_rabbitmq(folder: Path, owner: Owner) -> OwnRabbitmq:
    """A node that is not started yet; its data live in this folder, and it ends with its owner."""
    if _docker_answers():
        from tests.nodes.containers import container_rabbitmq

        return container_rabbitmq()
    return local_rabbitmq(folder, owner)


def private_postgres(folder: Path, owner: Owner) -> OwnPostgres:
    """A node that is not started yet; its data live in this folder, and it ends with its owner."""
    if _docker_answers():
        from tests.nodes.containers import container_postgres

        return container_postgres()
    return local_postgres(folder, owner)


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(asked, check=False, capture_output=True, timeout=30).returncode == 0
