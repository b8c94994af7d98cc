"""A running RabbitMQ as tests talk to it: its vhosts, and what is in its queues."""

import json
import re
import secrets
import subprocess
from dataclasses import dataclass

from tests.nodes.packages import NodeUnavailableError

CONTROL_SECONDS = 20.0
USER = "darkroom"

# A quorum queue's own statistics are seconds old; its leader is asked instead.
QUEUES = """
[[binary_to_list(element(4, amqqueue:get_name(Queue))),
  case amqqueue:get_type(Queue) of
    rabbit_quorum_queue ->
      Total = fun rabbit_fifo:query_messages_total/1,
      {ok, {_, Count}, _} = ra:leader_query(amqqueue:get_pid(Queue), Total),
      Count;
    _ -> proplists:get_value(messages, rabbit_amqqueue:info(Queue, [messages]))
  end] || Queue <- rabbit_amqqueue:list(<<"VHOST">>)]"""


@dataclass(frozen=True)
class Broker:
    """A running RabbitMQ. `control` is a command that evaluates the Erlang expression it reads."""

    port: int
    password: str
    control: list[str]
    environment: dict[str, str]

    def url(self, vhost: str) -> str:
        return f"amqp://{USER}:{self.password}@127.0.0.1:{self.port}/{vhost}"

    def create_vhost(self) -> str:
        """A new, empty vhost's name; about 15 ms."""
        vhost = f"test-{secrets.token_hex(6)}"
        name, user, every = f'<<"{vhost}">>', f'<<"{USER}">>', '<<".*">>'
        allow = (
            f"rabbit_auth_backend_internal:set_permissions({user}, {name}, {every}, {every}, {every}, {user})"
        )
        self.evaluate(f"ok = rabbit_vhost:add({name}, {user}), ok = {allow}")
        return vhost

    def drop_vhost(self, vhost: str) -> None:
        """Also closes the connections to it."""
        self.evaluate(f'_ = rabbit_vhost:delete(<<"{vhost}">>, <<"{USER}">>), ok')

    def queues(self, vhost: str) -> dict[str, int]:
        """Each queue's name, with how many messages it holds: ready, or delivered and not acknowledged."""
        found: dict[str, int] = dict(json.loads(self.evaluate(QUEUES.replace("VHOST", vhost))))
        return found

    def evaluate(self, expression: str) -> str:
        """What the expression gives, as Erlang prints it."""
        done = subprocess.run(
            self.control,
            check=False,
            input=f"{expression}.\n",
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=CONTROL_SECONDS,
        )
        said = done.stdout.strip()
        if done.returncode or said.startswith(("{error,", "{'EXIT',")):
            raise NodeUnavailableError(
                f"RabbitMQ would not evaluate {expression}: {said} {done.stderr.strip()}"
            )
        inside = re.fullmatch(r"\{ok, (.*)\}", said, re.DOTALL)
        return inside[1] if inside else said
