"""Rules for faults: what goes wrong, for which prompts or calls, and how often."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator


@dataclass(frozen=True)
class Subject:
    """What a rule may match on."""

    #: The path without `/api`; empty inside an execution.
    route: str = ""
    method: str = ""
    #: The prompt's filename prefixes, or the file's path where a file is asked.
    prefixes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


class AnyRule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Substring of a filename_prefix (on /view: of `subfolder/filename`).
    prefix: str | None = None
    #: Substring of any text in the graph.
    text: str | None = None
    #: Regular expression, searched in the prefixes and the texts.
    pattern: str | None = None
    #: Matches that pass unharmed before the first fault.
    skip: int = Field(default=0, ge=0)
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


def _found(pattern: str, texts: Iterable[str]) -> bool:
    return any(re.search(pattern, text) for text in texts)


class _RouteRule(AnyRule):
    #: The path without `/api`, and whatever lies below it.
    route: str = Field(default="/prompt", pattern=r"^/")
    #: Any method where null.
    method: str | None = None

    def matches(self, subject: Subject) -> bool:
        under = subject.route == self.route or subject.route.startswith(self.route.rstrip("/") + "/")
        return under and self.method in (None, subject.method) and super().matches(subject)


class Latency(_RouteRule):
    """The answer comes late."""

    kind: Literal["latency"]
    seconds: float = Field(gt=0)


class DropBefore(_RouteRule):
    """The connection breaks before the server has read the call."""

    kind: Literal["drop_before"]


class DropAfter(_RouteRule):
    """The server does what it was asked; the answer is lost."""

    kind: Literal["drop_after"]


class HttpError(_RouteRule):
    """A proxy in between answers with an HTML page; the server never sees the call."""

    kind: Literal["http_error"]
    status: int = Field(default=502, ge=400, le=599)


class LoginPage(_RouteRule):
    """302 to an HTML login page."""

    kind: Literal["login_page"]


class NodeError(AnyRule):
    """A node raises."""

    kind: Literal["node_error"]
    #: The node that raises; the first one that runs where null.
    node_type: str | None = None
    exception_type: str = "RuntimeError"
    message: str = "boom\n"


class OutOfMemory(AnyRule):
    """KSampler, or the first node of a graph without one, runs out of GPU memory."""

    kind: Literal["out_of_memory"]


class Vanish(AnyRule):
    """The job is gone from queue and history: before it runs, or after it ran (its file stays)."""

    kind: Literal["vanish"]
    when: Literal["queued", "finished"] = "queued"


class FileVanishes(AnyRule):
    """The history lists a file that is no longer there."""

    kind: Literal["file_vanishes"]


class TruncatedFile(AnyRule):
    """The saved file ends in the middle."""

    kind: Literal["truncated_file"]


class NoOutput(AnyRule):
    """Success without an image."""

    kind: Literal["no_output"]


class ExtraOutput(AnyRule):
    """Success with one image too many."""

    kind: Literal["extra_output"]


class Stall(AnyRule):
    """The prompt hangs before its first node; an interrupt ends it."""

    kind: Literal["stall"]
    seconds: float = Field(gt=0)


class Restart(AnyRule):
    """The server restarts when the prompt has begun to run."""

    kind: Literal["restart"]
    #: Until then every connection breaks.
    down_seconds: float = Field(default=0.0, ge=0)


class ZombieSocket(AnyRule):
    """A WebSocket is accepted and stays silent."""

    kind: Literal["zombie_socket"]


Rule = Annotated[
    Latency
    | DropBefore
    | DropAfter
    | HttpError
    | LoginPage
    | NodeError
    | OutOfMemory
    | Vanish
    | FileVanishes
    | TruncatedFile
    | NoOutput
    | ExtraOutput
    | Stall
    | Restart
    | ZombieSocket,
    Field(discriminator="kind"),
]
RULES: TypeAdapter[list[Rule]] = TypeAdapter(list[Rule])
