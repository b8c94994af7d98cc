"""What goes over the wire of an event stream (WHATWG HTML, section 9.2), encoded once for everybody."""

from dataclasses import dataclass
from typing import Literal

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, Field

from services.gateway.domain.changes import Position

#: Milliseconds after which a client that lost its stream opens it again.
RETRY = 2000


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, or a word to the client alone."""

    event: str | None
    id: str | None
    wire: bytes

    @property
    def data(self) -> str:
        """What the event says, as JSON."""
        lines = self.wire.decode().split("\n")
        return "".join(line.removeprefix("data: ") for line in lines if line.startswith("data: "))


def frame(name: str, told: BaseModel, at: Position | None = None) -> Frame:
    written = str(at) if at else None
    return Frame(name, written, format_sse_event(event=name, data_str=told.model_dump_json(), id=written))


BEGIN = Frame(None, None, format_sse_event(retry=RETRY))
HEARTBEAT = Frame(None, None, KEEPALIVE_COMMENT)

Reason = Literal["token_expired", "too_slow", "stopping"]
_DETAIL: dict[Reason, str] = {
    "token_expired": "the token has expired; come back with a new one",
    "too_slow": "what was sent was not read in time; come back with the last id",
    "stopping": "this process stops; come back with the last id",
}


class ClosingShape(BaseModel):
    """Why a stream ends that had more to say."""

    reason: Reason = Field(examples=["token_expired"])
    detail: str


def closing(reason: Reason) -> Frame:
    return frame("closing", ClosingShape(reason=reason, detail=_DETAIL[reason]))
