"""Who may do what at the broker: a user for each service, and for each of those who look after it.

Pure data, from the topology: a service may say what `SENDERS` says, read its own queues, and nothing else.
What RabbitMQ asks for which deed: https://www.rabbitmq.com/docs/access-control
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contracts.message import Kind, Message
from contracts.topology import DEAD_EXCHANGE, EXCHANGE, MESSAGES, QUEUES, READERS, SENDERS, WAITS

#: The default exchange as permissions spell it. It puts a message into any queue, whosesoever that is.
DEFAULT_EXCHANGE = "amq.default"
#: Queues that the broker names, which belong to one connection: other connections can't touch them.
OWN_QUEUES = r"amq\.gen-.*"
NOTHING = "^$"
EVERYTHING = ".*"


class Topics(NamedTuple):
    """Routing keys that may be published to a topic exchange, and bound to it, as regular expressions."""

    write: str
    read: str


class Account(NamedTuple):
    """A user. `configure`, `write` and `read` are regular expressions of names of exchanges and queues."""

    name: str
    configure: str
    write: str
    read: str
    topics: Mapping[str, Topics]
    #: What the user may do in RabbitMQ's management plug-in; nothing without a tag.
    tags: tuple[str, ...] = ()


def accounts() -> tuple[Account, ...]:
    """Services first, in the order of the topology."""
    return (*map(_service, READERS), _operator(), _admin(), _monitor(), _caller())


def _service(name: str) -> Account:
    mine = [queue for queue in QUEUES if queue.service == name]
    hints = [message for message in READERS[name] if message.kind is Kind.TRANSIENT]
    # Also the queues behind those exchanges: from 4.3.1 counting what waits in a queue needs some permission
    # on it, and this one only binds, which takes an exchange that may be read as well.
    into = [DEAD_EXCHANGE, *(queue.dead for queue in mine)]
    into += [place for wait in WAITS for place in (wait.exchange, wait.name)]
    dead = [queue.dead for queue in QUEUES] if name == "gateway" else []
    return Account(
        name,
        configure=f"^{OWN_QUEUES}$" if hints else NOTHING,
        write=_any(
            _literal([EXCHANGE, *into, *([DEFAULT_EXCHANGE] if dead else [])]), OWN_QUEUES if hints else None
        ),
        read=_any(
            _literal([*(queue.name for queue in mine), *dead, *([EXCHANGE] if hints else [])]),
            OWN_QUEUES if hints else None,
        ),
        topics={
            EXCHANGE: Topics(_routes(SENDERS[name]), _routes(hints)),
            # The gateway's operate page lays a letter anew that was looked at too often.
            DEAD_EXCHANGE: Topics(EVERYTHING if dead else _any(_literal(q.dead for q in mine)), NOTHING),
            **{wait.exchange: Topics(_any(_literal(q.name for q in mine)), NOTHING) for wait in WAITS},
        },
    )


def _operator() -> Account:
    """Whoever runs `darkroom dead` and `darkroom send`."""
    queues = [place for queue in QUEUES for place in (queue.name, queue.dead)]
    return Account(
        "operator",
        configure=NOTHING,
        write=_any(
            _literal([EXCHANGE, DEAD_EXCHANGE, DEFAULT_EXCHANGE, *queues, *(wait.name for wait in WAITS)])
        ),
        read=_any(_literal(queue.dead for queue in QUEUES)),
        topics={EXCHANGE: Topics(_routes(_commands()), NOTHING)},
        tags=("monitoring",),
    )


def _admin() -> Account:
    """Whoever runs `darkroom topology`."""
    return Account("admin", EVERYTHING, EVERYTHING, EVERYTHING, topics={}, tags=("policymaker",))


def _monitor() -> Account:
    """Whoever counts messages, KEDA for one: sees every queue, takes nothing, and says nothing."""
    queues = [place for queue in QUEUES for place in (queue.name, queue.dead)]
    return Account(
        "monitor",
        configure=NOTHING,
        write=_any(_literal([*queues, *(wait.name for wait in WAITS)])),
        read=NOTHING,
        topics={EXCHANGE: Topics(NOTHING, NOTHING)},
        tags=("monitoring",),
    )


def _caller() -> Account:
    """A product's back end that asks for batches without the gateway."""
    about_batches = [message for message in _commands() if "batch_id" in message.model_fields]
    return Account(
        "caller",
        configure=NOTHING,
        write=_any(_literal([EXCHANGE])),
        read=NOTHING,
        topics={EXCHANGE: Topics(_routes(about_batches), NOTHING)},
    )


def _commands() -> list[type[Message]]:
    return [message for message in MESSAGES if message.kind is Kind.COMMAND]


def _literal(names: Iterable[str]) -> str | None:
    return "|".join(re.escape(name) for name in names) or None


def _any(*patterns: str | None) -> str:
    known = [pattern for pattern in patterns if pattern]
    return f"^({'|'.join(known)})$" if known else NOTHING


def _routes(messages: Iterable[type[Message]]) -> str:
    """Every version: the next release of a service says the next one, beside this release."""
    names = "|".join(message.__name__ for message in messages)
    return rf"^({names})\.v[0-9]+$" if names else NOTHING
