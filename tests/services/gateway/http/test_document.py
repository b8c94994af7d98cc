"""The OpenAPI document is good enough to generate a client from."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.gateway.adapters.http.codes import CODES
from services.gateway.domain.callers import SCOPES
from tests.services.gateway.http.door import Door
from tests.services.gateway.http.listener import read_all

Document = dict[str, Any]
PROBLEM = "application/problem+json"


@pytest.fixture
async def document(door: Door) -> Document:
    async with httpx.AsyncClient(base_url=door.url) as http:
        answer = await http.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return dict(answer.json())


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    """Every call that needs a token."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation["security"]:
                yield f"{method.upper()} {path}", operation


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def resolved(document: Document, reference: str) -> Any:
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def troubles(document: Document, schema: Document, value: Any) -> list[str]:
    """Why a value does not keep a schema of this document."""
    whole = {**schema, "components": document["components"]}
    checked = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in checked.iter_errors(value)]


def test_it_is_openapi_3_1(document: Document) -> None:
    assert document["openapi"].startswith("3.1.")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for name, operation in operations(document):
        assert operation["responses"], name
        for each in operation.get("parameters", []):
            assert {"name", "in", "schema"} <= set(each), name
            assert each["in"] != "path" or each["required"], name
        in_path = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert set(re.findall(r"{(\w+)}", name)) == in_path, name


def test_it_keeps_the_specification(document: Document) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_names_are_given_once_and_make_good_functions(document: Document) -> None:
    named = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(named) == len(set(named))
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in named)


def test_every_code_of_a_problem_is_told(document: Document) -> None:
    schema = document["components"]["schemas"]["ProblemDocument"]
    assert schema["properties"]["code"]["enum"] == sorted(CODES)


def test_every_tag_of_the_field_is_there(document: Document) -> None:
    used = {tag for item in document["paths"].values() for each in item.values() for tag in each["tags"]}
    assert used == {tag["name"] for tag in document["tags"]}
    assert used >= {"batches", "images", "characters", "workflows", "webhooks", "events", "usage", "health"}


def test_what_a_service_may_say_is_told_of_every_call(document: Document) -> None:
    assert all(
        f"`{scope}`" in document["components"]["securitySchemes"]["token"]["description"] for scope in SCOPES
    )
    for name, operation in operations(document):
        headers = [each["name"] for each in operation["parameters"] if each["in"] == "header"]
        assert "X-On-Behalf-Of" in headers, name


async def test_health_is_as_the_document_says(door: Door, document: Document) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        for path in ("/health", "/ready"):
            answer = await http.get(path)
            told = document["paths"][path]["get"]["responses"][str(answer.status_code)]
            media = told["content"]["application/json"]
            assert troubles(document, media["schema"], answer.json()) == []
            assert troubles(document, media["schema"], media["example"]) == []
        assert (await http.get("/metrics")).headers["Content-Type"].startswith("text/plain")


async def test_workflows_are_told_with_what_they_allow(door: Door) -> None:
    answer = (await door.areg.get("/v1/workflows")).json()
    assert [each["name"] for each in answer["items"]] == ["colour-card", "portrait"]
    assert answer["items"][0]["sizes"] == {"min": 64, "max": 4096, "multiple_of": 8}


def test_every_reference_resolves(document: Document) -> None:
    references = [part["$ref"] for part in parts(document) if isinstance(part.get("$ref"), str)]
    assert references
    for reference in references:
        assert resolved(document, reference)


def test_every_schema_is_used(document: Document) -> None:
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_operations_have_stable_names(document: Document) -> None:
    assert {operation["operationId"]: name for name, operation in operations(document)} == {
        "generateImages": "POST /api/image-generation/generate",
        "listCharacterImages": "GET /api/image-generation/character/{character_id}",
        "registerCharacter": "POST /v1/characters",
        "listCharacters": "GET /v1/characters",
        "getCharacter": "GET /v1/characters/{character_id}",
        "askForBatch": "POST /v1/characters/{character_id}/batches",
        "putBatch": "PUT /v1/batches/{client_id}",
        "listBatches": "GET /v1/batches",
        "getBatch": "GET /v1/batches/{batch_id}",
        "streamEvents": "GET /v1/events",
        "streamBatchEvents": "GET /v1/batches/{batch_id}/events",
        "cancelBatch": "POST /v1/batches/{batch_id}/cancel",
        "retryBatch": "POST /v1/batches/{batch_id}/retry",
        "listImages": "GET /v1/characters/{character_id}/images",
        "exportImages": "GET /v1/characters/{character_id}/export",
        "downloadImage": "GET /v1/images/{image_id}/file",
        "getImage": "GET /v1/images/{image_id}",
        "markImage": "PATCH /v1/images/{image_id}",
        "deleteImage": "DELETE /v1/images/{image_id}",
        "changeImages": "POST /v1/images/bulk",
        "makeCollection": "POST /v1/collections",
        "listCollections": "GET /v1/collections",
        "getCollection": "GET /v1/collections/{collection_id}",
        "renameCollection": "PATCH /v1/collections/{collection_id}",
        "dropCollection": "DELETE /v1/collections/{collection_id}",
        "listCollected": "GET /v1/collections/{collection_id}/images",
        "collectImages": "POST /v1/collections/{collection_id}/images",
        "collectImage": "PUT /v1/collections/{collection_id}/images/{image_id}",
        "removeCollectedImage": "DELETE /v1/collections/{collection_id}/images/{image_id}",
        "getUsage": "GET /v1/usage",
        "listWorkflows": "GET /v1/workflows",
        "addWebhook": "POST /v1/webhooks",
        "listWebhooks": "GET /v1/webhooks",
        "getWebhook": "GET /v1/webhooks/{webhook_id}",
        "changeWebhook": "PATCH /v1/webhooks/{webhook_id}",
        "removeWebhook": "DELETE /v1/webhooks/{webhook_id}",
        "rotateWebhookSecret": "POST /v1/webhooks/{webhook_id}/rotate-secret",
        "testWebhook": "POST /v1/webhooks/{webhook_id}/test",
        "listDeliveries": "GET /v1/webhooks/{webhook_id}/deliveries",
        "getDelivery": "GET /v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
        "redeliver": "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        "getWebhookSecret": "GET /v1/webhook-secret",
        "rotateOwnWebhookSecret": "POST /v1/webhook-secret/rotate",
        "getOverview": "GET /v1/operate",
        "listDeadLetters": "GET /v1/operate/dead-letters",
        "getDeadLetter": "GET /v1/operate/dead-letters/{dead_letter_id}",
        "replayDeadLetters": "POST /v1/operate/dead-letters/replay",
        "dropDeadLetters": "POST /v1/operate/dead-letters/drop",
    }


def test_every_operation_is_described(document: Document) -> None:
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= tags, name
        assert len(operation["tags"]) == 1, name


def test_every_operation_asks_for_a_token(document: Document) -> None:
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for name, operation in operations(document):
        ((scheme_name, scopes),) = operation["security"][0].items()
        assert (scheme_name, len(operation["security"]), len(scopes)) == ("token", 1, 1), name
        assert set(scopes) <= set(SCOPES), name


def test_every_error_is_a_problem_document_with_examples_of_its_codes(document: Document) -> None:
    for name, operation in operations(document):
        errors = {status: told for status, told in operation["responses"].items() if status >= "400"}
        assert {"401", "403", "500", "503"} <= set(errors), name
        assert "requestBody" not in operation or {"400", "413", "415", "422"} <= set(errors), name
        for status, told in errors.items():
            assert list(told["content"]) == [PROBLEM], (name, status)
            media = told["content"][PROBLEM]
            for code, example in media["examples"].items():
                assert CODES[code].status == int(status)
                assert troubles(document, media["schema"], example["value"]) == []


def test_every_good_answer_has_an_example_that_keeps_its_schema(document: Document) -> None:
    for name, operation in operations(document):
        good = {status: told for status, told in operation["responses"].items() if status < "300"}
        assert good, name
        for status, told in good.items():
            if status == "204" or not {"text/event-stream", "application/zip", "image/*"}.isdisjoint(
                told["content"]
            ):
                continue
            media = told["content"]["application/json"]
            assert troubles(document, media["schema"], media["example"]) == [], (name, status)


def test_the_example_of_a_stream_has_every_event_and_keeps_their_schemas(document: Document) -> None:
    responses = document["paths"]["/v1/batches/{batch_id}/events"]["get"]["responses"]
    assert "content" not in responses["204"]
    assert list(responses["200"]["content"]) == ["text/event-stream"]
    media = responses["200"]["content"]["text/event-stream"]
    assert set(media) == {"schema", "example", "x-events"}
    told = read_all(media["example"])
    assert {event.name for event in told} == set(media["x-events"])
    for event in told:
        assert troubles(document, media["x-events"][event.name], event.data) == [], event.name
    assert [event.id for event in told] == ["40", None, None, "41", None, "41.end"]


def test_every_body_has_an_example_that_keeps_its_schema(document: Document) -> None:
    bodies = [operation["requestBody"] for _, operation in operations(document) if "requestBody" in operation]
    assert len(bodies) == 14
    for body in bodies:
        schema = body["content"]["application/json"]["schema"]
        named = [part["$ref"] for part in parts(schema) if "$ref" in part]
        (example,) = resolved(document, named[0])["examples"]
        assert troubles(document, schema, example) == []


def test_headers_are_told(document: Document) -> None:
    told = {operation["operationId"]: operation["responses"] for _, operation in operations(document)}
    assert {"Location", "Retry-After", "Preference-Applied"} <= set(told["askForBatch"]["202"]["headers"])
    assert "Location" in told["registerCharacter"]["201"]["headers"]
    assert "Link" in told["listBatches"]["200"]["headers"]
    assert "WWW-Authenticate" in told["getBatch"]["401"]["headers"]
    assert "Retry-After" in told["getBatch"]["503"]["headers"]
    for responses in told.values():
        assert all("X-Request-Id" in each["headers"] for each in responses.values())


async def test_what_is_answered_keeps_the_document(door: Door, document: Document) -> None:
    character_id = await door.character()
    made = await door.areg.post(
        f"/v1/characters/{character_id}/batches", json={"prompt": "x"}, headers={"Prefer": "wait=30"}
    )
    batch_id = made.json()["id"]
    old = {"characterId": character_id, "prompt": "x"}
    answers = {
        "askForBatch": made,
        "getBatch": await door.areg.get(f"/v1/batches/{batch_id}"),
        "cancelBatch": await door.areg.post(f"/v1/batches/{batch_id}/cancel"),
        "retryBatch": await door.areg.post(f"/v1/batches/{batch_id}/retry"),
        "listBatches": await door.areg.get("/v1/batches"),
        "getCharacter": await door.areg.get(f"/v1/characters/{character_id}"),
        "listCharacters": await door.areg.get("/v1/characters"),
        "registerCharacter": await door.areg.post("/v1/characters", json={"name": "Second"}),
        "listImages": await door.areg.get(f"/v1/characters/{character_id}/images"),
        "getImage": await door.areg.get(f"/v1/images/{batch_id}.0"),
        "changeImages": await door.areg.post("/v1/images/bulk", json={"action": "delete", "ids": ["x"]}),
        "makeCollection": await door.areg.post("/v1/collections", json={"name": "Covers"}),
        "listCollections": await door.areg.get("/v1/collections"),
        "getUsage": await door.areg.get("/v1/usage"),
        "generateImages": await door.areg.post("/api/image-generation/generate", json=old),
        "listCharacterImages": await door.areg.get(f"/api/image-generation/character/{character_id}"),
    }
    told = {operation["operationId"]: operation["responses"] for _, operation in operations(document)}
    for name, answer in answers.items():
        kind = answer.headers["Content-Type"]
        schema = told[name][str(answer.status_code)]["content"][kind]["schema"]
        assert troubles(document, schema, answer.json()) == [], name
