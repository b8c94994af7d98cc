"""TLS to the broker, whose certificate is always checked: by the authorities of the system or of a file."""

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from messaging.rabbitmq.border import Refused


def secured(url: str) -> dict[str, Any]:
    """What the client library is told for an `amqps:` URL, whose query may name `cafile`, and `certfile` and
    `keyfile` of a certificate of one's own. The files are read anew at each connect. Raises Refused where one
    can't be read."""
    place = urlsplit(url)
    if place.scheme != "amqps":
        return {}
    query = {name: values[-1] for name, values in parse_qs(place.query).items()}
    try:
        context = ssl.create_default_context(cafile=query.get("cafile"))
        if "certfile" in query:
            context.load_cert_chain(query["certfile"], query.get("keyfile"))
    except OSError as why:
        named = ", ".join(query[name] for name in ("cafile", "certfile", "keyfile") if name in query)
        raise Refused(
            f"BUS_URL: {named} can't be read as certificates and key ({why}); name PEM files"
        ) from why
    return {"ssl_context": context}


def untrusted(error: BaseException) -> str | None:
    """Why the broker's certificate was refused and what to do, None where that is not what went wrong."""
    why = next((each for each in _chain(error) if isinstance(each, ssl.SSLCertVerificationError)), None)
    if why is None:
        return None
    return (
        f"its certificate is not to be trusted ({why.verify_message}); name the file of its authority with "
        "?cafile= in BUS_URL, and the broker by a name that its certificate bears"
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """It and what led to it, each once: the client library gives one error to all who wait for a connection
    that breaks, and raises it from what came of that, so that a chain may lead back into itself."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
