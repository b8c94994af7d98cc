"""What every message is: a frozen value with a route, a kind and an id that follows from its content."""

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.limits import MAX_INDEX

#: Every deterministic message id grows from this namespace; changing it would make old replays look new.
NAMESPACE = UUID("6d8f7c52-5a0e-5f5b-9c1b-0c2f6a7d1e43")

BatchId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="chosen by whoever asks")]
Ordinal = Annotated[int, Field(ge=0, le=999, description="place inside the batch, from 0")]
Index = Annotated[int, Field(ge=1, le=MAX_INDEX, description="present number inside the folder, from 1")]
Round = Annotated[int, Field(ge=1, le=1_000_000, description="1, and one more with every RetryImages")]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Kind(StrEnum):
    """How a message is meant and how carefully it travels."""

    COMMAND = "command"
    EVENT = "event"
    #: Unconfirmed, to every replica that listens now, gone if none does.
    TRANSIENT = "transient"


class Undecodable(Exception):
    """The bytes do not keep the contract of their route; the text says where and why, without the bytes."""


class Value(BaseModel):
    """A part of a message. Readers ignore fields that they don't know, and never guess a type."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Message(Value):
    """A message, named as in the design. Its body is JSON; its route is its name and version."""

    revision: ClassVar[int] = 1
    kind: ClassVar[Kind]
    #: False only where nobody has to read it: an unroutable publish is then no error.
    mandatory: ClassVar[bool] = True

    @classmethod
    def route(cls) -> str:
        return f"{cls.__name__}.v{cls.revision}"

    def key(self) -> tuple[str | int, ...]:
        """What the message is about; with the route it makes the id, so that the same cause repeats it."""
        about = (getattr(self, name) for name in _had(type(self), ("batch_id", "ordinal", "round")))
        return tuple(part for part in about if part is not None)

    def id(self) -> UUID:
        return uuid5(NAMESPACE, "/".join((self.route(), *map(str, self.key()))))

    def encode(self) -> bytes:
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Raises Undecodable with the field and the reason, never with the value itself."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise Undecodable(_plainly(cls.route(), error)) from None

    def about(self) -> dict[str, Any]:
        """What a log line says of this message."""
        names = _had(type(self), ("batch_id", "ordinal", "index", "round", "public_id", "folder"))
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@cache
def _had(message: type[Message], names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that such a message has. To ask a model for what it has not is slow, and this is asked of every
    message several times."""
    return tuple(name for name in names if name in message.model_fields or hasattr(message, name))


def _plainly(route: str, error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    shown = "; ".join(f"{_place(p['loc'])}: {p['msg']}" for p in problems[:5])
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    return f"not a {route}: {shown}{more}"


def _place(parts: tuple[str | int, ...]) -> str:
    # The keys of a map are the sender's own words, as long as he likes.
    return ".".join(str(part)[:64] for part in parts) or "body"
