"""Pages of a listing: the order, and where the next page begins even when assets come and go meanwhile."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sandbox.cloudinary.asset import Asset
from sandbox.cloudinary.refusals import Refusal

DEFAULT_RESULTS = 10
MAX_RESULTS = 500
SortKey = Callable[[Asset], tuple[float | str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    assets: tuple[Asset, ...]
    next_cursor: str | None
    total: int


def by_public_id(asset: Asset) -> tuple[float | str, str]:
    return asset.public_id, asset.asset_id


def by_creation(asset: Asset) -> tuple[float | str, str]:
    return asset.created_at, asset.asset_id


def page_of(
    assets: Iterable[Asset], key: SortKey, size: int, cursor: str, *, descending: bool = False
) -> Page:
    """One page in the order of `key`, from after the asset the cursor names; raises Refusal for a bad one."""
    ordered = sorted(assets, key=key, reverse=descending)
    after = _position(cursor)
    rest = ordered
    if after is not None:
        rest = [asset for asset in ordered if (key(asset) < after if descending else key(asset) > after)]
    shown = rest[:size]
    following = _cursor(key(shown[-1])) if shown and len(rest) > size else None
    return Page(tuple(shown), following, len(ordered))


def page_size(asked: str, default: int = DEFAULT_RESULTS) -> int:
    """`max_results` as a number between 1 and 500; raises Refusal for what is none."""
    if not asked:
        return default
    if not asked.isdecimal() or not int(asked):
        raise Refusal(400, f"Invalid value {asked} for parameter max_results")
    return min(int(asked), MAX_RESULTS)


def _cursor(position: tuple[float | str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[float | str, str] | None:
    if not cursor:
        return None
    try:
        first, second = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError):
        raise Refusal(400, "Invalid value for parameter next_cursor") from None
    return first, second
