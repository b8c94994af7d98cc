"""Batches to render, as the indexer reserves them."""

from typing import Any

from contracts import names
from contracts.acceptance import folder_of
from contracts.commands import Character, GenerateBatch
from contracts.events import IndicesReserved

OPAL = Character(id="opal", name="Opal Fever", collection=names.PREMADE)


def reserved(
    batch_id: str = "b1", quantity: int = 1, first: int = 1, padding: int = 0, **wishes: Any
) -> IndicesReserved:
    """Cards in one colour unless `workflow` says otherwise: they need no model and take milliseconds."""
    asked: dict[str, Any] = {
        "username": "Areg",
        "character": OPAL,
        "prompt": "a portrait",
        "width": 64,
        "height": 64,
    }
    request = GenerateBatch(
        **{"batch_id": batch_id, "quantity": quantity, "workflow": "colour-card", **asked, **wishes}
    )
    return IndicesReserved(
        request=request,
        folder=folder_of(request),
        first=first,
        quantity=quantity,
        next_index=first + quantity,
        padding=padding,
    )
