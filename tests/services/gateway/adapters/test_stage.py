"""What is live in one process: progress, who waits for news, and how the others said they are."""

import asyncio
from datetime import UTC, datetime
from time import monotonic

import pytest

from contracts.transient import RenderProgress, ServiceStatus
from services.gateway.adapters import stage as module
from services.gateway.adapters.stage import KnownFleet, LiveStage


def progress(ordinal: int = 0, round_: int = 1, step: int = 0, batch_id: str = "b1") -> RenderProgress:
    return RenderProgress(
        batch_id=batch_id, ordinal=ordinal, round=round_, index=1, stage="running", step=step
    )


def status(instance: str, ready: bool = True) -> ServiceStatus:
    return ServiceStatus(service="renderer", instance=instance, at=datetime.now(UTC), ready=ready)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by himself."""
    monkeypatch.setattr(module, "LOOK", 3600.0)


async def within(seconds: float, *tasks: asyncio.Task[None]) -> None:
    async with asyncio.timeout(seconds):
        await asyncio.gather(*tasks)


def listener(stage: LiveStage, batch_id: str = "b1") -> asyncio.Task[None]:
    async def listen() -> None:
        with stage.listening(batch_id) as ear:
            await ear.news(3600)

    return asyncio.create_task(listen())


@pytest.mark.usefixtures("patient")
async def test_everybody_who_waits_for_a_batch_is_woken_by_its_change() -> None:
    stage = LiveStage()
    waiting = [listener(stage) for _ in range(3)]
    other = listener(stage, "b2")
    await asyncio.sleep(0)
    stage.changed("b1")
    await within(5, *waiting)
    assert not other.done()
    stage.changed("b2")
    await within(5, other)


@pytest.mark.usefixtures("patient")
async def test_a_change_between_the_look_and_the_wait_is_not_missed() -> None:
    stage = LiveStage()
    with stage.listening("b1") as ear:
        stage.changed("b1")
        async with asyncio.timeout(5):
            await ear.news(3600)


@pytest.mark.usefixtures("patient")
async def test_news_that_was_told_is_not_told_again() -> None:
    stage = LiveStage()
    with stage.listening("b1") as ear:
        stage.changed("b1")
        await ear.news(3600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ear.news(3600)


async def test_whoever_waits_looks_by_himself_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.02)
    await within(5, listener(LiveStage()))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("seconds", [0.02, 0.0, -1.0])
async def test_nobody_waits_longer_than_he_wants_to(seconds: float) -> None:
    with LiveStage().listening("b1") as ear:
        before = monotonic()
        await ear.news(seconds)
        assert monotonic() - before < 5


@pytest.mark.usefixtures("patient")
async def test_nobody_is_kept_waiting_when_the_process_stops() -> None:
    stage = LiveStage()
    waiting = [listener(stage, f"b{n}") for n in range(3)]
    await asyncio.sleep(0)
    stage.close()
    await within(5, *waiting)
    assert stage.closing


@pytest.mark.usefixtures("patient")
async def test_whoever_has_gone_leaves_nothing_behind() -> None:
    stage = LiveStage()
    tasks = [listener(stage) for _ in range(3)]
    await asyncio.sleep(0)
    assert stage.waiting() == 3
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    assert stage.waiting() == 2
    stage.changed("b1")
    await within(5, *tasks[1:])
    stage.changed("nobody's")
    assert stage.waiting() == 0


@pytest.mark.usefixtures("patient")
async def test_who_is_cancelled_together_with_the_ring_is_cancelled() -> None:
    stage = LiveStage()
    task = listener(stage)
    await asyncio.sleep(0)
    stage.changed("b1")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


@pytest.mark.usefixtures("patient")
async def test_who_waits_for_the_end_is_not_woken_by_steps() -> None:
    stage = LiveStage()
    with stage.listening("b1") as ear:
        stage.show(progress(step=1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ear.news(3600)


async def test_who_watches_is_woken_by_changes_and_by_steps_and_knows_which() -> None:
    stage = LiveStage()
    with stage.watching("b1") as (watcher, _):
        for ordinal in (3, 1, 3):
            stage.show(progress(ordinal))
        stage.show(progress(9, batch_id="b2"))
        async with asyncio.timeout(5):
            await watcher.news(3600)
        assert (watcher.changed(), watcher.stepping) == (False, True)
        assert watcher.stepped() == {("b1", 1), ("b1", 3)}
        assert (watcher.stepping, watcher.stepped()) == (False, set())
        stage.changed("b1")
        async with asyncio.timeout(5):
            await watcher.news(3600)
        assert (watcher.changed(), watcher.stepping) == (True, False)
        assert not watcher.changed()
    assert stage.waiting() == 0


async def test_who_watches_is_woken_once_by_many_steps_until_he_looks() -> None:
    stage = LiveStage()
    with stage.watching("b1") as (watcher, _):
        stage.show(progress(0))
        await watcher.news(5)
        stage.show(progress(1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await watcher.news(3600)
        assert watcher.stepped() == {("b1", 0), ("b1", 1)}
        stage.show(progress(0, step=2))
        async with asyncio.timeout(5):
            await watcher.news(3600)


async def test_a_late_word_of_the_round_before_wakes_nobody() -> None:
    stage = LiveStage()
    stage.show(progress(round_=2))
    with stage.watching("b1") as (watcher, _):
        stage.show(progress(round_=1))
        assert not watcher.stepping


def test_progress_is_the_last_of_its_round() -> None:
    stage = LiveStage()
    stage.show(progress(step=3))
    stage.show(progress(step=4))
    assert stage.progress("b1", 0, 1) == progress(step=4)
    assert stage.progress("b1", 0, 2) is None
    assert stage.progress("b1", 1, 1) is None


def test_a_late_word_of_the_round_before_hides_nothing() -> None:
    stage = LiveStage()
    stage.show(progress(round_=2, step=1))
    stage.show(progress(round_=1, step=20))
    assert stage.progress("b1", 0, 2) == progress(round_=2, step=1)
    assert stage.progress("b1", 0, 1) is None


def test_the_progress_that_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    stage = LiveStage()
    for ordinal in (0, 1, 2, 0, 3):
        stage.show(progress(ordinal))
    known = [ordinal for ordinal in range(4) if stage.progress("b1", ordinal, 1)]
    assert known == [0, 2, 3]


def test_of_each_process_the_last_word_is_known() -> None:
    fleet = KnownFleet()
    fleet.tell(status("one"))
    fleet.tell(status("two"))
    fleet.tell(status("one", ready=False))
    assert {key: said.ready for key, said in fleet.said().items()} == {
        ("renderer", "one"): False,
        ("renderer", "two"): True,
    }


def test_the_processes_that_are_known_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROCESSES", 2)
    fleet = KnownFleet()
    for instance in ("one", "two", "one", "three"):
        fleet.tell(status(instance))
    assert [instance for _, instance in fleet.said()] == ["one", "three"]
