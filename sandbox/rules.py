"""What every fault rule has, and the faults of the way between a client and a stand-in."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


@dataclass(frozen=True)
class Subject:
    """What a rule may match on."""

    #: The path without what all routes of the stand-in begin with; empty inside an execution.
    route: str = ""
    method: str = ""
    #: The graph's filename prefixes, or the file's path where a file is asked.
    prefixes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    #: Whether the call hands in work.
    submits: bool = False


class AnyRule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    #: Substring of a filename_prefix (where a file is asked: of `subfolder/filename`).
    prefix: str | None = None
    #: Substring of any other text that the client sent.
    text: str | None = None
    #: Regular expression, searched in the prefixes and the texts.
    pattern: str | None = None
    #: Matches that pass unharmed before the first fault.
    skip: int = Field(default=0, ge=0)
    #: Only every nth match after those is a fault.
    every: int = Field(default=1, ge=1)
    #: How many faults; null for ever.
    times: int | None = Field(default=1, ge=1)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    def matches(self, subject: Subject) -> bool:
        wanted = (
            (self.prefix is None or any(self.prefix in each for each in subject.prefixes)),
            (self.text is None or any(self.text in each for each in subject.texts)),
            (self.pattern is None or _found(self.pattern, (*subject.prefixes, *subject.texts))),
        )
        return all(wanted)

    def strikes(self, nth: int) -> bool:
        """Whether the nth match, counted from 1, is a fault."""
        turn, rest = divmod(nth - self.skip, self.every)
        return turn > 0 and rest == 0 and (self.times is None or turn <= self.times)


def _found(pattern: str, texts: Iterable[str]) -> bool:
    return any(re.search(pattern, text) for text in texts)


class RouteRule(AnyRule):
    #: The path, and whatever lies below it; null for the calls that hand in work.
    route: str | None = Field(default=None, pattern=r"^/")
    #: Any method where null.
    method: str | None = None

    def matches(self, subject: Subject) -> bool:
        return self._concerns(subject) and self.method in (None, subject.method) and super().matches(subject)

    def _concerns(self, subject: Subject) -> bool:
        if self.route is None:
            return subject.submits
        return subject.route == self.route or subject.route.startswith(self.route.rstrip("/") + "/")


class Latency(RouteRule):
    """The answer comes late."""

    kind: Literal["latency"]
    seconds: float = Field(gt=0)
    #: Up to so many seconds more, by chance.
    spread: float = Field(default=0, ge=0)

    def drawn(self) -> float:
        return self.seconds + random.uniform(0, self.spread)  # noqa: S311 - a delay, not a secret


class DropBefore(RouteRule):
    """The connection breaks before the server has read the call."""

    kind: Literal["drop_before"]


class DropAfter(RouteRule):
    """The server does what it was asked; the answer is lost."""

    kind: Literal["drop_after"]


class HttpError(RouteRule):
    """A proxy in between answers with an HTML page; the server never sees the call."""

    kind: Literal["http_error"]
    status: int = Field(default=502, ge=400, le=599)


class HtmlPage(RouteRule):
    """200 with an HTML page in the place of what was asked; the server never sees the call."""

    kind: Literal["html_page"]
