"""The running gateway against its own OpenAPI document: calls that keep it, and calls that do not."""

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.services.gateway.http.door import bearer, opened, token
from tests.services.gateway.http.routes import ROUTES, Things, things_of_areg
from tests.services.gateway.http.test_export import shelf_for

#: Calls of each kind to each route.
CALLS = 10
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Answers without an end have tests of their own.
STREAMS = {"streamBatchEvents", "streamEvents"}
#: Calls that would take away what the others are about.
DESTROYS = {"dropCollection", "removeWebhook"}
#: Nothing died here; that a dead letter is shown has a test of its own.
MISSING = {"getDeadLetter"}
#: Nobody waits for images here, and nobody acts for another.
SAID = {"Prefer": "respond-async", "X-On-Behalf-Of": "Areg"}
#: Headers that say where a body ends; a wrong one is the server's own to refuse, before there is a request.
FRAMING = {"transfer-encoding", "content-length"}
#: Nobody is refused for what the calls before his asked for.
GENEROUS = {"BATCHES_PER_MINUTE": "100000", "IMAGES_PER_USER": "10000000", "IMAGES_IN_ALL": "10000000"}


@dataclass(frozen=True)
class Gateway:
    url: str
    things: Things
    operations: dict[str, APIOperation[Any, Any, Any, Any]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """In a thread of its own: whoever calls it here waits for each answer."""
    ready: Future[Gateway] = Future()
    stops: list[Callable[[], object]] = []

    async def serve(folder: Path) -> None:
        stop = asyncio.Event()
        stops.append(partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set))
        try:
            async with opened(folder, False, **GENEROUS) as door, shelf_for(door) as shelf:
                things = await things_of_areg(door, premade=False, stored=shelf.stored)
                # A refusal costs nothing, and reads like any other batch.
                door.peer.refuses = "not now"
                document = (await door.areg.get("/openapi.json")).json()
                ready.set_result(Gateway(door.url, things, _operations(document)))
                await stop.wait()
        except BaseException as why:
            if not ready.done():
                ready.set_exception(why)
            raise

    folder = tmp_path_factory.mktemp("gateway")
    thread = Thread(target=lambda: asyncio.run(serve(folder)))
    thread.start()
    try:
        yield ready.result(60)
    finally:
        for stop in stops:
            stop()
        thread.join()


def _operations(document: dict[str, Any]) -> dict[str, APIOperation[Any, Any, Any, Any]]:
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    # None of them is in error, which the next line would say.
    found = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]
    return {str(each.definition.raw["operationId"]): each for each in found}


def _of_a_character(character_id: str, case: Any) -> Any:
    """A body that names a character names one that there is."""
    if isinstance(case.body, dict):
        case.body |= {name: character_id for name in ("character_id", "characterId") if name in case.body}
    return case


@pytest.mark.slow
# The library draws from `random` in its own strategies, seeded as everything here.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("name", sorted(ROUTES.keys() - STREAMS))
def test_whatever_is_called_is_answered_as_the_document_says(
    gateway: Gateway, name: str, mode: GenerationMode
) -> None:
    operation = gateway.operations[name]
    known = {each: gateway.things[each] for each in re.findall(r"{(\w+)}", operation.path)}
    cases = operation.as_strategy(generation_mode=mode)
    if name not in DESTROYS:
        named = operation.as_strategy(generation_mode=mode, path_parameters=known or None)
        cases |= named.map(partial(_of_a_character, gateway.things["character_id"]))
    statuses: set[int] = set()

    @settings(
        max_examples=CALLS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def calls(case: Any) -> None:
        case.headers = {
            each: said for each, said in (case.headers or {}).items() if each.lower() not in FRAMING
        }
        answer = case.call(
            base_url=gateway.url, headers={**bearer(token(scope=ROUTES[name].named)), **SAID}, timeout=30
        )
        case.validate_response(answer, checks=CHECKS)
        statuses.add(answer.status_code)

    calls()
    # Calls that all went wrong, or all well, would show little.
    wanted = range(200, 300) if mode is GenerationMode.POSITIVE else range(400, 500)
    assert name in DESTROYS | MISSING or statuses & set(wanted), statuses
