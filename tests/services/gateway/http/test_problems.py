"""Every error is a problem document of one shape, and tells nothing of the inside."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from services.gateway.adapters.http.codes import CODES
from tests.nodes.postgres import OwnPostgres
from tests.services.gateway.http.door import JSON, SECRET, Door, opened

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}


async def each_problem(door: Door) -> list[httpx.Response]:
    character_id = await door.character()
    batches = f"/v1/characters/{character_id}/batches"
    areg, taken = door.areg, {"name": "Opal Fever"}
    async with httpx.AsyncClient(base_url=door.url) as nobody:
        return [
            await areg.post("/v1/characters", content=b"{", headers=JSON),
            await nobody.get("/v1/batches"),
            await areg.post("/v1/characters", json={"name": "x", "premade": True}),
            await areg.get("/v1/batches/bat_0"),
            await areg.get("/nothing/here"),
            await areg.delete("/v1/batches/bat_0"),
            await areg.post("/v1/characters", json=taken),
            await areg.post("/v1/characters", content=b"x" * (2 << 20), headers=JSON),
            await areg.post("/v1/characters", content=b"name=x"),
            await areg.post(batches, json={"prompt": ""}),
            await areg.post(batches, json={"prompt": "x", "workflow": "?"}),
        ]


async def test_problems_have_one_shape(door: Door) -> None:
    problems = await each_problem(door)
    assert [answer.status_code for answer in problems] == [
        400, 401, 403, 404, 404, 405, 409, 413, 415, 422, 422,
    ]  # fmt: skip
    for answer in problems:
        body = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert set(body) - {"errors"} == MEMBERS
        assert body["request_id"] == answer.headers["X-Request-Id"]
        assert re.fullmatch(r"req_[0-9a-f]{32}", body["request_id"])
        assert (body["status"], body["type"]) == (answer.status_code, "about:blank")
        assert body["instance"] == answer.request.url.path
        assert CODES[body["code"]].status == answer.status_code
        assert SECRET not in answer.text
        assert not re.search(r"Traceback|pydantic|sqlalchemy|/services/|\.py", answer.text)
    assert len({answer.json()["request_id"] for answer in problems}) == len(problems)


async def test_a_bug_is_a_500_that_says_nothing_but_its_id(tmp_path: Path) -> None:
    async with opened(tmp_path) as door:
        door.spoil("DROP TABLE images")
        with structlog.testing.capture_logs() as logged:
            answer = await door.areg.get("/v1/batches")
        body = answer.json()
        assert (answer.status_code, body["code"]) == (500, "internal_error")
        assert body["detail"] == "something here is broken; it was logged"
        assert "images" not in answer.text
        assert body["request_id"] == answer.headers["X-Request-Id"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        (line,) = [line for line in logged if line["event"] == "request failed"]
        assert line["request_id"] == body["request_id"]


async def test_a_database_outage_is_a_503_that_says_when_to_try_again(
    tmp_path: Path, own_postgres: OwnPostgres
) -> None:
    async with opened(tmp_path, DATABASE_URL=own_postgres.url) as door:
        character_id = await door.character()
        calls: list[tuple[str, str, Any]] = [
            ("GET", "/v1/batches", None),
            ("GET", f"/v1/characters/{character_id}", None),
            ("POST", "/v1/characters", {"name": "Second"}),
            ("POST", f"/v1/characters/{character_id}/batches", {"prompt": "x"}),
        ]
        await own_postgres.kill()
        for method, path, body in calls:
            answer = await door.areg.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert "postgres" not in answer.text
        ready = await door.areg.get("/ready")
        assert (ready.status_code, "gateway database" in ready.json()["troubles"]) == (503, True)
        assert (await door.areg.get("/health")).status_code == 200


async def test_every_answer_keeps_browsers_careful(door: Door) -> None:
    for path in ("/v1/batches", "/health", "/openapi.json", "/nothing"):
        answer = await door.areg.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-Id"].startswith("req_")
        assert "Server" not in answer.headers
        assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/characters", "GET, HEAD, POST"),
        ("/v1/batches", "GET, HEAD"),
        ("/v1/batches/bat_1", "GET, HEAD, PUT"),
        ("/v1/batches/bat_1/cancel", "POST"),
        ("/api/image-generation/generate", "POST"),
        ("/health", "GET, HEAD"),
    ],
)
async def test_each_path_says_which_methods_it_knows(door: Door, path: str, allowed: str) -> None:
    refused = await door.areg.request("DELETE", path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)
    assert refused.json()["code"] == "method_not_allowed"
    asked = await door.areg.options(path)
    assert (asked.status_code, asked.headers["Allow"], asked.content) == (204, allowed, b"")


async def test_head_answers_as_get_without_the_body(door: Door) -> None:
    for path, status in (("/v1/batches", 200), ("/v1/batches/bat_0", 404), ("/health", 200)):
        answer = await door.areg.head(path)
        got = await door.areg.get(path)
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers["Content-Type"] == got.headers["Content-Type"]
        assert answer.headers["Content-Length"] == got.headers["Content-Length"]


async def test_health_readiness_and_metrics_ask_for_no_token(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        assert (await http.get("/health")).json() == {"status": "alive"}
        ready = await http.get("/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "troubles": {}})
        metrics = await http.get("/metrics")
        assert metrics.headers["Content-Type"].startswith("text/plain")
        assert "darkroom_outbox_age_seconds" in metrics.text


async def test_answers_on_a_connection_that_is_kept_open_wait_for_no_acknowledgement(door: Door) -> None:
    """A delayed acknowledgement takes 40 ms, each time; the quickest of many shows whether one was waited
    for, however busy the machine is."""
    await door.areg.get("/health")
    took = [(await door.areg.get("/health")).elapsed.total_seconds() for _ in range(30)]
    assert min(took) < 0.03
