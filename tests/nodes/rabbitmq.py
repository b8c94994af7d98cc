"""A private RabbitMQ node, and how to start it.

It is told everything by RabbitMQ's own environment variables (`man rabbitmq-env.conf`), and so reads and
writes nothing under /etc and /var.
"""

import asyncio
import json
import secrets
import shutil
import signal
from pathlib import Path

from tests.nodes.broker import USER, Broker
from tests.nodes.machine import LocalMachine, Machine, Owner, free_ports
from tests.nodes.node import Node
from tests.nodes.packages import NodeUnavailableError, rabbitmq_programs
from tests.nodes.warden import Ward

READY_SECONDS = 90.0
MEMORY_LIMIT_BYTES = 2_000_000_000
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"

CONF = f"""\
load_definitions = definitions.json
disk_free_limit.absolute = 500MB
vm_memory_high_watermark.absolute = {MEMORY_LIMIT_BYTES}
log.file = false
log.console = true
log.console.level = warning
"""
LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"
# epmd as a child: left to itself, Erlang starts one as a daemon that outlives the node.
COMMAND = 'epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" & exec "$0"'
# A caller needs a name of its own: of two with the same name the second is refused.
CONTROL = 'exec "$0" -c "$1" -n "$2" -h "caller$$" -e'


class OwnRabbitmq(Node):
    """A broker for one test, with one vhost."""

    def __init__(self, broker: Broker, machine: Machine) -> None:
        super().__init__("RabbitMQ", machine, self._speaks_amqp, READY_SECONDS)
        self.broker = broker
        self.vhost = "/"

    @property
    def url(self) -> str:
        return self.broker.url("%2F")

    async def kill(self) -> None:
        """Ends it with SIGKILL, once what it knows of new queues is on disk. Resume a frozen one first.

        RabbitMQ 3.10 writes its registry of quorum queues up to half a second late (ra's `ra_directory`, a
        DETS table with auto_save 500): a queue declared just before a kill would be unusable afterwards.
        """
        await asyncio.to_thread(self.broker.evaluate, "[dets:sync(Table) || Table <- dets:all()], ok")
        await super().kill()

    def raise_memory_alarm(self) -> None:
        """From now on it blocks every connection that publishes."""
        self._limit_memory("0.0")

    def clear_memory_alarm(self) -> None:
        self._limit_memory(f"{{absolute, {MEMORY_LIMIT_BYTES}}}")

    def queues(self) -> dict[str, int]:
        return self.broker.queues(self.vhost)

    def _limit_memory(self, limit: str) -> None:
        self.broker.evaluate(f"ok = vm_memory_monitor:set_vm_memory_high_watermark({limit})")

    async def _speaks_amqp(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.broker.port)
        except OSError:
            return False
        try:
            writer.write(PROTOCOL_HEADER)
            return await reader.read(1) == METHOD_FRAME
        except ConnectionError:
            return False
        finally:
            writer.close()


def local_rabbitmq(folder: Path, owner: Owner) -> OwnRabbitmq:
    """A node in this folder that is not started yet."""
    programs = rabbitmq_programs()
    password, cookie = secrets.token_hex(8), secrets.token_hex(16)
    port, distribution, epmd = free_ports(3)
    name = f"darkroom{port}@localhost"
    environment = _environment(folder, name, (port, distribution, epmd), cookie)
    _write_settings(folder, password)
    command = ["/bin/sh", "-c", COMMAND, str(programs / "rabbitmq-server")]
    ward = Ward(command, str(folder), owner.pid, str(owner.folder))
    control = ["/bin/sh", "-c", CONTROL, _erl_call(), cookie, name]
    machine = LocalMachine(ward, environment, signal.SIGTERM)
    return OwnRabbitmq(Broker(port, password, control, environment), machine)


def _environment(folder: Path, name: str, ports: tuple[int, int, int], cookie: str) -> dict[str, str]:
    port, distribution, epmd = map(str, ports)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "ERL_CRASH_DUMP_SECONDS": "0",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": epmd,
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_NODENAME": name,
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": port,
        "RABBITMQ_DIST_PORT": distribution,
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-setcookie {cookie} {LOOPBACK_ONLY}",
        # The server script then becomes the node, instead of a shell that stands before it.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _write_settings(folder: Path, password: str) -> None:
    every = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "users": [{"name": USER, "password": password, "tags": ["administrator"]}],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": USER, "vhost": "/", **every}],
    }
    settings = CONF.replace("definitions.json", str(folder / "definitions.json"))
    (folder / "definitions.json").write_text(json.dumps(definitions))
    (folder / "rabbitmq.conf").write_text(settings)
    (folder / "enabled_plugins").write_text("[].\n")


def _erl_call() -> str:
    found = shutil.which("erl_call")
    if found is None:
        raise NodeUnavailableError(
            "Erlang's erl_call is not on the PATH (Debian: apt-get install erlang-base)"
        )
    return found
