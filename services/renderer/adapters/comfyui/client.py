"""HTTP with one ComfyUI server: its errors become ours here, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import httpx

from services.renderer.adapters.comfyui.address import Address
from services.renderer.domain.troubles import Broke, Hopeless, NotSent, Unreachable

#: Seconds. A proxy in between gives up after 100; a healthy server answers in milliseconds.
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
#: Proxies answer with these while the server behind them is away (52x are Cloudflare's).
_AWAY = frozenset({408, 425, 429, 502, 503, 504, *range(520, 531)})


class Client:
    """Belongs to one backend. No redirect is followed: it leads to a login page."""

    def __init__(self, address: Address) -> None:
        self._http = httpx.AsyncClient(
            base_url=address.http,
            headers=dict(address.headers),
            params=dict(address.query),
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
            # The environment is read through settings alone.
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def json(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded body, None where there is no body. Raises Unreachable and its kin."""
        response = await self._call(method, path, json=body)
        if not response.content or response.status_code in (404, 405):
            return response.status_code, None
        try:
            return response.status_code, response.json()
        except ValueError:
            raise Unreachable(f"the backend's answer to {path.split('/')[1]} is no JSON") from None

    async def file(self, params: dict[str, str]) -> bytes | None:
        """A whole file, None where there is none. It is held once: not also in the pieces it came in."""
        held = BytesIO()
        with _translated():
            async with self._http.stream("GET", "/view", params=params) as response:
                _judge(response)
                if response.status_code != 200:
                    return None
                async for piece in response.aiter_bytes():
                    held.write(piece)
        return held.getvalue()

    async def has_file(self, params: dict[str, str]) -> bool:
        return (await self._call("HEAD", "/view", params=params)).status_code == 200

    async def _call(self, method: str, path: str, **content: Any) -> httpx.Response:
        with _translated():
            response = await self._http.request(method, path, **content)
        _judge(response)
        return response


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise NotSent(f"no connection to the backend: {type(error).__name__}") from error
    except httpx.TransportError as error:
        raise Unreachable(f"the connection broke: {type(error).__name__}") from error
    except httpx.DecodingError as error:
        raise Unreachable("the backend's answer is damaged") from error


def _judge(response: httpx.Response) -> None:
    """Raises where the answer is not the backend's own, or says that it broke."""
    status = response.status_code
    html = response.headers.get("content-type", "").startswith("text/html")
    if status in _AWAY:
        raise Unreachable(f"the backend is away (HTTP {status})")
    if status in (401, 403) or response.is_redirect or (html and status < 500):
        raise Unreachable(f"the backend asks for a login (HTTP {status}); check its URL's credentials")
    if status == 413:
        raise Hopeless("request_too_large", "the backend takes no graph of this size")
    if status >= 500:
        # It may have taken the job all the same: two prompts of equal number are both queued, with a 500.
        raise Broke(f"the backend broke (HTTP {status})")
