"""Batches and displaced images as they arrive."""

from typing import Any

from contracts.commands import Character, GenerateBatch
from contracts.events import Found, IndexTaken
from tests.services.indexer.ledgers import OPAL


def batch(batch_id: str = "b1", quantity: int = 4, name: str = "Opal Fever", **changes: Any) -> GenerateBatch:
    character = Character(id="chr_1", name=name, collection=changes.pop("collection", "premade_characters"))
    wanted = {"username": "Areg", "prompt": "on a rooftop", **changes}
    return GenerateBatch(batch_id=batch_id, quantity=quantity, character=character, **wanted)


def taken(ordinal: int, index: int, batch_id: str = "b1", folder: str = OPAL, round_: int = 1) -> IndexTaken:
    found = Found(public_id=f"{folder}/Areg_opal-fever_image_{index}")
    return IndexTaken(
        batch_id=batch_id, ordinal=ordinal, round=round_, index=index, folder=folder, found=found
    )
