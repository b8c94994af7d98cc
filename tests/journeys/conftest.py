"""A journey hears nothing of the machine's own variables, and has its stand-ins to itself."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from chassis.settings import Settings
from services.__main__ import SERVICES, SystemSettings
from tests.journeys.around import Around, around

RENDER_SECONDS = 0.05


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[type[Settings]] = [SystemSettings, *(kind for kind, _ in SERVICES.values())]
    for name in {name for kind in kinds for name in kind.model_fields}:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Trouble is wanted here: only what nobody wanted is worth a line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Around]:
    """Stand-ins that outlive the system."""
    async with around(tmp_path, RENDER_SECONDS) as made:
        yield made
