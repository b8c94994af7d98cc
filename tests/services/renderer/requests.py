"""Batches to render, as the indexer reserves them."""

import json
from pathlib import Path
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


def card(prefix: str) -> dict[str, Any]:
    """The graph of one card in one colour."""
    colours = {"width": 64, "height": 64, "batch_size": 1, "color": 3}
    return {
        "1": {"class_type": "EmptyImage", "inputs": colours},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def workflow(folder: Path, name: str, graph: dict[str, Any], prefix: str = '"9.filename_prefix"') -> Path:
    """A folder of workflows with this one, whose seed is the colour of node 1."""
    (folder / name).mkdir(parents=True)
    (folder / name / "graph.json").write_text(json.dumps(graph))
    seed = 'seed = { to = "1.color", modulo = 16777216 }'
    (folder / name / "inputs.toml").write_text(
        f'output = "9"\n[inputs]\n{seed}\nfilename_prefix = {prefix}\n'
    )
    return folder
