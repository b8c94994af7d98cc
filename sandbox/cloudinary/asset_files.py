"""The folder of a stand-in: one file of bytes and one JSON record for each asset.

The record names its file of bytes, and both appear by rename, so an asset is there whole or not at all
whenever the process is killed. (Nothing is forced to disk: a crash of the machine is another matter.)
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from sandbox.cloudinary.asset import Address, Asset, asset_from_record


class AssetFiles:
    """Used by one process at a time; of several threads only one may write about one asset."""

    def __init__(self, folder: Path) -> None:
        self._records = folder / "records"
        self._blobs = folder / "bytes"
        self._incoming = folder / "incoming"
        for part in (self._records, self._blobs, self._incoming):
            part.mkdir(parents=True, exist_ok=True)

    def load(self) -> list[Asset]:
        """Every asset there is; what a killed process left half done is swept."""
        newest: dict[str, Asset] = {}
        for path in self._records.iterdir():
            asset = asset_from_record(json.loads(path.read_bytes()))
            known = newest.get(asset.asset_id)
            if known is None or known.revision < asset.revision:
                newest[asset.asset_id] = asset
        assets = list(newest.values())
        _sweep(self._records, {_record_name(asset.address) for asset in assets})
        _sweep(self._blobs, {asset.blob for asset in assets})
        _sweep(self._incoming, ())
        return assets

    def receive(self, data: bytes) -> Path:
        """The bytes in a file of their own, which belongs to no asset yet."""
        path = self._incoming / uuid4().hex
        path.write_bytes(data)
        return path

    def adopt(self, incoming: Path, asset: Asset) -> None:
        """Make the received file the bytes of the asset, and the asset known."""
        incoming.replace(self._blobs / asset.blob)
        self.write_record(asset)

    def write_record(self, asset: Asset) -> None:
        draft = self._incoming / uuid4().hex
        draft.write_text(json.dumps(asset.record()), encoding="utf-8")
        draft.replace(self._records / _record_name(asset.address))

    def remove_record(self, address: Address) -> None:
        (self._records / _record_name(address)).unlink(missing_ok=True)

    def remove_bytes(self, asset: Asset) -> None:
        (self._blobs / asset.blob).unlink(missing_ok=True)

    def open(self, asset: Asset) -> BinaryIO:
        return (self._blobs / asset.blob).open("rb")


def _record_name(address: Address) -> str:
    return f"{hashlib.sha256('/'.join(address).encode()).hexdigest()}.json"


def _sweep(folder: Path, wanted: Iterable[str]) -> None:
    for name in set(os.listdir(folder)) - set(wanted):
        (folder / name).unlink()
