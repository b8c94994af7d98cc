"""What is known of a run once nothing moves any more. Nothing of ours is imported here: whoever judges may
not lean on whom he judges."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

#: An image: batch id and ordinal.
Key = tuple[str, int]
Row = Mapping[str, Any]


@dataclass
class Asked:
    """A batch that the system took over, and what its user did about it."""

    batch_id: str
    username: str
    folder: str
    #: What an image's name begins with; its number follows.
    stem: str
    quantity: int
    by: Literal["http", "message"]
    #: Whether its renders fail: never, in the first round, or always.
    fails: Literal["never", "first", "always"] = "never"
    on_failure: Literal["placeholder", "omit"] = "placeholder"
    cancelled: bool = False
    retried: bool = False
    #: Ordinals that its user has deleted.
    deleted: set[int] = field(default_factory=set)

    @property
    def keys(self) -> list[Key]:
        return [(self.batch_id, ordinal) for ordinal in range(self.quantity)]


@dataclass(frozen=True)
class Asset:
    """One asset in the storage's folder; `md5` is that of the bytes that are really there."""

    kind: str
    public_id: str
    md5: str
    overwrites: int
    context: Mapping[str, str]
    tags: tuple[str, ...]
    #: Epoch seconds.
    uploaded_at: float
    #: The filename prefix in the graph that ComfyUI writes into its pictures.
    made_for: str | None = None
    #: Of a raw asset.
    text: str = ""

    @property
    def owner(self) -> Key | None:
        """Whose image it says it is."""
        return (self.context["batch"], int(self.context["ordinal"])) if "batch" in self.context else None


@dataclass(frozen=True)
class Submit:
    """One job that a backend took."""

    backend: str
    serverless: bool
    #: `BATCH/ROUND[.TRIES]/NAME`.
    prefix: str
    at: float
    #: (begun, ended) of each run; ended is None where the run was cut off.
    runs: tuple[tuple[float, float | None], ...] = ()


@dataclass(frozen=True)
class Struck:
    """One fault of a stand-in. A prefix names whom it struck, where it struck somebody."""

    backend: str
    kind: str
    at: float
    prefixes: tuple[str, ...] = ()
    route: str = ""


@dataclass(frozen=True)
class Blow:
    """Something that was done to a process, a neighbour or the disk, from then until then."""

    kind: str
    whom: str
    at: float
    until: float


@dataclass(frozen=True)
class Evidence:
    """All of it."""

    asked: Sequence[Asked]
    #: Batch ids that were to be refused.
    refused: frozenset[str] = frozenset()
    #: Bodies that were to become dead letters, and those that did.
    hopeless: frozenset[bytes] = frozenset()
    dead: Sequence[tuple[str, bytes]] = ()
    #: Queue -> messages that still wait in it.
    waiting: Mapping[str, int] = field(default_factory=dict)
    #: MD5 of what others have put into storage, by public id.
    foreign: Mapping[str, str] = field(default_factory=dict)
    assets: Sequence[Asset] = ()
    #: `schema.table` -> its rows.
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    submits: Sequence[Submit] = ()
    struck: Sequence[Struck] = ()
    blows: Sequence[Blow] = ()
    #: Image -> the (public id, MD5) that were told of its picture; batch -> what was said of its end.
    told: Mapping[Key, Collection[tuple[str, str]]] = field(default_factory=dict)
    finished: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    #: MD5 -> filename prefix of pictures that do not say it themselves.
    pictures: Mapping[str, str] = field(default_factory=dict)
    #: Answers of the gateway that no caller should ever get.
    answers: Sequence[str] = ()

    @cached_property
    def images(self) -> dict[Key, Row]:
        """What the gateway tells people of each image."""
        return {(row["batch_id"], row["ordinal"]): row for row in self.tables["gateway.images"]}

    @cached_property
    def ledger(self) -> dict[Key, Row]:
        """What the uploader says of each image."""
        return {(row["batch_id"], row["ordinal"]): row for row in self.tables["uploader.assets"]}

    @cached_property
    def numbers(self) -> dict[Key, list[int]]:
        """Every number that an image ever had, in order."""
        had = {
            (row["batch_id"], ordinal): [row["first"] + ordinal]
            for row in self.tables["indexer.reservations"]
            for ordinal in range(row["quantity"])
        }
        moves = sorted(self.tables["indexer.reassignments"], key=lambda row: int(row["new_index"]))
        for row in moves:
            had.setdefault((row["batch_id"], row["ordinal"]), []).append(row["new_index"])
        return had

    @cached_property
    def owned(self) -> dict[Key, list[Asset]]:
        """Assets by the image that they say they are."""
        found: dict[Key, list[Asset]] = defaultdict(list)
        for asset in self.assets:
            if asset.kind == "image" and asset.owner:
                found[asset.owner].append(asset)
        return found

    @cached_property
    def lying(self) -> dict[str, Asset]:
        """Images in storage by public id."""
        return {asset.public_id: asset for asset in self.assets if asset.kind == "image"}

    @cached_property
    def by_id(self) -> dict[str, Asked]:
        return {asked.batch_id: asked for asked in self.asked}

    @cached_property
    def names(self) -> dict[str, Key]:
        """`BATCH/NAME` of every name that an image ever had -> the image."""
        return {
            f"{asked.batch_id}/{asked.stem}{number}": key
            for asked in self.asked
            for key in asked.keys
            for number in self.numbers.get(key, ())
        }

    def image_of(self, prefix: str) -> tuple[Key, int] | None:
        """The image and the round that a filename prefix was made for."""
        batch_id, _, rest = prefix.partition("/")
        place, _, name = rest.partition("/")
        key, round_ = self.names.get(f"{batch_id}/{name}"), place.partition(".")[0]
        return (key, int(round_)) if key and round_.isdigit() else None

    @cached_property
    def by_image(self) -> dict[tuple[Key, int], list[Submit]]:
        """Jobs by image and round."""
        found: dict[tuple[Key, int], list[Submit]] = defaultdict(list)
        for submit in self.submits:
            if made := self.image_of(submit.prefix):
                found[made].append(submit)
        return found
