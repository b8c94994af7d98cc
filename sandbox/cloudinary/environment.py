"""One product environment: the state that every call of a stand-in works on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.cloudinary.faults import Faults
from sandbox.cloudinary.quota import HourlyQuota
from sandbox.cloudinary.settings import CloudinarySettings
from sandbox.cloudinary.store import AssetStore, Outcome


@dataclass(slots=True)
class Stats:
    """What happened since the start. Counted on the event loop only."""

    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    admin_calls: int = 0


@dataclass(frozen=True, slots=True)
class ProductEnvironment:
    settings: CloudinarySettings
    store: AssetStore
    quota: HourlyQuota
    now: Callable[[], float]
    faults: Faults = field(default_factory=Faults)
    stats: Stats = field(default_factory=Stats)
