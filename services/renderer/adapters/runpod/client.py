"""HTTP with RunPod's API and with the places of its results: errors become ours here, and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from services.renderer.adapters.comfyui.address import USER_AGENT
from services.renderer.domain.troubles import Broke, Hopeless, NotSent, Passing, Unreachable

#: Seconds.
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
#: Requests under way at once, of all jobs of an endpoint together; RunPod allows 200 to 400 of each kind.
CONNECTIONS = 48
#: Bytes. RunPod takes requests of 10 MB, and gives results of 20 MB at most.
MOST_REQUEST = 10_000_000
MOST_ANSWER = 64 * 1024 * 1024
#: Redirects followed on the way to a result.
HOPS = 3
#: Answers of whatever stands before the API while that is away.
_AWAY = frozenset({408, 425, 502, 503, 504, *range(520, 531)})


class TooMany(NotSent):
    """429: nothing was done. `seconds` is the wait that the answer asks for, if it does."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        super().__init__("RunPod takes no more requests for now (HTTP 429)")


@dataclass(frozen=True)
class Answer:
    status: int
    body: Mapping[str, Any]


class Client:
    """Belongs to one endpoint; its jobs share the connections."""

    def __init__(self, api_url: str, endpoint: str, key: str) -> None:
        self._endpoint = endpoint
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        # The environment is read through settings alone.
        common: dict[str, Any] = {"timeout": _TIMEOUT, "limits": limits, "trust_env": False}
        self._api = httpx.AsyncClient(
            base_url=f"{api_url.rstrip('/')}/{endpoint}",
            headers={"Authorization": f"Bearer {key}", "User-Agent": USER_AGENT},
            **common,
        )
        # Results lie with others, who must not see the key.
        self._results = httpx.AsyncClient(headers={"User-Agent": USER_AGENT}, **common)

    async def close(self) -> None:
        await self._api.aclose()
        await self._results.aclose()

    async def call(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """The API's own answer, also where that is a refusal. Raises TooMany, Unreachable and its kin."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        response, content = await _exchange(self._api, method, path, content=body, headers=headers)
        self._judge(response)
        if response.status_code >= 400 and not _is_json(response):
            return Answer(response.status_code, {})
        try:
            found = response.json() if content else None
        except ValueError:
            raise Unreachable("RunPod's answer is no JSON") from None
        if not isinstance(found, dict):
            raise Unreachable(f"RunPod's answer is not what its API gives (HTTP {response.status_code})")
        return Answer(response.status_code, found)

    async def download(self, url: str) -> bytes:
        """A result from where it lies. Raises Passing where it is not there, Unreachable where that place
        does not answer. A redirect is followed a few times, never from https to http."""
        for _ in range(HOPS + 1):
            if urlsplit(url).scheme not in ("http", "https"):
                raise Passing("bad_image", "the endpoint's result has a URL that is not http or https")
            response, content = await _exchange(self._results, "GET", url)
            if not response.is_redirect:
                return _result(response, content)
            following = urljoin(url, response.headers["location"])
            if url.startswith("https:") and not following.startswith("https:"):
                raise Passing("bad_image", "the endpoint's result leads from https to somewhere unsafe")
            url = following
        raise Passing("bad_image", "the endpoint's result is a chain of redirects")

    def _judge(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == 429:
            raise TooMany(_seconds(response.headers.get("retry-after")))
        if status in (401, 403):
            raise NotSent(f"RunPod refuses the key (HTTP {status}); check RUNPOD_API_KEY and its permissions")
        if status == 413:
            raise Hopeless("request_too_large", "RunPod takes no request of this size")
        if status in _AWAY:
            raise Unreachable(f"RunPod is away (HTTP {status})")
        if status >= 500:
            # It may have taken the job all the same.
            raise Broke(f"RunPod broke (HTTP {status})")
        if response.is_redirect or response.headers.get("content-type", "").startswith("text/html"):
            raise Unreachable(f"no RunPod API answers there (HTTP {status}); check RUNPOD_API_URL")


async def _exchange(
    http: httpx.AsyncClient, method: str, url: str, **content: Any
) -> tuple[httpx.Response, bytes]:
    """The answer, read up to a bound. Raises NotSent where it cannot have arrived, else Unreachable."""
    try:
        async with http.stream(method, url, **content) as response:
            read = bytearray()
            async for part in response.aiter_bytes():
                read += part
                if len(read) > MOST_ANSWER:
                    raise Passing(
                        "bad_image", f"a result of more than {MOST_ANSWER >> 20} MB is no image of ours"
                    )
            return httpx.Response(response.status_code, headers=_plain(response), content=bytes(read)), bytes(
                read
            )
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise NotSent(f"no connection to RunPod: {type(error).__name__}") from error
    except httpx.TransportError as error:
        raise Unreachable(f"the connection to RunPod broke: {type(error).__name__}") from error
    except (httpx.DecodingError, httpx.InvalidURL) as error:
        raise Unreachable(f"RunPod's answer is damaged: {type(error).__name__}") from error


def _plain(response: httpx.Response) -> dict[str, str]:
    """Headers of content that is decoded by now."""
    gone = ("content-encoding", "content-length", "transfer-encoding")
    return {name: value for name, value in response.headers.items() if name not in gone}


def _result(response: httpx.Response, content: bytes) -> bytes:
    if response.status_code == 200:
        return content
    if response.status_code >= 500 or response.status_code == 429:
        raise Unreachable(f"the result's place does not answer (HTTP {response.status_code})")
    raise Passing("file_missing", f"the job is done but its result is gone (HTTP {response.status_code})")


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("content-type", "")


def _seconds(text: str | None) -> float | None:
    """Of a `Retry-After` in seconds; a date is as good as nothing here, where clocks differ."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
