"""A Cloudinary account through its SDK: calls in threads of our own, answers judged by what came over the
wire, errors in the words of a delivery."""

import asyncio
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import urllib3
from prometheus_client import Counter, Histogram
from urllib3.exceptions import HTTPError

from chassis.cloudinary_answers import Limited, NotFound, Refused, Unauthorized, judged
from chassis.cloudinary_delivery import signed_url
from chassis.cloudinary_folders import FolderMode, folder_mode
from chassis.cloudinary_gate import Gate
from chassis.cloudinary_sdk import CERT_KWARGS, admin, api, cloudinary, uploader, utils
from chassis.cloudinary_url import Credentials, credentials
from messaging.errors import Outage

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
#: Seconds that calls under way have to end when nobody waits for them any more; then their connections are
#: cut, which is a lost answer like any other. A process that was told to stop must not hang on a silent one.
PARTING_SECONDS = 5.0

#: A name that no asset has.
NOWHERE = "darkroom-nothing-lies-here.txt"
#: Seconds between two looks at what there is to ask.
LOOK_SECONDS = 1.0

CALLS = Counter("darkroom_cloudinary_calls", "Calls to Cloudinary by how they ended", ["call", "outcome"])
SECONDS = Histogram("darkroom_cloudinary_seconds", "Time of a call to Cloudinary", ["call"])

__all__ = ["Account", "FolderMode", "NotFound", "Refused", "Unauthorized", "open_account"]


class Account:
    """One product environment. Safe to use from every task of the loop it was opened in."""

    def __init__(
        self, whose: Credentials, threads: ThreadPoolExecutor, wire: "_Wire", clock: Callable[[], float]
    ) -> None:
        self.cloud_name = whose.cloud_name
        self._whose = whose
        self._threads = threads
        self._wire = wire
        self._uploads, self._admin = Gate(clock), Gate(clock)
        self._mode: FolderMode | None = None
        self._asking = asyncio.Lock()

    async def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any]:
        """What `cloudinary.uploader.*` or `cloudinary.api.*` was answered: a JSON object of a 2xx answer.

        Raises Outage where nothing can be said (no answer, an answer that isn't one, 5xx, a rate limit, a
        refused account), NotFound, and Refused for what repeating won't change. A rate limit is waited for,
        and a refused account tried again after a rest: until then the same is raised without a call. A
        cancelled call may still be carried out: its thread goes on.
        """
        gate = self._uploads if function.__module__ == uploader.__name__ else self._admin
        name, outcome = function.__name__, "held"
        try:
            gate.pass_through()
            outcome = "ok"
            with SECONDS.labels(name).time():
                work = partial(self._work, function, args, {**options, **_credentials(self._whose)})
                answer = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            gate.answered()
        except (NotFound, Refused) as why:
            outcome = type(why).__name__.lower()
            gate.answered()
            raise
        except Outage as why:
            if outcome != "held":
                outcome = type(why).__name__.lower()
                gate.failed(why)
            raise
        finally:
            CALLS.labels(name, outcome).inc()
        return answer

    async def folder_mode(self) -> FolderMode:
        """`fixed` or `dynamic`, asked once. Raises Outage."""
        async with self._asking:
            if self._mode is None:
                self._mode = await folder_mode(self.call)
            return self._mode

    def signed(self, url: str) -> str:
        """As `cloudinary_delivery.signed_url`, for this account."""
        return signed_url(url, self._whose.api_secret)

    async def trouble(self) -> str | None:
        """Why the last call got no answer, None once one did. Asks nothing itself. A used-up quota of the
        Admin API is none: nothing that has to be stored waits for it."""
        listing = self._admin.trouble
        why = self._uploads.trouble or (None if isinstance(listing, Limited) else listing)
        return str(why) if why else None

    async def look(self) -> None:
        """Asks what nobody else does, to be repeated every second or so: at the start for the folder mode, so
        that a wrong key shows before the first image does; later whether an API in trouble is back, where it
        was not called for a while, with growing pauses. Raises nothing.

        The Upload API is asked for an asset that there is not, which counts against no quota. A ping of the
        Admin API does, so a used-up quota is left alone.
        """
        with suppress(Outage, NotFound, Refused):
            if self._uploads.asks():
                await self.call(uploader.explicit, NOWHERE, resource_type="raw", type="upload")
        with suppress(Outage, NotFound, Refused):
            if self._mode is None and self._admin.trouble is None:
                await self.folder_mode()
            elif not isinstance(self._admin.trouble, Limited) and self._admin.asks():
                await self.call(api.ping)

    def _work(self, function: Callable[..., Any], args: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        self._wire.forget()
        try:
            function(*args, **options)
        except (
            Exception
        ) as error:  # the SDK raises bare Exception too; what came over the wire is judged instead
            if not self._wire.used:
                raise  # nothing was sent: a call that the SDK itself refuses is our mistake
            return judged(self._wire.answer, self._wire.broken or error, self._whose.hide)
        return judged(self._wire.answer, self._wire.broken, self._whose.hide)


@asynccontextmanager
async def open_account(
    url: str, threads: int = 6, clock: Callable[[], float] = time.time
) -> AsyncIterator[Account]:
    """The account of a `cloudinary://key:secret@cloud` URL, with at most `threads` calls at a time.

    Neither environment nor the SDK's global configuration matter, so several accounts live side by side. Must
    be opened after a fork. `clock` is Unix time. Raises BadSettings, without the secret, where the URL is
    malformed.
    """
    whose = credentials(url)
    pool, lines = _connections(threads), _Lines()
    lines.keep(pool)
    wire = _installed()
    executor = ThreadPoolExecutor(threads, "cloudinary", wire.belong, (pool,))
    try:
        yield Account(whose, executor, wire, clock)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        ended = asyncio.ensure_future(asyncio.to_thread(executor.shutdown))
        # More than once: one that is being opened is not there to be cut yet.
        while not (await asyncio.wait({ended}, timeout=PARTING_SECONDS))[0]:
            lines.cut()
        pool.clear()


class _Lines:
    """The connections of a pool, which lends them out without knowing where they are."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()

    def keep(self, pool: Any) -> None:
        """From now on every connection that the pool makes is known."""
        made = pool.pool_classes_by_scheme
        pool.pool_classes_by_scheme = {scheme: self._known(kind) for scheme, kind in made.items()}

    def cut(self) -> None:
        for line in list(self._open):
            if line.sock is not None:
                with suppress(OSError):
                    line.sock.shutdown(socket.SHUT_RDWR)

    def _known(self, kind: Any) -> Any:
        lines = self._open

        class Known(kind.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                lines.add(self)

        return type(kind.__name__, (kind,), {"ConnectionCls": Known})


class _Wire(threading.local):
    """Stands where the SDK keeps its only connection pool, which is too small and shared by all accounts:
    each of our threads has the pool of its account here, and what its last request was answered."""

    def __init__(self, otherwise: Any) -> None:
        self._pool = otherwise
        self.forget()

    def belong(self, pool: Any) -> None:
        self._pool = pool

    def clear(self) -> None:
        """As of the pool that it stands for: idle connections are closed."""
        self._pool.clear()

    def forget(self) -> None:
        self.used = False
        self.answer: urllib3.BaseHTTPResponse | None = None
        self.broken: Exception | None = None

    def request(self, *args: Any, **options: Any) -> Any:
        self.forget()
        self.used = True
        try:
            self.answer = self._pool.request(*args, **options)
        except (HTTPError, OSError) as error:
            self.broken = error
            raise
        return self.answer


def _installed() -> _Wire:
    # Private names of the SDK, hence its pinned version.
    if not isinstance(uploader._http, _Wire):
        uploader._http = admin._http = _Wire(uploader._http)
    wire: _Wire = uploader._http
    return wire


def _connections(threads: int) -> Any:
    """Never retries by itself: it would repeat Admin calls four times, and an upload after a redirect."""
    limits = {"connect": CONNECT_SECONDS, "read": READ_SECONDS}
    options = {"maxsize": threads, "block": True, "retries": False, "timeout": urllib3.Timeout(**limits)}
    return utils.get_http_connector(cloudinary.config(), {**CERT_KWARGS, **options})


def _credentials(whose: Credentials) -> dict[str, Any]:
    """Said with every call, down to what must not be taken from the SDK's global configuration."""
    return {
        "cloud_name": whose.cloud_name,
        "api_key": whose.api_key,
        "api_secret": whose.api_secret,
        "upload_prefix": whose.upload_prefix,
        "oauth_token": None,
        "upload_preset": None,
        "timeout": None,
        "signature_algorithm": "sha256",
        "signature_version": 2,
    }
