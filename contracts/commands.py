"""Commands: imperative, owned by the service that receives them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.limits import MAX_QUANTITY, MAX_SIDE, MAX_TEXT, MIN_SIDE
from contracts.message import BatchId, Kind, Message, Ordinal, Round, Value

Parameter = str | int | float | bool


class Command(Message):
    kind: ClassVar[Kind] = Kind.COMMAND


class Character(Value):
    """Whose picture is made. The folder follows from the name's slug and the collection."""

    id: str
    name: str
    collection: str = Field(
        description="`characters` if the user owns it, `premade_characters` if it is marked premade",
        json_schema_extra={"enum": ["characters", "premade_characters"]},
    )
    #: Name of a textual-inversion embedding, used where the backend offers it.
    embedding: str | None = None
    #: Whether its images are delivered to holders of their signed URL alone.
    private: bool = False


class GenerateBatch(Command):
    """gateway or anybody -> indexer: make `quantity` images of a character, numbered in one block.

    Types are checked here, values by `contracts.acceptance`: a message that decodes but asks for
    something impossible is answered with `BatchRejected` instead of disappearing into a dead-letter queue.
    """

    batch_id: BatchId
    username: str
    character: Character
    prompt: str = Field(json_schema_extra={"maxLength": MAX_TEXT})
    negative_prompt: str = Field(default="", json_schema_extra={"maxLength": MAX_TEXT})
    quantity: int = Field(default=1, json_schema_extra={"minimum": 1, "maximum": MAX_QUANTITY})
    width: int = Field(default=1024, json_schema_extra={"minimum": MIN_SIDE, "maximum": MAX_SIDE})
    height: int = Field(default=1536, json_schema_extra={"minimum": MIN_SIDE, "maximum": MAX_SIDE})
    #: The first image's seed; the others count up from it. Drawn once per batch where it is absent.
    seed: int | None = None
    style: str | None = None
    workflow: str = "portrait"
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    on_failure: Literal["placeholder", "omit"] = "placeholder"


class RetryImages(Command):
    """gateway or anybody -> renderer: render these ordinals again, in this round, at the same indexes."""

    batch_id: BatchId
    round: Annotated[Round, Field(ge=2)]
    ordinals: tuple[Ordinal, ...] = Field(min_length=1, max_length=MAX_QUANTITY)


class CancelBatch(Command):
    """gateway or anybody -> renderer: end what has not ended yet as cancelled.

    A sender that knows the batch's newest round says it: then a copy that comes late does not cancel what
    was asked for again in between. Without it, everything is cancelled that is under way when it comes.
    """

    batch_id: BatchId
    round: Round | None = None


class DeleteImage(Command):
    """gateway -> uploader: take this image out of storage; its number is never used again."""

    public_id: str = Field(min_length=1, max_length=255)

    def key(self) -> tuple[str | int, ...]:
        return (self.public_id,)


class OpenFolder(Command):
    """gateway -> indexer: a character was registered; know its folder and tell where its numbers begin."""

    folder: str = Field(min_length=1, max_length=255)

    def key(self) -> tuple[str | int, ...]:
        return (self.folder,)
