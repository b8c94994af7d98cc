"""The generated documents: fresh, true to the models, and whole."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from contracts import documents, topology
from contracts.message import Message
from messaging.envelope import Envelope
from tests.contracts import golden

ASYNCAPI: Any = json.loads((documents.HERE / documents.ASYNCAPI).read_text())
ROOT = documents.HERE.parent


def schema_of(message: type[Message]) -> Any:
    return json.loads((documents.HERE / documents.SCHEMAS / f"{message.route()}.json").read_text())


def references(document: Any) -> Iterator[str]:
    parts = (
        document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    )
    for part in parts:
        yield from references(part)
    if isinstance(document, dict) and isinstance(document.get("$ref"), str):
        yield document["$ref"]


def resolved(reference: str) -> Any:
    assert reference.startswith("#/")
    found = ASYNCAPI
    for name in reference[2:].split("/"):
        found = found[name]
    return found


def operations(action: str) -> set[tuple[str, str]]:
    """(service, route) of every operation of that kind."""
    return {
        (operation["tags"][0]["name"], resolved(operation["channel"]["$ref"])["address"])
        for operation in ASYNCAPI["operations"].values()
        if operation["action"] == action
    }


def test_the_committed_documents_are_those_of_the_models() -> None:
    assert documents.stale(documents.HERE) == []


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_check_passes_in_any_process(seed: str) -> None:
    command = [sys.executable, "-m", "contracts.documents", "--check"]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_check_names_every_stale_file_and_touches_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents.write(tmp_path)
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "schemas/GenerateBatch.v1.json").unlink()
    (tmp_path / "schemas/Forgotten.v1.json").write_text("{}")
    assert documents.main(["--check"], tmp_path) == 1
    said = capsys.readouterr().out
    assert [line.partition("/")[2] for line in said.splitlines() if line.startswith("stale: ")] == [
        "asyncapi.json",
        "schemas/Forgotten.v1.json",
        "schemas/GenerateBatch.v1.json",
    ]
    assert (tmp_path / "asyncapi.json").read_text() == "{}"


def test_writing_makes_stale_files_right_and_removes_what_is_left_over(tmp_path: Path) -> None:
    documents.write(tmp_path)
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "schemas/Forgotten.v1.json").write_text("{}")
    assert documents.main([], tmp_path) == 0
    assert documents.stale(tmp_path) == []
    assert not (tmp_path / "schemas/Forgotten.v1.json").exists()


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert len(documents.write(tmp_path)) == len(topology.MESSAGES) + 1
    assert documents.write(tmp_path) == []


@pytest.mark.parametrize("text", documents.documents().values(), ids=documents.documents().keys())
def test_a_document_ends_with_one_newline_and_is_sorted(text: str) -> None:
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("message", topology.MESSAGES, ids=lambda message: message.route())
def test_a_schema_says_what_it_describes_and_names_no_host(message: type[Message]) -> None:
    schema = schema_of(message)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:darkroom:message:{message.route()}"
    assert schema["title"] == message.__name__
    assert "->" in schema["description"]


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_golden_body_keeps_its_schema(name: str) -> None:
    Draft202012Validator(schema_of(golden.message_of(name))).validate(golden.value(name))


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_body_that_lacks_a_required_field_breaks_its_schema(name: str) -> None:
    schema = schema_of(golden.message_of(name))
    for field in schema.get("required", []):
        lacking = {key: part for key, part in golden.value(name).items() if key != field}
        assert not Draft202012Validator(schema).is_valid(lacking)


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_golden_body_keeps_its_payload_in_the_asyncapi_document(name: str) -> None:
    message = ASYNCAPI["components"]["messages"][golden.message_of(name).route()]
    payload = message["payload"] | {"components": ASYNCAPI["components"]}
    Draft7Validator(payload).validate(golden.value(name))
    assert not Draft7Validator(payload).is_valid([])


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    found = set(references(ASYNCAPI))
    assert len(found) > 2 * len(topology.MESSAGES)
    for reference in found:
        assert resolved(reference)


def test_the_asyncapi_document_has_a_channel_for_every_route() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert {channel["address"] for channel in ASYNCAPI["channels"].values()} == set(topology.BY_ROUTE)
    for channel in ASYNCAPI["channels"].values():
        exchange = channel["bindings"]["amqp"]["exchange"]
        assert (exchange["name"], exchange["type"], exchange["durable"]) == ("darkroom", "topic", True)


def test_the_asyncapi_document_has_an_operation_for_every_sender_and_reader() -> None:
    for action, table in (("send", topology.SENDERS), ("receive", topology.READERS)):
        assert operations(action) == {
            (service, message.route()) for service, messages in table.items() for message in messages
        }


@pytest.mark.parametrize("queue", topology.QUEUES, ids=lambda queue: queue.name)
def test_the_service_of_every_queue_receives_from_it(queue: topology.Queue) -> None:
    operation = ASYNCAPI["operations"][f"{queue.service}.receives.{queue.message.route()}"]
    assert operation["x-queue"]["name"] == queue.name
    assert operation["x-queue"]["dead-letters"] == queue.dead
    assert queue.name in resolved(operation["channel"]["$ref"])["description"]


@pytest.mark.parametrize("name", golden.NAMES)
def test_the_correlation_id_is_where_the_document_says(name: str) -> None:
    message = golden.message_of(name).decode(golden.body(name))
    described = ASYNCAPI["components"]["messages"][message.route()].get("correlationId")
    batch = getattr(message, "batch_id", None)
    if batch is None:
        assert described is None
        return
    found = golden.value(name)
    for part in described["location"].removeprefix("$message.payload#/").split("/"):
        found = found[part]
    assert found == batch


def test_the_headers_that_are_written_are_those_described() -> None:
    message = golden.message_of("CancelBatch.v1.json").decode(golden.body("CancelBatch.v1.json"))
    sent = Envelope.of(message, "gateway", datetime.now(UTC))
    full = Envelope.read(
        sent.route,
        sent.body,
        sent.headers() | {"causation-id": str(message.id()), "traceparent": "00-1-2-01"},
    ).buried(1, "the database is busy", datetime.now(UTC))
    schema = ASYNCAPI["components"]["schemas"]["Headers"]
    Draft7Validator(schema).validate(full.headers())
    assert set(full.headers()) == set(schema["properties"])
