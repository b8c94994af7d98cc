"""Delivery URLs, written offline: no call, no quota, and no secret except to sign."""

import re

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
