"""Delivery URLs, written offline: no call, no quota, and no secret except to sign."""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256

#: Widths of thumbnails, in pixels. A few, and the same everywhere: each one of an image is made, stored and
#: counted by the account the first time somebody asks for it.
WIDTHS = (256, 512, 1024)

#: Everything up to the delivery type; a version, which keeps caches right and ends what Cloudinary may take
#: for a transformation; the name.
_PUBLIC = re.compile(r"(?P<base>https?://\S+?/image/upload)/(?P<asset>v[0-9]+/\S+)")


def thumbnail_url(url: str, width: int) -> str:
    """The stored image, at most `width` pixels wide and never enlarged, in the format and quality that suit
    who asks. `url` is a versioned one, as in `ImageStored.url`.

    A signed URL comes back as it is: its signature covers the transformation, so only whoever has the secret
    can write another. So does a URL that is not Cloudinary's. Raises ValueError for a width below 1.
    """
    if width < 1:
        raise ValueError(f"a thumbnail is at least one pixel wide, not {width}")
    found = _PUBLIC.fullmatch(url)
    return f"{found['base']}/{transformation(width)}/{found['asset']}" if found else url


def transformation(width: int) -> str:
    """In the order in which the SDK writes it, so that its URLs and ours share cached copies."""
    return f"c_limit,f_auto,q_auto,w_{width}"


#: Cloudinary may have signed it already, by the account's own choice of algorithm.
_GUARDED = re.compile(
    r"(?P<base>https?://\S+?/authenticated)/(?:s--[\w-]+--/)?(?P<version>v[0-9]+)/(?P<asset>\S+)"
)
#: Characters of a long signature, which is made with SHA-256.
_SIGNATURE = 32


def signed_url(url: str, secret: str) -> str:
    """The URL of an asset that is delivered to holders of its signature alone, as in the SDK's
    `long_url_signature`. It never expires. Raises ValueError for the URL of any other asset."""
    found = _GUARDED.fullmatch(url)
    if not found:
        raise ValueError("this is not the versioned URL of an authenticated asset")
    hashed = sha256((found["asset"] + secret).encode()).digest()
    signature = urlsafe_b64encode(hashed)[:_SIGNATURE].decode()
    return f"{found['base']}/s--{signature}--/{found['version']}/{found['asset']}"
