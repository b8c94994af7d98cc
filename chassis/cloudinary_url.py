"""`CLOUDINARY_URL`, read by us: the SDK does not decode the secret and takes its options as strings."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

from chassis.settings import BadSettings

DEFAULT_PREFIX = "https://api.cloudinary.com"

_URL = re.compile(
    r"cloudinary://(?P<key>[^:@/?#\s]+):(?P<secret>[^@/?#\s]+)@(?P<cloud>[A-Za-z0-9_-]+)"
    r"(?:/[^?#\s]*)?(?:\?(?P<query>\S*))?"
)


@dataclass(frozen=True)
class Credentials:
    """Whose account, and where its API is served."""

    cloud_name: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    upload_prefix: str = DEFAULT_PREFIX

    def hide(self, text: str) -> str:
        """The text without the secret."""
        return text.replace(self.api_secret, "***")


def credentials(url: str) -> Credentials:
    """Reads `cloudinary://key:secret@cloud`, percent-encoded where need be, and its option `upload_prefix`.
    The SDK's other options concern things that are not used here. Raises BadSettings, which never shows the
    URL."""
    found = _URL.fullmatch(url.strip())
    if not found:
        raise BadSettings(
            "CLOUDINARY_URL is not cloudinary://KEY:SECRET@CLOUD_NAME; copy it without quotes from the "
            "account's page of API keys, and percent-encode any : @ / ? # in the secret"
        )
    prefix = parse_qs(found["query"] or "").get("upload_prefix", [DEFAULT_PREFIX])[-1].rstrip("/")
    if not re.match(r"https?://[^/\s]+", prefix):
        raise BadSettings(
            "upload_prefix in CLOUDINARY_URL does not begin with http:// or https:// and a host"
        )
    return Credentials(found["cloud"], unquote(found["key"]), unquote(found["secret"]), prefix)
