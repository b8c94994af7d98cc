"""Nodes in containers, where a Docker engine answers.

Not yet run against an engine, and kept to the bone for that reason. The reaper that testcontainers starts
removes the containers when the process that started them has ended.
"""

import os
import secrets

from testcontainers.core.container import DockerContainer

from tests.nodes.broker import USER as RABBITMQ_USER
from tests.nodes.broker import Broker
from tests.nodes.machine import END_SECONDS, LOG_LINES, free_ports
from tests.nodes.postgres import USER as POSTGRES_USER
from tests.nodes.postgres import OwnPostgres, Server
from tests.nodes.rabbitmq import OwnRabbitmq

RABBITMQ_IMAGE = "rabbitmq:3.13-alpine"
POSTGRES_IMAGE = "postgres:15-alpine"


class ContainerMachine:
    """A server in a container that keeps its name, its port and its data until it is removed."""

    def __init__(self, image: str, inner_port: int, port: int, environment: dict[str, str]) -> None:
        self.name = f"darkroom-{secrets.token_hex(6)}"
        self._container = DockerContainer(image).with_name(self.name).with_bind_ports(inner_port, port)
        for name, value in environment.items():
            self._container.with_env(name, value)
        self._started = False

    def launch(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=int(END_SECONDS))

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def alive(self) -> bool:
        container = self._container.get_wrapped_container()
        container.reload()
        return bool(container.status == "running")

    def log(self) -> str:
        return str(self._container.get_wrapped_container().logs(tail=LOG_LINES), "utf-8", "replace")

    def remove(self) -> None:
        self._container.stop()

    def keeper(self) -> None:
        return None


def container_rabbitmq() -> OwnRabbitmq:
    """A node that is not started yet."""
    password = secrets.token_hex(8)
    (port,) = free_ports(1)
    settings = {"RABBITMQ_DEFAULT_USER": RABBITMQ_USER, "RABBITMQ_DEFAULT_PASS": password}
    machine = ContainerMachine(RABBITMQ_IMAGE, 5672, port, settings)
    control = ["docker", "exec", "-i", machine.name, "sh", "-c", 'rabbitmqctl -q eval "$(cat)"']
    return OwnRabbitmq(Broker(port, password, control, dict(os.environ)), machine)


def container_postgres() -> OwnPostgres:
    """A node that is not started yet."""
    password = secrets.token_hex(8)
    (port,) = free_ports(1)
    settings = {"POSTGRES_USER": POSTGRES_USER, "POSTGRES_PASSWORD": password, "POSTGRES_DB": "postgres"}
    return OwnPostgres(Server(port, password), ContainerMachine(POSTGRES_IMAGE, 5432, port, settings))
