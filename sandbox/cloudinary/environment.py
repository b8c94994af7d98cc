"""One product environment: the state that every call of a stand-in works on."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from sandbox.cloudinary.faults import Faults
from sandbox.cloudinary.quota import HourlyQuota
from sandbox.cloudinary.settings import CloudinarySettings
from sandbox.cloudinary.store import AssetStore, Outcome

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _own_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, thread_name_prefix="cloudinary-stand-in")


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
    threads: ThreadPoolExecutor = field(default_factory=_own_threads)

    async def in_thread(self, work: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
        """Run what blocks on the disk or the processor off the event loop.

        In threads of its own: clients in the same process may fill the loop's default ones while they wait
        for this very answer. The threads end when the application is forgotten.
        """
        bound = partial(work, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self.threads, bound)
