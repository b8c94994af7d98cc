"""Where a backend is and how it lets us in: `comfyui+https://[user:password@]host[:port][/path][?query]`.

User info is sent as Basic, `bearer=TOKEN` as `Authorization: Bearer TOKEN`, `header.NAME=VALUE` as that
header; `depth` and `stagger_ms` are ours. Every other query parameter goes along with each request as it is.
HTTP and WebSocket get the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from httpx import BasicAuth, Request

from services.renderer.adapters.places import BadAddress, Pace, pace_of

#: Some proxies refuse the names of common libraries.
USER_AGENT = "Darkroom/1 (+image renderer)"


@dataclass(frozen=True)
class Address:
    #: For people and for the job book: host, port and path, never a credential.
    name: str
    http: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    pace: Pace

    def socket(self, client_id: str) -> str:
        """The URL of the WebSocket, which carries the query."""
        return f"ws{self.http.removeprefix('http')}/ws?{urlencode({**self.query, 'clientId': client_id})}"


def read_address(url: str, usual: Pace) -> Address:
    """`usual`: the pace where the URL says none. Raises BadAddress."""
    parts = urlsplit(url.removeprefix("comfyui+"))
    try:
        port = parts.port
    except ValueError:
        raise BadAddress("its port is no number") from None
    if not parts.hostname:
        raise BadAddress("it has no host; write comfyui+http://host:8188")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = (f"{host}:{port}" if port else host) + parts.path.rstrip("/")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    pace = pace_of(query, usual)
    headers = {"User-Agent": USER_AGENT, **_headers(query), **_basic(parts.username, parts.password)}
    return Address(place, f"{parts.scheme}://{place}", headers, query, pace)


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
