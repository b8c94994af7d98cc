"""What bytes are called in the blob store: for whom, which try, and their own digest."""

import re
from collections.abc import Callable
from typing import NamedTuple, Self

from messaging.errors import PermanentError

_KEY = re.compile(r"([A-Za-z0-9_-]{1,64})/([0-9]{1,4})/([0-9]{1,7})-([0-9a-f]{32})", re.ASCII)

#: Looks at bytes that were read, and raises where they are not the ones that were meant.
Check = Callable[[bytes], None]


class BlobKey(NamedTuple):
    """`{batch_id}/{ordinal}/{round}-{md5}`: the same key is always the same bytes."""

    batch_id: str
    ordinal: int
    round: int
    md5: str

    @classmethod
    def of(cls, key: str) -> Self:
        """Raises PermanentError for what is no key of ours: a message that names one is hopeless."""
        parts = _KEY.fullmatch(key)
        if parts is None:
            raise PermanentError("a blob's key is {batch_id}/{ordinal}/{round}-{md5}")
        return cls(parts[1], int(parts[2]), int(parts[3]), parts[4])

    def __str__(self) -> str:
        return blob_key(*self)


def blob_key(batch_id: str, ordinal: int, round_: int, md5: str) -> str:
    return f"{batch_id}/{ordinal}/{round_}-{md5}"


def checked_key(key: str) -> str:
    """The same key. Raises as `BlobKey.of`."""
    BlobKey.of(key)
    return key


def is_blob_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None
