"""The faults that a ComfyUI can be told to have: what goes wrong, and for which prompts or calls."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from sandbox.rules import AnyRule, DropAfter, DropBefore, HtmlPage, HttpError, Latency, RouteRule


class LoginPage(RouteRule):
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
    """The prompt hangs before a node; an interrupt ends it."""

    kind: Literal["stall"]
    #: The node that it hangs before; the first one that runs where null.
    node_type: str | None = None
    seconds: float = Field(gt=0)


class Restart(AnyRule):
    """The server restarts when the prompt has begun to run."""

    kind: Literal["restart"]
    #: Until then every connection breaks.
    down_seconds: float = Field(default=0.0, ge=0)


class ZombieSocket(AnyRule):
    """A WebSocket stays open and falls silent."""

    kind: Literal["zombie_socket"]
    #: Messages that still come through.
    after: int = Field(default=0, ge=0)


Rule = Annotated[
    Latency
    | DropBefore
    | DropAfter
    | HttpError
    | HtmlPage
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
