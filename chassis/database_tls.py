"""TLS to PostgreSQL as its own clients spell it: `?sslmode=verify-full&sslrootcert=FILE` in the URL.

https://www.postgresql.org/docs/current/libpq-ssl.html; asyncpg knows these words only in a URL of its own.
"""

import ssl
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from chassis.settings import BadSettings

#: Whether the certificate must be of a known authority, and whether it must bear the server's name.
_CHECKS = {"require": (False, False), "verify-ca": (True, False), "verify-full": (True, True)}
_PLAIN = ("disable", "allow", "prefer")


def tls(url: URL) -> tuple[URL, dict[str, Any]]:
    """The URL without what it says of TLS, and that as an argument of asyncpg's. Who names an authority
    wants it asked: without `sslmode` that is `verify-full`. Raises BadSettings for words and files that
    are not known."""
    query = dict(url.query)
    mode, root = query.pop("sslmode", query.pop("ssl", None)), query.pop("sslrootcert", None)
    if mode is None and root is None:
        return url, {}
    if not isinstance(mode, str | None) or not isinstance(root, str | None):
        raise BadSettings("DATABASE_URL names sslmode or sslrootcert twice")
    return url.set(query=query), {"ssl": _wanted(mode or "verify-full", root)}


def _wanted(mode: str, root: str | None) -> ssl.SSLContext | str:
    if mode in _PLAIN:
        if root:
            raise BadSettings(f"DATABASE_URL: sslmode={mode} asks no authority; set sslmode=verify-full")
        return mode
    if mode not in _CHECKS:
        known = ", ".join((*_CHECKS, *_PLAIN))
        raise BadSettings(f"DATABASE_URL: sslmode={mode[:20]} is not known; set verify-full, of {known}")
    authority, name = _CHECKS[mode]
    context = _context(root)
    context.check_hostname = name
    context.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    return context


def _context(root: str | None) -> ssl.SSLContext:
    """The system's authorities where none is named, or `system` is."""
    if root in (None, "system"):
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=Path(str(root)))
    except OSError as why:
        raise BadSettings(
            f"DATABASE_URL: sslrootcert={root} can't be read as certificates ({why}); name a PEM file"
        ) from why
