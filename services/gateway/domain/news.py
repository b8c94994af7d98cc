"""What an owner may want to be told of his batches, each thing once."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5

from contracts.events import BatchFinished
from services.gateway.domain.images import ImageState, Status


class Word(StrEnum):
    """The type of an event, as receivers read it."""

    BATCH_STARTED = "batch.started"
    BATCH_COMPLETED = "batch.completed"
    IMAGE_COMPLETED = "image.completed"
    IMAGE_FAILED = "image.failed"
    IMAGE_DELETED = "image.deleted"
    #: Sent when somebody asks for it, to whatever webhook he names.
    TEST = "webhook.test"


#: What a webhook can ask for.
EVENTS = tuple(word.value for word in Word if word is not Word.TEST)
#: What it gets if it asks for nothing.
USUAL = (Word.BATCH_COMPLETED.value,)
#: Events about single images: a batch has up to a thousand of each, so they are spread.
OF_IMAGES = (Word.IMAGE_COMPLETED.value, Word.IMAGE_FAILED.value, Word.IMAGE_DELETED.value)
#: Words that clients of Replicate's API know, and what they mean here.
SYNONYMS = {
    "start": (Word.BATCH_STARTED.value,),
    "output": (Word.IMAGE_COMPLETED.value, Word.IMAGE_FAILED.value),
    "completed": (Word.BATCH_COMPLETED.value,),
}

# A cancelled image is none of these: whoever cancels a batch hears of its end, and not a thousand times.
_WORDS = {
    Status.SUCCEEDED: Word.IMAGE_COMPLETED,
    Status.PLACEHOLDER: Word.IMAGE_FAILED,
    Status.FAILED: Word.IMAGE_FAILED,
    Status.DELETED: Word.IMAGE_DELETED,
    Status.DISCARDED: Word.IMAGE_DELETED,
}


@dataclass(frozen=True)
class News:
    """Something that is true now and was not before."""

    word: Word
    batch_id: str
    #: The round it is about; 0 of a batch that got no numbers.
    round: int = 0
    image: ImageState | None = None
    end: BatchFinished | None = None

    def key(self, webhook_id: str) -> str:
        """What the receiver knows it by: the same however often it is found out or sent, another one for
        every webhook, and nothing that a caller could choose."""
        ordinal = "" if self.image is None else self.image.ordinal
        about = f"{webhook_id}/{self.word}/{self.batch_id}/{ordinal}/{self.round}"
        return f"msg_{uuid5(NAMESPACE_URL, f'darkroom/webhook/{about}').hex}"


def of_image(old: ImageState | None, new: ImageState) -> Sequence[News]:
    """What a change of an image is to its owner."""
    told, before = _told(new), _told(old) if old else None
    if told is None or told == before:
        return ()
    word, round_ = told
    return (News(word, new.batch_id, round_, image=new),)


def of_start(batch_id: str) -> News:
    """The batch has its numbers."""
    return News(Word.BATCH_STARTED, batch_id)


def of_end(end: BatchFinished) -> News:
    """Every image has ended, or there will be none. A batch that was refused may still come to be."""
    return News(Word.BATCH_COMPLETED, end.batch_id, end.round if end.results else 0, end=end)


def meant(words: Sequence[str]) -> tuple[str, ...]:
    """The events that these words of a filter name, in our order; the usual ones where there are none."""
    named = {event for word in words for event in SYNONYMS.get(word, (word,))}
    return tuple(event for event in EVENTS if event in named) or USUAL


def _told(image: ImageState) -> tuple[Word, int] | None:
    word = _WORDS.get(image.status)
    if word is None:
        return None
    # A later round that was only asked for does not make another image of the one that is there.
    settled = image.asset is not None and word is not Word.IMAGE_FAILED
    return word, image.asset.round if settled and image.asset else image.round
