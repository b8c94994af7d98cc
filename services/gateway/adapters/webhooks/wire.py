"""One call of a receiver, by somebody who trusts neither the receiver nor the one who named it.

The name is looked up once for each call; every address it has must be one that may be called; the connection
goes to an address that was looked at, while TLS and `Host` keep the name. So a name that means another
address a moment later changes nothing. Nothing is followed, no proxy or password of this machine is used.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import monotonic

import httpx

from services.gateway.adapters.webhooks.receivers import Receivers, name_of, port_of
from services.gateway.domain.webhooks import Attempt

#: Seconds for a whole call, for a connection to one address, and for the beginning of an answer's body.
WHOLE, CONNECT, BODY = 20.0, 5.0, 2.0
#: Bytes of an answer's body that are kept, and addresses of one name that are tried.
KEPT, ADDRESSES = 1024, 4
#: Names that are looked up at once, each in a thread of its own: one that hangs must not hold up the others.
LOOKUPS = 64

#: Addresses of a name and port. Raises OSError.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class _Refused(Exception):
    """There is no call to make; the text says why."""


@dataclass(frozen=True)
class _Heard:
    status: int
    response: str
    retry_after: float | None


class Wire:
    """Calls receivers."""

    def __init__(self, receivers: Receivers, resolve: Resolve, trust: ssl.SSLContext, whole: float = WHOLE):
        self._receivers = receivers
        self._resolve = resolve
        self._whole = whole
        # A connection of its own for each call: two names at one address must never share one.
        transport = httpx.AsyncHTTPTransport(
            verify=trust, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        )
        self._http = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def call(self, url: str, headers: Mapping[str, str], body: str, now: float) -> Attempt:
        """Never raises for what a receiver does; the attempt says it. `now`: epoch seconds."""
        begun, heard, error = monotonic(), None, None
        try:
            async with asyncio.timeout(self._whole):
                heard = await self._called(url, headers, body.encode(), now)
        except TimeoutError:
            error = f"no answer within {self._whole:g} s"
        except (_Refused, httpx.HTTPError, httpx.InvalidURL) as why:
            error = _told(why)
        latency = int((monotonic() - begun) * 1000)
        if heard is None:
            return Attempt(now, latency, error=error)
        return Attempt(now, latency, heard.status, None, heard.response, heard.retry_after)

    async def _called(self, url: str, headers: Mapping[str, str], body: bytes, now: float) -> _Heard:
        try:
            self._receivers.origin(url)
        except ValueError as why:
            raise _Refused(f"the URL {why}") from None
        parsed = httpx.URL(url)
        addresses = await self._addresses(parsed)
        for address in addresses[:-1]:
            try:
                return await self._sent(parsed, address, headers, body, now)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                # Nothing was sent: the next address is as good.
                continue
        return await self._sent(parsed, addresses[-1], headers, body, now)

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        try:
            found = await self._resolve(name_of(url), port_of(url))
        except (OSError, UnicodeError):
            raise _Refused("the name can't be resolved") from None
        if not found:
            raise _Refused("the name can't be resolved")
        # All of them: a name that is half public is no receiver but a trap.
        if not all(map(self._receivers.allows, found)):
            raise _Refused("the name means an address that is not public")
        return list(dict.fromkeys(found))[:ADDRESSES]

    async def _sent(
        self, url: httpx.URL, address: str, headers: Mapping[str, str], body: bytes, now: float
    ) -> _Heard:
        told = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "Darkroom-Webhooks/1",
            # A body that grows while it is unpacked is not asked for.
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers,
        }
        async with self._http.stream(
            "POST",
            url.copy_with(host=address, fragment=None),
            headers=told,
            content=body,
            timeout=httpx.Timeout(self._whole, connect=CONNECT),
            extensions={"sni_hostname": name_of(url)},
        ) as answer:
            after = _retry_after(answer.headers.get("Retry-After"), now)
            return _Heard(answer.status_code, await _beginning(answer), after)


async def _beginning(answer: httpx.Response) -> str:
    """Of the body, as text that can be kept; the answer counts, however it goes on."""
    read = b""
    try:
        async with asyncio.timeout(BODY):
            async for part in answer.aiter_raw():
                read += part[:KEPT]
                if len(read) >= KEPT:
                    break
    except (TimeoutError, httpx.HTTPError):
        pass
    return read[:KEPT].decode(errors="replace").replace("\0", "\ufffd")


def _retry_after(said: str | None, now: float) -> float | None:
    """Seconds (RFC 9110, section 10.2.3: a number of them, or a date)."""
    if said is None:
        return None
    if said.strip().isdecimal():
        # Nine digits are as long as any wait.
        return float(said.strip()[:9])
    try:
        return max(parsedate_to_datetime(said).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def _told(why: Exception) -> str:
    if isinstance(why, httpx.TimeoutException):
        return "no answer in time" if isinstance(why, httpx.ReadTimeout) else "no connection in time"
    return (str(why) or type(why).__name__)[:300].replace("\0", "")


@asynccontextmanager
async def system_resolver() -> AsyncIterator[Resolve]:
    """Asks as every program of this machine does."""
    threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="webhook-names")

    async def resolve(name: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(threads, lambda: _lookup(name, port))
        return [str(address[0]) for *_, address in found]

    try:
        yield resolve
    finally:
        # Who still waits for a name gets its answer from nobody.
        threads.shutdown(wait=False, cancel_futures=True)


def _lookup(name: str, port: int) -> Sequence[tuple[object, object, object, str, tuple[object, ...]]]:
    return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
