"""What a delivery URL asks for: signature, transformations, version and asset."""

import re
from dataclasses import dataclass

from sandbox.cloudinary.transformations import looks_like_transformation

_SIGNATURE = re.compile(r"s--([\w-]{8}|[\w-]{32})--")
_VERSION = re.compile(r"v\d+")


@dataclass(frozen=True, slots=True)
class DeliveryPath:
    #: The public id, with an extension for images that ask for a format.
    source: str
    transformation: tuple[str, ...] = ()
    version: int | None = None
    signature: str | None = None

    @property
    def signed_part(self) -> str:
        """What the signature covers: the version is left out (SDK 1.46.3, `utils.cloudinary_url`)."""
        return "/".join((*self.transformation, self.source))


def parse_delivery_path(path: str) -> DeliveryPath:
    """Reads everything after `/image/upload/`.

    With a version, what stands before it are transformations and what follows is the asset. Without one,
    every leading folder that looks like a transformation is taken for one, even `u_2/…`, meant as a folder.
    """
    segments = path.split("/")
    signature = _SIGNATURE.fullmatch(segments[0])
    if signature:
        segments = segments[1:]
    leading = 0
    while leading < len(segments) - 1 and looks_like_transformation(segments[leading]):
        leading += 1
    rest = segments[leading:]
    version = int(rest[0][1:]) if len(rest) > 1 and _VERSION.fullmatch(rest[0]) else None
    source = "/".join(rest[1:] if version is not None else rest)
    return DeliveryPath(source, tuple(segments[:leading]), version, signature[1] if signature else None)
