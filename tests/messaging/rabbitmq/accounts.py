"""The accounts of a real broker, loaded from our definitions into a vhost of a test's own."""

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from contracts.permissions import accounts
from messaging.rabbitmq.definitions import Json, definitions, password_hash
from tests.nodes.broker import Broker


@dataclass(frozen=True)
class Accounts:
    """Users of one vhost, all of whose names begin with a word of the test's own."""

    broker: Broker
    vhost: str
    prefix: str
    password: str

    def url(self, account: str) -> str:
        login = f"{self.prefix}{account}:{self.password}"
        return f"amqp://{login}@127.0.0.1:{self.broker.port}/{self.vhost}"


@contextmanager
def loaded(broker: Broker) -> Iterator[Accounts]:
    """What the broker does with the file that its `load_definitions` names."""
    vhost, prefix = f"test-{secrets.token_hex(6)}", f"{secrets.token_hex(4)}-"
    password = secrets.token_hex(8)
    hashes = {account.name: password_hash(password) for account in accounts()}
    load(broker, definitions(vhost, hashes, prefix))
    try:
        yield Accounts(broker, vhost, prefix, password)
    finally:
        broker.drop_vhost(vhost)
        for account in accounts():
            name = f'<<"{prefix}{account.name}">>'
            broker.evaluate(f'_ = rabbit_auth_backend_internal:delete_user({name}, <<"tests">>), ok')


def load(broker: Broker, wanted: Json) -> None:
    body = b64encode(json.dumps(wanted).encode()).decode()
    broker.evaluate(f'ok = rabbit_definitions:import_raw(base64:decode("{body}"))')
