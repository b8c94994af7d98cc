"""What a placeholder shows to the people who asked for the image."""

from dataclasses import dataclass

from contracts.events import ImageFailed
from services.uploader.domain.steps import Store, batch_of

_WORDS = {
    "bytes_lost": "The finished image was lost before it could be stored.",
    "deadline": "The image was not finished in time.",
    "too_large": "The finished image is larger than the storage plan allows.",
    "invalid_image": "The finished image is damaged.",
    "refused": "Storage refused the finished image.",
    "store_failed": "The finished image could not be stored.",
}


@dataclass(frozen=True)
class Card:
    """A picture of `width` by `height` pixels with a name, a number and a reason on it."""

    width: int
    height: int
    character: str
    index: int
    reason: str


def card_of(claim: Store, failed: ImageFailed) -> Card:
    request = batch_of(claim).request
    return Card(request.width, request.height, request.character.name, claim.row.place.index, _reason(failed))


def _reason(failed: ImageFailed) -> str:
    """A sentence, and the detail of the failure where it says more."""
    words = _WORDS.get(failed.code, "The image could not be rendered.")
    return words if not failed.detail or failed.detail == words else f"{words} {failed.detail}"
