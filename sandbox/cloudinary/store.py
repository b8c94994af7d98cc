"""The assets of a stand-in: every decision about what lies where is made here, under one lock."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from sandbox.cloudinary.asset import Address, Asset, Content, Description
from sandbox.cloudinary.asset_files import AssetFiles


class Outcome(StrEnum):
    CREATED = "created"
    OVERWRITTEN = "overwritten"
    EXISTING = "existing"


@dataclass(frozen=True, slots=True)
class Stored:
    asset: Asset
    outcome: Outcome


class AddressTaken(Exception):
    """Another asset lies at the address, and it was not to be overwritten."""


class AssetStore:
    """Blocks on the disk, so it is called from threads; every method is safe there."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._files = AssetFiles(folder)
        self._now = now
        self._lock = threading.Lock()
        self._assets = {asset.address: asset for asset in self._files.load()}
        self._last_version = {address: asset.version for address, asset in self._assets.items()}

    def find(self, address: Address) -> Asset | None:
        return self._assets.get(address)

    def all(self) -> tuple[Asset, ...]:
        with self._lock:
            return tuple(self._assets.values())

    def open(self, address: Address) -> tuple[Asset, BinaryIO] | None:
        """The asset with its bytes, which stay readable when it is overwritten or destroyed meanwhile."""
        with self._lock:
            asset = self._assets.get(address)
            return (asset, self._files.open(asset)) if asset else None

    def put(
        self, address: Address, data: bytes, content: Content, description: Description, *, overwrite: bool
    ) -> Stored:
        """Store the bytes. Of two callers without `overwrite` one stores, the other gets that asset."""
        incoming = self._files.receive(data)
        with self._lock:
            known = self._assets.get(address)
            if known and not overwrite:
                incoming.unlink()
                return Stored(known, Outcome.EXISTING)
            asset = self._next(address, content, description, known)
            self._files.adopt(incoming, asset)
            self._remember(asset)
            if known:
                self._files.remove_bytes(known)
        return Stored(asset, Outcome.OVERWRITTEN if known else Outcome.CREATED)

    def destroy(self, address: Address) -> bool:
        with self._lock:
            asset = self._assets.pop(address, None)
            if asset:
                self._files.remove_record(address)
                self._files.remove_bytes(asset)
        return asset is not None

    def rename(self, source: Address, target: Address, *, overwrite: bool) -> Asset | None:
        """Move the asset; None if there is none. Raises AddressTaken."""
        with self._lock:
            asset, taken = self._assets.get(source), self._assets.get(target)
            if asset is None or source == target:
                return asset
            if taken and not overwrite:
                raise AddressTaken(target.public_id)
            moved = replace(asset, address=target, revision=asset.revision + 1)
            self._files.write_record(moved)
            self._files.remove_record(source)
            del self._assets[source]
            self._remember(moved)
            if taken:
                self._files.remove_bytes(taken)
        return moved

    def describe(self, address: Address, change: Callable[[Description], Description]) -> Asset | None:
        """Change what is said about the asset, not its bytes; None if there is none."""
        with self._lock:
            asset = self._assets.get(address)
            if asset is None:
                return None
            changed = replace(asset, description=change(asset.description), revision=asset.revision + 1)
            self._files.write_record(changed)
            self._assets[address] = changed
        return changed

    def _next(
        self, address: Address, content: Content, description: Description, known: Asset | None
    ) -> Asset:
        now = self._now()
        version = max(int(now), self._last_version.get(address, 0) + 1)
        if known is None:
            return Asset(uuid4().hex, address, content, description, version, now, now)
        return replace(
            known,
            content=content,
            description=description,
            version=version,
            uploaded_at=now,
            overwrites=known.overwrites + 1,
            revision=known.revision + 1,
        )

    def _remember(self, asset: Asset) -> None:
        self._assets[asset.address] = asset
        self._last_version[asset.address] = max(asset.version, self._last_version.get(asset.address, 0))
