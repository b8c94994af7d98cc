"""Where a backend is and how it lets us in: `comfyui+https://[user:password@]host[:port][/path][?query]`.

User info is sent as Basic, `bearer=TOKEN` as `Authorization: Bearer TOKEN`, `header.NAME=VALUE` as that
header; every other query parameter goes along with each request as it is. HTTP and WebSocket get the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from httpx import BasicAuth, Request

#: Some proxies refuse the names of common libraries.
USER_AGENT = "Darkroom/1 (+image renderer)"


class BadAddress(ValueError):
    """A renderer URL that can't be used; the text holds no credential."""


@dataclass(frozen=True)
class Address:
    #: For people and for the job book: host, port and path, never a credential.
    name: str
    http: str
    headers: Mapping[str, str]
    query: Mapping[str, str]

    def socket(self, client_id: str) -> str:
        """The URL of the WebSocket, which carries the query."""
        return f"ws{self.http.removeprefix('http')}/ws?{urlencode({**self.query, 'clientId': client_id})}"


def addresses(urls: str) -> list[Address]:
    """From a comma-separated list. Raises BadAddress."""
    found = [read_address(url.strip()) for url in urls.split(",") if url.strip()]
    if not found:
        raise BadAddress("RENDERER_URLS names no backend; set comfyui+http://host:8188")
    names = [address.name for address in found]
    for name in names:
        if names.count(name) > 1:
            raise BadAddress(f"RENDERER_URLS names {name} twice")
    return found


def read_address(url: str) -> Address:
    """Raises BadAddress."""
    scheme, _, _ = url.partition(":")
    if scheme == "runpod":
        raise BadAddress(
            "RENDERER_URLS has a runpod:// endpoint, but this renderer drives ComfyUI's own API only; "
            "set comfyui+https://POD_ID-8188.proxy.runpod.net for a pod"
        )
    if scheme not in ("comfyui+http", "comfyui+https"):
        raise BadAddress(
            f"RENDERER_URLS begins with {scheme[:20]!r}; set comfyui+http:// or comfyui+https://"
        )
    parts = urlsplit(url.removeprefix("comfyui+"))
    try:
        port = parts.port
    except ValueError:
        raise BadAddress("RENDERER_URLS has a port that is no number") from None
    if not parts.hostname:
        raise BadAddress("RENDERER_URLS has an entry without a host; set comfyui+http://host:8188")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = (f"{host}:{port}" if port else host) + parts.path.rstrip("/")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    headers = {"User-Agent": USER_AGENT, **_headers(query), **_basic(parts.username, parts.password)}
    return Address(place, f"{parts.scheme}://{place}", headers, query)


def _headers(query: dict[str, str]) -> dict[str, str]:
    """Takes what is meant as a header out of the query."""
    headers = {
        name.removeprefix("header."): query.pop(name) for name in list(query) if name.startswith("header.")
    }
    token = query.pop("bearer", None)
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers


def _basic(username: str | None, password: str | None) -> dict[str, str]:
    if username is None:
        return {}
    auth = BasicAuth(unquote(username), unquote(password or ""))
    request = next(auth.auth_flow(Request("GET", "http://backend")))
    return {"Authorization": request.headers["Authorization"]}
