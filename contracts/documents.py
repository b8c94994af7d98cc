"""The documents made from the models: one JSON Schema per message and one AsyncAPI document for all.

`python -m contracts.documents` writes them beside this file; `--check` writes nothing, names those that are
stale and exits with 1 if there are any.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from contracts import asyncapi, topology
from contracts.asyncapi import Json
from contracts.message import Message

HERE = Path(__file__).parent
SCHEMAS = "schemas"
ASYNCAPI = "asyncapi.json"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Plain(GenerateJsonSchema):
    """Titles for models alone: a field's title would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        return False


def json_schema(message: type[Message]) -> Json:
    """What a body must look like; made for those who write one, so fields with a default are optional."""
    return {
        "$schema": _DIALECT,
        "$id": f"urn:darkroom:message:{message.route()}",
    } | message.model_json_schema(schema_generator=_Plain)


def documents() -> dict[str, str]:
    """Path inside this package -> text, of every generated file."""
    made = {f"{SCHEMAS}/{message.route()}.json": json_schema(message) for message in topology.MESSAGES}
    made[ASYNCAPI] = asyncapi.document(_schemas())
    return {path: _text(document) for path, document in made.items()}


def stale(folder: Path) -> list[str]:
    """Generated files that are missing, differ, or belong to a message that is gone."""
    wanted = documents()
    differing = [path for path, text in wanted.items() if _read(folder / path) != text]
    return sorted(differing + _left_over(folder, wanted))


def write(folder: Path) -> list[str]:
    """Make the folder right; returns the paths that were not."""
    wanted, changed = documents(), stale(folder)
    (folder / SCHEMAS).mkdir(parents=True, exist_ok=True)
    for path in changed:
        if path in wanted:
            (folder / path).write_bytes(wanted[path].encode())
        else:
            (folder / path).unlink()
    return changed


def main(arguments: Sequence[str], folder: Path = HERE) -> int:
    parser = argparse.ArgumentParser(prog="python -m contracts.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if a file is stale")
    check = parser.parse_args(arguments).check
    changed = stale(folder) if check else write(folder)
    word = "stale" if check else "written"
    sys.stdout.writelines(f"{word}: {folder.name}/{path}\n" for path in changed)
    if check and changed:
        sys.stdout.write("Run `python -m contracts.documents` and commit what it writes.\n")
    return int(check and bool(changed))


def _schemas() -> Json:
    models: list[tuple[type[Message], JsonSchemaMode]] = [
        (model, "validation") for model in topology.MESSAGES
    ]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}", schema_generator=_Plain)
    schemas: Json = made["$defs"]
    return schemas


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _read(path: Path) -> str | None:
    return path.read_bytes().decode(errors="replace") if path.exists() else None


def _left_over(folder: Path, wanted: dict[str, str]) -> list[str]:
    there = (f"{SCHEMAS}/{path.name}" for path in (folder / SCHEMAS).glob("*.json"))
    return [path for path in there if path not in wanted]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
