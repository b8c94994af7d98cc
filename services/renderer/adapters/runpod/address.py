"""Which endpoint: `runpod://ENDPOINT_ID[?depth=N][&stagger_ms=N][&embeddings=NAME+NAME]`.

`depth` is how many images it holds at once, `stagger_ms` the least milliseconds between two submits, and
`embeddings` names what its image has installed: a serverless endpoint cannot be asked. A comma ends a URL in
RENDERER_URLS, so names stand beside each other with a `+`.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from services.renderer.adapters.places import BadAddress, Pace, pace_of

#: An endpoint starts machines by the length of its own queue: a short one would keep it small.
USUAL = Pace(depth=100)

_ENDPOINT = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class EndpointAddress:
    #: For people and for the job book.
    name: str
    endpoint: str
    pace: Pace
    embeddings: frozenset[str]


def read_address(url: str) -> EndpointAddress:
    """Raises BadAddress."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise BadAddress("runpod:// takes no user or key; set RUNPOD_API_KEY instead")
    if not _ENDPOINT.fullmatch(parts.netloc) or parts.path.strip("/"):
        raise BadAddress("an endpoint is written runpod://ENDPOINT_ID, as RunPod's console shows its id")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    pace = pace_of(query, USUAL)
    names = re.split(r"[\s,]+", query.pop("embeddings", ""))
    if query:
        known = "depth, stagger_ms and embeddings"
        raise BadAddress(f"runpod:// has no parameter {min(query)!r}; known are {known}")
    embeddings = frozenset(name for name in names if name)
    return EndpointAddress(f"runpod:{parts.netloc}", parts.netloc, pace, embeddings)
