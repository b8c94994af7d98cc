"""Which bucket of which server an `s3:` URL means, and who asks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from chassis.settings import BadSettings

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.ASCII)
#: Characters that mean the same in every client, signature and console.
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/|$))*", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]+", re.ASCII)
_OPTIONS = frozenset({"endpoint", "region"})


@dataclass(frozen=True)
class Login:
    """An access key and its secret."""

    access_key_id: str
    secret_access_key: SecretStr


@dataclass(frozen=True)
class Place:
    """A bucket, and the part of it that is ours."""

    bucket: str
    prefix: str
    region: str
    #: None for Amazon's own.
    endpoint: str | None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def place_of(url: str) -> Place:
    """Raises BadSettings, which quotes nothing that may be secret, where the URL is none of ours."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise BadSettings(
            "BLOBS_URL carries a login; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead"
        )
    if not _BUCKET.fullmatch(parts.netloc):
        raise BadSettings("BLOBS_URL names no bucket that can be; set s3://bucket/prefix")
    prefix = parts.path.strip("/")
    if not _PREFIX.fullmatch(prefix) or parts.fragment:
        raise BadSettings("BLOBS_URL: write the prefix with letters, digits, `.`, `_`, `-` and `/` alone")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - _OPTIONS):
        raise BadSettings(
            f"BLOBS_URL: {len(unknown)} of its options are not known; `endpoint` and `region` are"
        )
    return Place(parts.netloc, prefix, _region(options), _endpoint(options))


def _region(options: Mapping[str, str]) -> str:
    region = options.get("region", "us-east-1")
    if not _REGION.fullmatch(region):
        raise BadSettings("BLOBS_URL: region is not a region's name, like us-east-1")
    return region


def _endpoint(options: Mapping[str, str]) -> str | None:
    if "endpoint" not in options:
        return None
    if not _is_bare_http(options["endpoint"]):
        raise BadSettings("BLOBS_URL: endpoint is not http(s)://host:port; it carries no login and no query")
    return options["endpoint"].rstrip("/")


def _is_bare_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an address
        return False
    return named and "@" not in parts.netloc and not parts.query and not parts.fragment
