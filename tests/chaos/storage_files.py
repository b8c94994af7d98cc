"""What lies in storage, read from its files, against what was rendered, told and noted. It trusts neither
uploaders nor stand-in."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import names

Key = tuple[str, int]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Asset:
    """One asset, with the bytes that are really there."""

    kind: str
    public_id: str
    overwrites: int
    context: Mapping[str, str]
    data: bytes

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()

    @property
    def owner(self) -> Key | None:
        """Whose image it says it is."""
        return (self.context["batch"], int(self.context["ordinal"])) if "batch" in self.context else None


@dataclass(frozen=True)
class Account:
    """All that is known of a run at its end."""

    assets: Sequence[Asset]
    #: Rows of the uploader's ledger, and the indexer's counters by folder.
    ledger: Sequence[Row]
    counters: Mapping[str, int]
    rendered: Mapping[Key, str]
    foreign: Mapping[str, str]
    stored: Mapping[Key, set[tuple[str, str, str]]]

    def images(self) -> list[Asset]:
        return [asset for asset in self.assets if asset.kind == "image"]

    def owned(self) -> dict[Key, list[Asset]]:
        found: dict[Key, list[Asset]] = defaultdict(list)
        for asset in self.images():
            if asset.owner:
                found[asset.owner].append(asset)
        return found


def assets_in(folder: Path) -> list[Asset]:
    found = []
    for path in sorted((folder / "records").glob("*.json")):
        record = json.loads(path.read_bytes())
        kind, _, public_id = record["address"]
        data = (folder / "bytes" / f"{record['asset_id']}.{record['version']}").read_bytes()
        context = record["description"]["context"]
        found.append(Asset(kind, public_id, record["overwrites"], context, data))
    return found


def broken(account: Account) -> list[str]:
    """Every way in which an image is not where it should be, or something else is."""
    return [*_images(account), *_others(account), *_ledger(account), *_told(account), *_mirrors(account)]


def right_mirrors(account: Account) -> int:
    """How many folders' index.txt say what they should."""
    return len(account.counters) - len(_mirrors(account))


def _images(account: Account) -> list[str]:
    owned, wrong = account.owned(), []
    for key, digest in account.rendered.items():
        match owned.get(key, []):
            case [asset] if asset.md5 != digest:
                wrong.append(f"{key} lies at {asset.public_id} with other bytes")
            case [asset] if not asset.public_id.endswith(f"_image_{asset.context['index']}"):
                wrong.append(f"{asset.public_id} says that its number is {asset.context['index']}")
            case [_]:
                pass
            case several:
                wrong.append(f"{key} lies in {len(several)} assets")
    return wrong


def _others(account: Account) -> list[str]:
    lying = {asset.public_id: asset for asset in account.images()}
    wrong = [
        f"{public_id} was somebody's own and is not what it was"
        for public_id, digest in account.foreign.items()
        if public_id not in lying or lying[public_id].md5 != digest
    ]
    wrong += [f"{each} belongs to nobody" for each in lying if _is_stray(lying[each], account)]
    return wrong + [
        f"{asset.public_id} was overwritten {asset.overwrites} times"
        for asset in lying.values()
        if asset.overwrites and asset.public_id not in account.foreign
    ]


def _is_stray(asset: Asset, account: Account) -> bool:
    return asset.owner not in account.rendered and asset.public_id not in account.foreign


def _ledger(account: Account) -> list[str]:
    owned, rows = account.owned(), {(row["batch_id"], row["ordinal"]): row for row in account.ledger}
    wrong = [
        f"the ledger knows {key}, which nobody rendered" for key in rows.keys() - account.rendered.keys()
    ]
    for key, digest in account.rendered.items():
        row = rows.get(key)
        said = (row["state"], row["public_id"], row["md5"], row["placeholder"]) if row else None
        if said not in {("stored", asset.public_id, digest, False) for asset in owned.get(key, [])}:
            wrong.append(f"the ledger says {said} of {key}")
    return wrong


def _told(account: Account) -> list[str]:
    """One address for each image, however often it was told."""
    owned = account.owned()
    return [
        f"of {key} was told {sorted(told)}"
        for key, digest in account.rendered.items()
        if len(told := account.stored.get(key, set())) != 1
        or [(each[0], each[2]) for each in told]
        != [(asset.public_id, digest) for asset in owned.get(key, [])]
    ]


def _mirrors(account: Account) -> list[str]:
    highest: dict[str, int] = defaultdict(int)
    for asset in account.images():
        parts = names.parse_public_id(asset.public_id)
        if parts:
            folder = asset.public_id.rpartition("/")[0]
            highest[folder] = max(highest[folder], parts.index)
    texts = {asset.public_id: asset.data.decode() for asset in account.assets if asset.kind == "raw"}
    return [
        f"{folder}: index.txt says {said}, the counter {counter}, and the highest image is {highest[folder]}"
        for folder, counter in account.counters.items()
        if not (said := texts.get(names.index_file(folder))) == str(counter) == str(highest[folder] + 1)
    ]
