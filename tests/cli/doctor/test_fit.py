"""What the doctor finds in the settings."""

import os

import pytest

from cli.doctor.finding import Finding
from cli.doctor.fit import SETTINGS, settings
from services.__main__ import SERVICES

GOOD = {
    "BUS_URL": "amqp://u:geheim@broker/x",
    "DATABASE_URL": "postgresql+asyncpg://u:geheim@base/x",
    "BLOBS_URL": "s3://bucket/prefix?region=x",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "geheim",
    "CLOUDINARY_URL": "cloudinary://key:geheim@cloud",
    "RENDERER_URLS": "comfyui+http://127.0.0.1:8188,runpod://endpoint",
    "JWT_SECRET": "a secret that is long enough for HS256",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, _ in SERVICES.values():
        for name in kind.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


async def found() -> dict[str, Finding]:
    seen = {each.subject: each for each in await settings()}
    assert "geheim" not in repr(seen)
    return seen


async def test_settings_that_fit_are_fine() -> None:
    assert {name: each.state for name, each in (await found()).items()} == {SETTINGS: "ok"}


@pytest.mark.parametrize(
    ("changed", "subject", "state", "says"),
    [
        (
            {"RENDER_DEADLINE": "900", "IMAGE_DEADLINE": "900"},
            "RENDER_DEADLINE",
            "wrong",
            "fails after 900 s",
        ),
        ({"RENDER_DEADLINE": "60"}, "RENDER_DEADLINE", "warning", "shorter than a cold start"),
        ({"PATIENCE_SECONDS": "900"}, "PATIENCE_SECONDS", "warning", "a try ends after 900 s"),
        ({"LEASE_SECONDS": "1"}, "LEASE_SECONDS", "warning", "look at each job every 1 s"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "BLOBS_URL", "wrong", "no key for it"),
        ({"BLOBS_URL": "file:var/blobs"}, "BLOBS_URL", "ok", "must see the same one"),
        ({"IMAGES_PER_USER": "9", "IMAGES_IN_ALL": "8"}, "IMAGES_PER_USER", "warning", "all together 8"),
        (
            {"HOST": "0.0.0.0", "WEBHOOK_ALLOW_PRIVATE": "true"},
            "WEBHOOK_ALLOW_PRIVATE",
            "warning",
            "private addresses",
        ),
        (
            {"HOST": "0.0.0.0", "DRAIN_SECONDS": "0"},
            "DRAIN_SECONDS",
            "warning",
            "before a load balancer knows",
        ),
        ({"DEPTH": "many"}, "DEPTH", "wrong", "without it renderer won't start"),
    ],
)
async def test_what_does_not_fit_is_named_with_what_to_do(
    changed: dict[str, str], subject: str, state: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    seen = (await found())[subject]
    assert (seen.state, says in seen.says) == (state, True), seen
    assert seen.advice or state == "ok"


async def test_what_is_missing_is_one_finding_with_all_who_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    seen = await found()
    assert list(seen) == ["DATABASE_URL"]
    assert seen["DATABASE_URL"].says == (
        "is not set; without it gateway, indexer, renderer, uploader won't start"
    )
    assert "postgresql+asyncpg://" in seen["DATABASE_URL"].advice


async def test_a_gateway_that_can_not_check_tokens_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWT_SECRET")
    (seen,) = (await found()).values()
    assert (seen.subject, seen.state) == (SETTINGS, "wrong")
    assert "JWT_SECRET or JWT_JWKS_URL must be set" in seen.says


async def test_where_nothing_is_set_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GOOD:
        monkeypatch.delenv(name)
    assert not set(GOOD) & set(os.environ)
    (seen,) = (await found()).values()
    assert (seen.state, "python -m services" in seen.advice) == ("warning", True)
