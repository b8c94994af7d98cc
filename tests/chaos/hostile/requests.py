"""Requests that mean no good, of every kind, at every call; as the bytes that go over the wire."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cli.tokens import issue
from tests.journeys.caller import SECRET

SEGMENTS = (
    *("..", "%2e%2e", "%00", "%ff%fe", "%c0%af", "a" * 3000, "%", "%zz"),
    *("'--", "{x}", "\u202e", "nil", "-1"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 10**400, 1e308, "", "\x00", "\ud800"),
    *("../..", "x" * 9000, [], {}, [[]]),
)
NAMES = (
    *("name", "prompt", "quantity", "character_id", "seed", "url"),
    *("ids", "action", "width", "webhook", "style"),
)


@dataclass(frozen=True)
class Call:
    """A line of the OpenAPI document."""

    method: str
    path: str


@dataclass(frozen=True)
class Request:
    """Pieces in turn, with a moment between them where there are several."""

    pieces: Sequence[bytes]
    #: Whether the caller hangs up instead of waiting for what he is told.
    leaves: bool = False


Kind = Callable[[random.Random, Call, str], Request]


def head(
    call: Call, path: str, token: str, *lines: str, body: bytes = b"", length: int | None = None
) -> bytes:
    said = [
        f"{call.method} {path} HTTP/1.1",
        "Host: gateway",
        "Connection: close",
        # Nobody waits here for images that never come.
        "Prefer: respond-async",
        f"Authorization: Bearer {token}",
        *lines,
    ]
    if body or length is not None:
        said += [
            "Content-Type: application/json",
            f"Content-Length: {len(body) if length is None else length}",
        ]
    return "\r\n".join([*said, "", ""]).encode("utf-8", "surrogatepass") + body


def filled(rng: random.Random, call: Call, segments: Sequence[str] = SEGMENTS) -> str:
    """The path with something in the place of each name."""
    parts = [rng.choice(segments) if part.startswith("{") else part for part in call.path.split("/")]
    return "/".join(quote(part, safe="%.{}'-") for part in parts)


def value(rng: random.Random, call: Call, token: str) -> Request:
    body = {name: rng.choice(VALUES) for name in rng.sample(NAMES, 5)}
    return Request([head(call, filled(rng, call), token, body=json.dumps(body).encode())])


def nonsense(rng: random.Random, call: Call, token: str) -> Request:
    bodies = [
        rng.randbytes(rng.randrange(3000)),
        b"[" * 50_000,
        b'{"a":' * 20_000,
        b'{"name": NaN, "name": Infinity}',
        b'{"name": ' + b"9" * 20_000 + b"}",
        b"\xff\xfe{\0",
        b"",
    ]
    return Request([head(call, filled(rng, call), token, body=rng.choice(bodies))])


def query(rng: random.Random, call: Call, token: str) -> Request:
    queries = [
        "?" + "a=" * 2000,
        "?limit=-1&cursor=%00&cursor=%ff",
        "?limit=" + "9" * 400,
        "?sort=';--&character_id[]=1&created_after=NaN",
        "?" + "&".join(f"x{n}=1" for n in range(2000)),
        "?%",
        "?status=\ud800",
    ]
    return Request([head(call, filled(rng, call) + rng.choice(queries), token)])


def token(rng: random.Random, call: Call, whole: str) -> Request:
    header, claims, signature = whole.split(".")
    wrong = rng.choice(
        [
            "",
            "x",
            "a.b.c",
            f"{header}.{claims}.",
            f"{header}.{claims}.{signature[::-1]}",
            f"eyJhbGciOiJub25lIn0.{claims}.",
            issue("another secret, which is long enough for HS256", "Areg", 60, ""),
            "\xff" * 20,
            "x" * 20_000,
        ]
    )
    return Request([head(call, filled(rng, call), wrong)])


def headers(rng: random.Random, call: Call, whole: str) -> Request:
    lines = [
        "X: " + "y" * 100_000,
        "\r\n".join(f"X-{n}: y" for n in range(500)),
        "Idempotency-Key: \0",
        "Idempotency-Key: " + "k" * 5000,
        "Prefer: wait=NaN, wait=-1, respond-async",
        "Last-Event-ID: " + "9" * 300,
        "X-On-Behalf-Of: ../../root",
        "Accept: */*;q=;;;\0",
        "Range: bytes=9-1,-,--",
        "If-None-Match: " + '"' * 999,
        "Content-Encoding: gzip\r\nExpect: 100-continue",
        "Host: other\r\nHost: third",
    ]
    return Request([head(call, filled(rng, call), whole, rng.choice(lines))])


def framing(rng: random.Random, call: Call, whole: str) -> Request:
    """Lengths and chunks that do not fit what follows."""
    path = filled(rng, call)
    chunked = head(call, path, whole, "Transfer-Encoding: chunked")
    return rng.choice(
        [
            Request([head(call, path, whole, body=b'{"name": "x"}', length=5)]),
            Request([head(call, path, whole, body=b"{", length=10**12)], leaves=True),
            Request([head(call, path, whole, "Content-Length: -1")]),
            Request([head(call, path, whole, "Content-Length: 1\r\nContent-Length: 2") + b"{}"]),
            Request([chunked + b"zz\r\n{}\r\n0\r\n\r\n"]),
            Request([chunked + b"ffffffffffffffff1\r\n{"]),
            Request([chunked + b"2\r\n{}\r\n"], leaves=True),
            Request([head(call, path, whole, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"]),
        ]
    )


def half(rng: random.Random, call: Call, whole: str) -> Request:
    """A part of a request, and then nobody any more."""
    sent = head(call, filled(rng, call), whole, body=b'{"name": "x"}')
    return Request([sent[: rng.randrange(1, len(sent))]], leaves=True)


def drops(rng: random.Random, call: Call, whole: str) -> Request:
    """Drop by drop, though not for ever."""
    sent = head(call, filled(rng, call), whole, body=b'{"name": "x"}')
    cuts = sorted(rng.sample(range(1, len(sent)), 4))
    return Request([sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)])


def line(rng: random.Random, call: Call, whole: str) -> Request:
    """No request at all."""
    return Request(
        [
            rng.choice(
                [
                    rng.randbytes(300) + b"\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200),
                    b"GET / HTTP/9.9\r\n\r\n",
                    b"BREW /v1/batches HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n",
                    f"{call.method} {call.path}\r\n\r\n".encode(),
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                ]
            )
        ]
    )


KINDS: tuple[Kind, ...] = (value, nonsense, query, token, headers, framing, half, drops, line)


def hostile(seed: int, count: int, calls: Sequence[Call]) -> Iterator[Request]:
    """Every kind at every call in turn."""
    rng = random.Random(seed)
    whole = issue(SECRET, "Mallory", 86_400, "")
    pairs = [(kind, call) for kind in KINDS for call in calls]
    rng.shuffle(pairs)
    for turn in range(count):
        kind, call = pairs[turn % len(pairs)]
        yield kind(rng, call, whole)
