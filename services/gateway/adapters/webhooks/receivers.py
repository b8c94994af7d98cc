"""Which URLs may be called at all, as far as a URL tells; its name is looked up before every call."""

import re
from collections.abc import Callable
from ipaddress import ip_address

import httpx

from services.gateway.domain.addresses import is_public

#: Characters of a URL.
MAX_URL = 2000
# The last part of a name begins with a letter: `2130706433` and `0x7f.1` are addresses in disguise.
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_-]{1,63}\.)*[a-z][a-z0-9-]{0,62}", re.ASCII)
#: Ports of the web; other ones of the system's own are spoken to in other languages than HTTP.
_WEB, _FIRST_FREE = (80, 443), 1024


class BadReceiver(ValueError):
    """Nobody may be called at this URL; the text says why, and what to name instead."""


class Receivers:
    """The rules for where calls go."""

    def __init__(self, allow_private: bool) -> None:
        """`allow_private`: also to addresses that are not public, and without TLS."""
        self.allow_private = allow_private

    @property
    def allows(self) -> Callable[[str], bool]:
        """Whether an address may be connected to."""
        return _anything if self.allow_private else is_public

    def origin(self, url: str) -> str:
        """Scheme, host and port of a URL that may be called. Raises BadReceiver."""
        parsed = self._parsed(url)
        if parsed.userinfo:
            raise BadReceiver("has a user or a password in it; check the signature of what arrives instead")
        port = port_of(parsed)
        if port not in _WEB and not _FIRST_FREE <= port <= 65_535:
            raise BadReceiver("names a port that is not the web's; use 80, 443 or one from 1024 up")
        host = name_of(parsed)
        if not (_is_address(host) or _NAME.fullmatch(host)):
            raise BadReceiver("names no host; write its name, or its address in the usual form")
        if not self.allow_private and _is_private_name(host):
            raise BadReceiver("names an address that is not public; name one that anybody can reach")
        return f"{parsed.scheme}://{host}:{port}"

    def _parsed(self, url: str) -> httpx.URL:
        if len(url) > MAX_URL:
            raise BadReceiver(f"is longer than {MAX_URL} characters")
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise BadReceiver("is not a URL") from None
        schemes = ("https", "http") if self.allow_private else ("https",)
        if parsed.scheme not in schemes or not parsed.host:
            raise BadReceiver("is not an address that begins with https://")
        return parsed


def name_of(url: httpx.URL) -> str:
    """The host as it is looked up and as TLS knows it."""
    return url.raw_host.decode().strip("[]").rstrip(".")


def port_of(url: httpx.URL) -> int:
    if url.port is None:
        return 443 if url.scheme == "https" else 80
    return url.port


def _is_private_name(host: str) -> bool:
    """As far as nobody has to be asked."""
    local = host == "localhost" or host.endswith(".localhost")
    return local or (_is_address(host) and not is_public(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _anything(_address: str) -> bool:
    return True
