"""The whole system as whoever runs it sees it over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.adapters.http import operate_examples as examples
from services.gateway.adapters.http.shapes import Asked, Text

#: Dead letters that one call may name or be answered with, and bytes of a body that are shown.
MAX_LETTERS, MAX_SHOWN = 500, 262_144

LetterName = Annotated[Text, Field(min_length=1, max_length=250, examples=[examples.DEAD_LETTER_ID])]


class FlowShape(BaseModel):
    """What came of everybody's images."""

    outstanding: int = Field(description="asked for, and not ended")
    last_5_minutes: int = Field(description="real images that ended")
    last_hour: int
    per_minute_of_5: float = Field(description="images a minute over the last five")
    per_minute_of_60: float
    placeholders_last_hour: int
    failed_last_hour: int


class CauseShape(BaseModel):
    code: str
    count: int = Field(description="placeholders and failures of the last hour")


class QueueShape(BaseModel):
    name: str
    waiting: int
    dead_letters: int | None = Field(description="null for a wait queue: nothing dies there")


class ProcessShape(BaseModel):
    service: str
    instance: str
    ready: bool
    reason: str | None = Field(description="why it is not ready")
    in_flight: int
    silent: bool = Field(description="it should have said something since; it ended, or can't be heard")
    seconds_ago: float = Field(description="since its last word; each says how it is every five seconds")


class BackendShape(BaseModel):
    name: str
    healthy: bool = Field(description="whether any renderer may send to it")
    reason: str | None = Field(description="what keeps a renderer from it")
    depth: int = Field(description="images that it may hold at once")
    busy: int
    seconds_per_image: float | None
    embeddings: list[str]
    renderers: int = Field(description="how many tell of it")
    healthy_for: int = Field(description="for how many of them it is healthy")


class OverviewShape(BaseModel):
    at: datetime
    images: FlowShape
    failures: list[CauseShape] = Field(description="most frequent first")
    in_flight: int = Field(description="renders that are under way")
    dead_letters: int
    queues: list[QueueShape]
    processes: list[ProcessShape]
    backends: list[BackendShape]


class DeathShape(BaseModel):
    at: datetime | None
    reason: str
    attempts: int


class DeadLetterShape(BaseModel):
    """A message that nobody could handle."""

    id: str
    queue: str = Field(description="where it died, and where it would be replayed")
    route: str
    batch_id: str | None
    reason: str
    died_at: datetime | None
    first_seen: datetime | None = Field(description="when its first attempt failed")
    attempts: int
    earlier: list[DeathShape] = Field(description="it was replayed after each of these, oldest first")
    bytes: int = Field(description="length of its body")


class DeadLetterPage(BaseModel):
    items: list[DeadLetterShape]
    has_more: bool


class WholeDeadLetter(DeadLetterShape):
    headers: dict[str, str | int]
    body: str = Field(description="as text; bytes that are none are written as \\x..")
    truncated: bool = Field(description=f"whether the body is longer than {MAX_SHOWN} bytes, and cut here")


class Chosen(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.CHOSEN]})

    ids: list[LetterName] = Field(min_length=1, max_length=MAX_LETTERS)


class SettledShape(BaseModel):
    id: str
    status: Literal["done", "gone"] = Field(description="`gone`: it no longer lay there")


class SettledLetters(BaseModel):
    items: list[SettledShape] = Field(description="in the order of the question, each letter once")
