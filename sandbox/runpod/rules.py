"""The faults that an endpoint can be told to have: on the way, in its queue, and in its workers."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from sandbox.comfyui.rules import (
    ExtraOutput,
    FileVanishes,
    NodeError,
    NoOutput,
    OutOfMemory,
    Stall,
    TruncatedFile,
    Vanish,
)
from sandbox.rules import AnyRule, DropAfter, DropBefore, HtmlPage, HttpError, Latency, RouteRule


class ApiError(RouteRule):
    """The API itself answers with an error in JSON."""

    kind: Literal["api_error"]
    status: int = Field(default=500, ge=400, le=599)
    message: str = "Internal Server Error"


class TooMany(RouteRule):
    """429, whatever the limits are."""

    kind: Literal["too_many"]
    #: Seconds in `Retry-After`; without that header where null, as RunPod documents none.
    retry_after: float | None = Field(default=None, ge=0)


class Stuck(AnyRule):
    """The job stays IN_QUEUE while workers idle."""

    kind: Literal["stuck"]
    #: For ever where null; its ttl ends it then.
    seconds: float | None = Field(default=None, gt=0)


class JobFails(AnyRule):
    """The worker's handler raises before it has rendered anything."""

    kind: Literal["job_fails"]
    #: Null for what the SDK makes of an exception: a JSON text with traceback and host names.
    error: str | None = None


class HistoryMissed(AnyRule):
    """The worker reads the history of a failed graph too early, as it does by chance: its images are lost."""

    kind: Literal["history_missed"]


class RunsTwice(AnyRule):
    """A worker is lost with its result: the job goes back to the queue and is run again, and paid again
    (runpod-python #402 has jobs that ran twice)."""

    kind: Literal["runs_twice"]


class NoResult(AnyRule):
    """The worker could not post its result: COMPLETED without an output."""

    kind: Literal["no_result"]


class FewerImages(AnyRule):
    """COMPLETED with one image less than the graph made, and no word about it."""

    kind: Literal["fewer_images"]


class OddState(AnyRule):
    """/status says a state that no list has."""

    kind: Literal["odd_state"]
    state: str = "RUNNING"


class WebhookNever(AnyRule):
    """The webhook is not called."""

    kind: Literal["webhook_never"]


class WebhookTwice(AnyRule):
    """The webhook is called again after it was answered with 200."""

    kind: Literal["webhook_twice"]


Rule = Annotated[
    Latency
    | DropBefore
    | DropAfter
    | HttpError
    | HtmlPage
    | ApiError
    | TooMany
    | Vanish
    | Stuck
    | JobFails
    | HistoryMissed
    | RunsTwice
    | NoResult
    | FewerImages
    | OddState
    | WebhookNever
    | WebhookTwice
    | NodeError
    | OutOfMemory
    | FileVanishes
    | TruncatedFile
    | NoOutput
    | ExtraOutput
    | Stall,
    Field(discriminator="kind"),
]
RULES: TypeAdapter[list[Rule]] = TypeAdapter(list[Rule])
