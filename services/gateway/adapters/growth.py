"""What events of images make of batches, in the order in which they came. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import RowMapping

from contracts.events import ImageStored
from services.gateway.adapters import change_log
from services.gateway.domain.batches import is_complete
from services.gateway.domain.images import ENDED, ImageState
from services.gateway.domain.news import News, of_image
from services.gateway.ports import Merge

Key = tuple[str, int]


@dataclass(frozen=True)
class Heard:
    """One event about an image."""

    batch_id: str
    ordinal: int
    index: int
    merge: Merge

    @property
    def key(self) -> Key:
        return self.batch_id, self.ordinal

    @property
    def asset(self) -> ImageStored | None:
        """What it says of storage by itself."""
        return self.merge(ImageState(self.batch_id, self.ordinal, self.index)).asset


@dataclass
class Growth:
    """What the events of a group make of one batch. `row`: its row before, locked."""

    row: RowMapping
    ended: int
    started: float | None
    images: dict[int, ImageState] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    changes: list[change_log.Entry] = field(default_factory=list)
    #: Images that ended, as often as they did.
    ends: list[ImageState] = field(default_factory=list)
    #: Whether a retry of one of them was answered.
    retried: bool = False

    def hear(self, old: ImageState | None, new: ImageState) -> None:
        over, was_over = new.status in ENDED, old is not None and old.status in ENDED
        if new != old:
            self.images[new.ordinal] = new
            self.ended += over - was_over
            shown = {"ordinal": new.ordinal, "index": new.index, "status": new.status.word}
            self.changes.append((new.batch_id, "image", shown))
        if over and not was_over:
            self.ends.append(new)
        self.retried |= new.round > 1 and over
        self.started = _started(self.started, new)
        self.news += of_image(old, new)


def merged(heard: Sequence[Heard], known: Mapping[Key, ImageState]) -> list[ImageState]:
    """What is known after each event, but for deletions."""
    latest, after = dict(known), []
    for each in heard:
        before = latest.get(each.key) or ImageState(each.batch_id, each.ordinal, each.index)
        latest[each.key] = each.merge(before)
        after.append(latest[each.key])
    return after


def last_of(rows: Mapping[str, RowMapping], heard: Sequence[Heard]) -> set[str]:
    """Batches whose images may all have ended after these events."""
    images = Counter(batch_id for batch_id, _ in {each.key for each in heard})
    return {
        batch_id
        for batch_id, many in images.items()
        if is_complete(rows[batch_id]["ended"] + many, rows[batch_id]["quantity"])
    }


def grown(
    rows: Mapping[str, RowMapping],
    known: Mapping[Key, ImageState],
    images: Sequence[ImageState],
    gone: Collection[str],
) -> list[Growth]:
    batches = {batch_id: Growth(row, row["ended"], row["started_at"]) for batch_id, row in rows.items()}
    latest = dict(known)
    for image in images:
        key = image.batch_id, image.ordinal
        new = replace(image, deleted=image.asset.public_id in gone) if image.asset else image
        batches[image.batch_id].hear(latest.get(key), new)
        latest[key] = new
    return list(batches.values())


def after(known: Mapping[Key, ImageState], growing: Sequence[Growth]) -> dict[str, list[ImageState]]:
    """By batch, what is known of its images now."""
    latest = dict(known)
    for each in growing:
        latest |= {(image.batch_id, image.ordinal): image for image in each.images.values()}
    images: dict[str, list[ImageState]] = defaultdict(list)
    for (batch_id, _), image in sorted(latest.items()):
        images[batch_id].append(image)
    return images


def _started(known: float | None, image: ImageState) -> float | None:
    """When the batch's first image was begun: an image is stored soon after its GPU time has passed."""
    if image.picture is None:
        return known
    begun = image.picture.created_at.timestamp() - image.picture.gpu_ms / 1000
    return begun if known is None else min(known, begun)
