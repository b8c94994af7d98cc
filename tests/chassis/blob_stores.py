"""Blob stores of both kinds, seen from inside and from beside them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chassis.blobs import Blobs, blob_key
from tests.s3.server import S3Server

MD5 = "0123456789abcdef" * 2
KEY = blob_key("batch-1", 3, 0, MD5)


class Beside(Protocol):
    """Somebody else with access to the same place."""

    @property
    def url(self) -> str:
        """What `BLOBS_URL` says of it."""
        ...

    def everything(self) -> set[str]:
        """Names of whatever lies there, ours and others', leftovers included."""
        ...

    def put(self, name: str, data: bytes) -> None: ...

    def take_away(self) -> None:
        """The place itself is gone: not mounted, deleted."""
        ...


@dataclass(frozen=True)
class InFolder:
    root: Path

    @property
    def url(self) -> str:
        return f"file:{self.root}"

    def everything(self) -> set[str]:
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}

    def put(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("elsewhere"))


@dataclass(frozen=True)
class InBucket:
    server: S3Server
    bucket: str
    prefix: str = "darkroom/blobs"

    @property
    def url(self) -> str:
        return self.server.url(self.bucket, self.prefix)

    def everything(self) -> set[str]:
        return {name.removeprefix(f"{self.prefix}/") for name in self.server.names(self.bucket)}

    def put(self, name: str, data: bytes) -> None:
        self.server.put(self.bucket, f"{self.prefix}/{name}", data)

    def take_away(self) -> None:
        for name in self.server.names(self.bucket):
            self.server.delete(f"{self.bucket}/{name}")
        self.server.delete(self.bucket)


async def ages(blobs: Blobs) -> dict[str, float]:
    return {key: age async for key, age in blobs.keys()}  # noqa: SIM118  not a dict's


async def keys(blobs: Blobs) -> set[str]:
    return set(await ages(blobs))


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)
