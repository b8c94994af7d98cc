"""Messages that mean no good, of every kind, for every queue; the same for the same seed."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.limits import MAX_BODY
from contracts.message import Undecodable
from contracts.topology import EXCHANGE, QUEUES, Queue
from tests.messaging.raw import Post
from tests.source import ROOT

#: An attempt more is the last: what is only too early dies now, and not in half an hour.
LAST_CHANCE = {"x-attempt": 9}
NO_TEXT = (b"STANDIN", b"\xff\xfe\xfd\x80\xc3\xff\xf5")
PATHS = ("../../etc/passwd", "/etc/passwd", "..\\..\\x", "a/../../b", "%2e%2e%2f", "\u202e/images", "a" * 300)
TEXTS = ("\x00", "\x1b[31m", "\ud800", "a\u0000b", "\r\nX: y", "'; DROP TABLE batches; --", "{{7*7}}")
HUGE = (10**400, -(10**400), 2**63, -(2**63) - 1, 1e308, -1, 0)


@dataclass(frozen=True)
class Hostile:
    post: Post
    #: Where it ends up.
    queues: tuple[Queue, ...]
    #: Whether a service can read it, and so may have something to say or to do.
    readable: bool


Kind = Callable[[random.Random, Queue], Post]


def golden(queue: Queue) -> dict[str, Any]:
    """A body that keeps the contract, and asks for a workflow that nobody has: its images cost nothing."""
    path = ROOT / "tests" / "contracts" / "golden" / f"{queue.message.route()}.json"
    body: dict[str, Any] = json.loads(path.read_text())
    for asked in (body, body.get("request", {})):
        if "workflow" in asked:
            asked["workflow"] = "../../etc"
    return body


def to(queue: Queue, body: bytes, **properties: Any) -> Post:
    headers = {**LAST_CHANCE, **properties.pop("headers", {})}
    told = {"message_type": queue.message.route(), **properties, "headers": headers}
    return Post("", queue.name, body, told)


def said(value: Any) -> bytes:
    return json.dumps(value).encode()


def noise(rng: random.Random, queue: Queue) -> Post:
    return to(queue, rng.randbytes(rng.randrange(2000)))


def depth(rng: random.Random, queue: Queue) -> Post:
    opening = rng.choice(["[", '{"a":', '{"prompt":[', "[[{}],"])
    return to(queue, (opening * rng.randrange(1000, 20_000)).encode())


def other_type(rng: random.Random, queue: Queue) -> Post:
    body = golden(queue)
    value: Any = rng.choice([[None], {}, "x" * 5000, True, None, 1.5, "", {"a": {"b": []}}, list(range(500))])
    return to(queue, said(body | {rng.choice(list(body)): value}))


def number(rng: random.Random, queue: Queue) -> Post:
    body = golden(queue)
    numeric = [name for name, value in body.items() if isinstance(value, int)] or list(body)
    return to(queue, said(body | {rng.choice(numeric): rng.choice(HUGE)}))


def no_number(rng: random.Random, queue: Queue) -> Post:
    word = rng.choice([float("nan"), float("inf"), float("-inf")])
    return to(queue, said(golden(queue) | {rng.choice(["quantity", "round", "seed"]): word}))


def path(rng: random.Random, queue: Queue) -> Post:
    body = golden(queue)
    texts = [name for name, value in body.items() if isinstance(value, str)] or list(body)
    return to(queue, said(body | {rng.choice(texts): rng.choice(PATHS)}))


def text(rng: random.Random, queue: Queue) -> Post:
    body = golden(queue)
    texts = [name for name, value in body.items() if isinstance(value, str)] or list(body)
    return to(queue, said(body | {rng.choice(texts): rng.choice(TEXTS)}))


def forged_batch(rng: random.Random, queue: Queue) -> Post:
    forged = rng.choice([*PATHS, *TEXTS, "", "b" * 65, f"never-{rng.random()}".replace(".", "")])
    return to(queue, said(golden(queue) | {"batch_id": forged}))


def twice(rng: random.Random, queue: Queue) -> Post:
    """One key twice: which of them counts?"""
    body = golden(queue)
    name = rng.choice(list(body))
    return to(queue, said(body)[:-1] + f', "{name}": {json.dumps(rng.choice(TEXTS))}}}'.encode())


def no_text(rng: random.Random, queue: Queue) -> Post:
    whole = said(golden(queue))
    at = rng.randrange(len(whole))
    return to(queue, whole[:at] + b"\xff\xc0\x80" + whole[at:])


def version(rng: random.Random, queue: Queue) -> Post:
    route = rng.choice(["v99", "v0", "v-1", "v1.v1", "", "V1", "v1 "])
    return Post(
        EXCHANGE, f"{queue.message.__name__}.{route}".replace("v1.v1", "v11"), said(golden(queue)), {}
    )


def outside(rng: random.Random, queue: Queue) -> Post:
    """Well inside, and no text on its outside."""
    where: dict[str, Any] = rng.choice(
        [{"correlation_id": "STANDIN"}, {"content_type": "STANDIN"}, {"headers": {"STANDIN": "x"}}]
    )
    post = to(queue, b"{}", **where)
    return Post(post.exchange, post.key, post.body, post.properties, [NO_TEXT])


def forged_headers(rng: random.Random, queue: Queue) -> Post:
    death = {
        "count": 10**6,
        "reason": "expired",
        "queue": queue.name,
        "time": datetime(1970, 1, 1, tzinfo=UTC),
    }
    forged: dict[str, Any] = rng.choice(
        [
            {"x-death": [death] * 20, "x-first-death-queue": queue.name},
            {"x-attempt": 10**12},
            {"x-attempt": -5},
            {"x-attempt": "nine"},
            {"x-history": "[" * 5000},
            {"x-history": json.dumps([{"at": "never", "reason": "\ud800", "attempts": -1}] * 50)},
            {"traceparent": "00-" + "f" * 500, "id": 5, "causation-id": None},
            {"x-delivery-count": 10**9, "x-last-error": "x" * 30_000, "x-first-seen": "\x00"},
        ]
    )
    return to(queue, b"{" + rng.randbytes(5).hex().encode(), headers=forged)


def large(rng: random.Random, queue: Queue) -> Post:
    size = rng.choice([1 << 20, MAX_BODY + 1])
    return to(queue, b'{"batch_id": "' + b"a" * size + rng.randbytes(4).hex().encode() + b'"}')


def odd_type(rng: random.Random, queue: Queue) -> Post:
    kinds = [
        {"content_type": "application/x-python-serialize"},
        {"content_encoding": "gzip"},
        {"expiration": "1"},
    ]
    told: dict[str, Any] = rng.choice(kinds[:2])
    return to(queue, b"\x80\x04\x95" + rng.randbytes(20), **told)


KINDS: tuple[Kind, ...] = (
    noise,
    depth,
    other_type,
    number,
    no_number,
    path,
    text,
    forged_batch,
    twice,
    no_text,
    version,
    outside,
    forged_headers,
    odd_type,
)
#: One in so many is large: ten thousand of them would only measure the network.
LARGE = 100


def hostile(seed: int, count: int) -> Iterator[Hostile]:
    """Every kind for every queue in turn."""
    rng = random.Random(seed)
    pairs = [(kind, queue) for kind in KINDS for queue in QUEUES]
    for turn in range(count):
        kind, queue = pairs[turn % len(pairs)]
        post = (large if turn % LARGE == 0 else kind)(rng, queue)
        through = post.exchange == EXCHANGE
        where = tuple(one for one in QUEUES if one.message is queue.message) if through else (queue,)
        yield Hostile(post, where, not through and _readable(post.body, queue))


def _readable(body: bytes, queue: Queue) -> bool:
    try:
        queue.message.decode(body)
    except Undecodable:
        return False
    return len(body) <= MAX_BODY
