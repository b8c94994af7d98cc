"""Backends come and go while renderers run: nothing is lost, and nothing is restarted."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from messaging.memory import MemoryBus
from tests.services.renderer.backends import Backend, backend, renders
from tests.services.renderer.requests import reserved
from tests.services.renderer.stage import listening, renderer, settings, stage

PORTRAIT: dict[str, Any] = {"workflow": "portrait", "parameters": {"steps": 4}}


def listed(file: Path, *backends: Backend, query: str = "") -> str:
    """What RENDERER_URLS is set to. Written beside it first, as one should: the list is never half there."""
    fresh = file.with_suffix(".new")
    fresh.write_text("# the fleet\n" + "".join(f"{each.renderer_url}{query}\n" for each in backends))
    fresh.rename(file)
    return f"file:{file}"


async def test_a_backend_that_is_added_to_the_file_gets_images(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    async with backend(tmp_path / "a", render_seconds=0.2) as one, backend(tmp_path / "b") as two:
        async with stage(tmp_path, listed(file, one), depth=1) as heard:
            await heard.bus.publish(reserved("b1", quantity=40, **PORTRAIT))
            await heard.until(lambda: bool(heard.ready))
            listed(file, one, two)
            await heard.until(lambda: len(heard.ready) == 40)
        assert {image.backend for image in heard.ready} == {one.name, two.name}


async def test_a_backend_that_is_taken_out_ends_what_it_has_and_gets_nothing_new(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    async with backend(tmp_path / "a", render_seconds=4.0) as one, backend(tmp_path / "b") as two:
        async with stage(tmp_path, listed(file, one), depth=1) as heard:
            await heard.bus.publish(reserved(quantity=5, **PORTRAIT))
            await one.taken(1)
            listed(file, two)
            await heard.ended(5)
        assert sorted(image.backend for image in heard.ready) == sorted([one.name, *[two.name] * 4])
        assert await renders(one, two) == [1] * 5


async def test_what_a_dead_backend_holds_goes_elsewhere_when_it_is_taken_out(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(backend(tmp_path / "a", render_seconds=30.0))
        two = await stack.enter_async_context(backend(tmp_path / "b"))
        async with stage(tmp_path, listed(file, one), depth=2) as heard:
            await heard.bus.publish(reserved(quantity=2, **PORTRAIT))
            await one.taken(2)
            await one.fault("http_error", route="/", status=502, times=None)
            listed(file, two)
            await heard.ended(2)
        assert {image.backend for image in heard.ready} == {two.name}


async def test_every_renderer_follows_the_file(tmp_path: Path, postgres_url: str) -> None:
    file = tmp_path / "fleet.txt"
    async with backend(tmp_path / "a") as one, backend(tmp_path / "b") as two:
        bus = MemoryBus()
        made = settings(tmp_path, [listed(file, one)], database_url=postgres_url)
        async with (
            listening(bus) as heard,
            renderer(made, bus, "first") as first,
            renderer(made, bus, "second") as second,
        ):
            listed(file, two)
            services = (first, second)
            await heard.until(
                lambda: all([each.name for each in service.backends()] == [two.name] for service in services)
            )
            await bus.publish(reserved(quantity=6))
            await heard.ended(6)
    assert {image.backend for image in heard.ready} == {two.name}


async def test_another_depth_is_taken_over_and_the_jobs_of_the_old_one_are_ended(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    async with backend(tmp_path / "a", render_seconds=0.5) as one:
        async with stage(tmp_path, listed(file, one), depth=1) as heard:
            await heard.bus.publish(reserved(quantity=12, **PORTRAIT))
            await one.taken(1)
            listed(file, one, query="?depth=4")
            await heard.ended(12)
        assert await renders(one) == [1] * 12
        assert (await one.stats())["max_queued"] >= 3


async def test_a_file_with_a_mistake_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    async with backend(tmp_path / "a", render_seconds=0.3) as one:
        bus = MemoryBus()
        async with listening(bus) as heard, renderer(settings(tmp_path, [listed(file, one)]), bus) as service:
            await heard.until(lambda: service.backends()[0].healthy)
            file.write_text("comfyui+http://u:geheim@nowhere?depth=many\n")
            await bus.publish(reserved(quantity=15, **PORTRAIT))
            await heard.ended(15)
            assert [each.name for each in service.backends()] == [one.name]
    assert set(heard.ends().values()) == {"done"}


async def test_images_wait_while_the_file_names_nobody(tmp_path: Path) -> None:
    file = tmp_path / "fleet.txt"
    async with backend(tmp_path / "a") as one, stage(tmp_path, listed(file)) as heard:
        await heard.bus.publish(reserved(quantity=3))
        listed(file, one)
        await heard.ended(3)
    assert set(heard.ends().values()) == {"done"}
