"""Which backends there are: RENDERER_URLS itself, or a file of such URLs that may change while we run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from services.renderer.domain.equipment import Inventory
from services.renderer.ports import Renderer

#: Most images at one backend that a URL may ask for.
MOST_DEPTH = 10_000


class BadAddress(ValueError):
    """A renderer URL that can't be used; the text says what to write, and holds no credential."""


class Backend(Renderer, Protocol):
    """What the fleet needs of a renderer beside its rendering."""

    @property
    def inventory(self) -> Inventory | None:
        """What it has; None while it was not asked, empty where it can't be."""
        ...

    @property
    def machines(self) -> int:
        """Images that it renders at the same time, by what it said last; at least 1."""
        ...

    @property
    def about(self) -> str:
        """What it said of itself when it was asked last, for people."""
        ...

    def share(self, part: float) -> None:
        """This process has this part of the backend's jobs, and shall take no more of what it allows."""
        ...

    async def probe(self) -> None:
        """Whether it can render now, and what it offers. Raises Unreachable with the reason."""
        ...

    async def listen(self) -> None:
        """What it has to do in the background, for ever: hints, schedules. Must be safe to cancel."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Pace:
    """How much one backend is given at once."""

    #: Images that it holds at once.
    depth: int
    #: Least seconds between two submits.
    stagger: float = 0.0


@dataclass(frozen=True)
class Place:
    """One backend, as its URL describes it; two that are equal are the same backend."""

    #: For people and for the job book, never a credential.
    name: str
    url: str = field(repr=False)
    depth: int
    make: Callable[[], Backend] = field(repr=False, compare=False)


#: Reads a URL of one scheme. Raises BadAddress.
Reader = Callable[[str], Place]
#: Scheme -> its reader.
Kinds = Mapping[str, Reader]


def pace_of(query: dict[str, str], usual: Pace) -> Pace:
    """Takes `depth` and `stagger_ms` out of a URL's query. Raises BadAddress."""
    depth = _whole(query.pop("depth", None), "depth", 1, MOST_DEPTH)
    stagger = _whole(query.pop("stagger_ms", None), "stagger_ms", 0, 3_600_000)
    return Pace(usual.depth if depth is None else depth, usual.stagger if stagger is None else stagger / 1000)


def _whole(text: str | None, name: str, least: int, most: int) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise BadAddress(f"{name} must be a whole number from {least} to {most}")
    return int(text)


class Places:
    """The list as it stands, read from `RENDERER_URLS`: URLs separated by commas, or `file:PATH` of a file
    with one URL a line, where `#` begins a comment."""

    def __init__(self, urls: str, kinds: Kinds) -> None:
        self._kinds = kinds
        self._urls = urls
        self._file = _path(urls) if urls.strip().startswith("file:") else None
        self._seen: object = None
        self._read: object = None

    def read(self) -> list[Place]:
        """All of them. Raises BadAddress. A file may be empty: then images wait until it is not."""
        if self._file is not None:
            self._seen = self._read = self._signature()
            return _distinct(self._places(self._lines(self._file)))
        found = _distinct(self._places(("RENDERER_URLS", url) for url in self._urls.split(",")))
        if not found:
            raise BadAddress("RENDERER_URLS names no backend; set comfyui+http://host:8188")
        return found

    def changed(self) -> list[Place] | None:
        """All of them where the file has changed since it was read, and is no longer being written.
        Raises BadAddress."""
        if self._file is None:
            return None
        before, self._seen = self._seen, self._signature()
        if self._seen != before or self._seen == self._read:
            return None
        return self.read()

    def _signature(self) -> object:
        try:
            stat = self._file.stat() if self._file else None
        except OSError as why:
            return why.errno
        return stat and (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _lines(self, file: Path) -> Iterator[tuple[str, str]]:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, ValueError) as why:
            reason = why.strerror if isinstance(why, OSError) else "it is no UTF-8 text"
            raise BadAddress(f"the list of backends {file} cannot be read: {reason}") from None
        for number, line in enumerate(lines, 1):
            # A fragment has no meaning in these URLs, so whatever follows a # is a remark.
            yield f"{file} line {number}", line.partition("#")[0]

    def _places(self, entries: Iterator[tuple[str, str]]) -> Iterator[tuple[str, Place]]:
        for where, entry in entries:
            url = entry.strip().rstrip(",")
            if url:
                try:
                    yield where, self._place(url)
                except BadAddress as why:
                    raise BadAddress(f"{where}: {why}") from None

    def _place(self, url: str) -> Place:
        scheme = url.partition(":")[0]
        if scheme not in self._kinds:
            known = ", ".join(f"{each}://" for each in self._kinds)
            raise BadAddress(f"a renderer URL begins with one of {known}, not with {scheme[:20]!r}")
        return self._kinds[scheme](url)


def _distinct(places: Iterator[tuple[str, Place]]) -> list[Place]:
    found: dict[str, Place] = {}
    for where, place in places:
        if place.name in found:
            raise BadAddress(f"{where}: {place.name} is named twice")
        found[place.name] = place
    return list(found.values())


def _path(url: str) -> Path:
    """From `file:relative`, `file:/absolute` and `file:///absolute`."""
    return Path(unquote(urlsplit(url.strip()).path))
