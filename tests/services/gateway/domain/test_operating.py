"""The whole system from what its processes said."""

from datetime import UTC, datetime
from typing import Any

from contracts.topology import QUEUES
from contracts.transient import BackendStatus, ServiceStatus
from services.gateway.domain.operating import GONE, SILENT, Heard, overview

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def word(service: str, instance: str = "one", ago: float = 1.0, **more: Any) -> Heard:
    said = {"ready": True, **more}
    return Heard(ServiceStatus(service=service, instance=instance, at=NOW, **said), ago)


def gpu(**more: Any) -> BackendStatus:
    return BackendStatus(**{"name": "gpu", "healthy": True, "depth": 2, "busy": 1, **more})


def test_a_silent_process_shows_and_one_that_is_gone_does_not() -> None:
    words = [word("a", ago=SILENT + 1, in_flight=3), word("b", in_flight=2), word("c", ago=GONE + 1)]
    seen = overview(words)
    assert [(each.status.service, each.silent) for each in seen.processes] == [("a", True), ("b", False)]
    assert seen.in_flight == 2


def test_the_newest_word_about_a_queue_holds_whoever_said_it() -> None:
    older = word("renderer", "one", 9, queues={"wait.1s": 5, "renderer.CancelBatch": 4})
    newer = word("indexer", "two", 1, queues={"wait.1s": 0, "indexer.OpenFolder": 2})
    depths = {each.name: each.waiting for each in overview([newer, older]).queues}
    assert depths == {"indexer.OpenFolder": 2, "renderer.CancelBatch": 4, "wait.1s": 0}


def test_dead_letters_that_are_gone_are_gone_in_the_sum() -> None:
    queues = {queue.name: 0 for queue in QUEUES if queue.service == "renderer"}
    older = word("renderer", "one", 6, queues=queues, dead_letters={"renderer.CancelBatch": 3})
    assert overview([older]).dead == 3
    assert overview([older, word("renderer", "two", 2, queues=queues)]).dead == 0


def test_queues_stand_in_the_order_of_the_topology_with_wait_queues_last() -> None:
    services = {queue.service for queue in QUEUES}
    words = [
        word(service, queues={"wait.5m": 0} | {queue.name: 1 for queue in QUEUES if queue.service == service})
        for service in sorted(services)
    ]
    seen = overview(words).queues
    assert [each.name for each in seen] == [*(queue.name for queue in QUEUES), "wait.5m"]
    assert (seen[-1].dead, seen[0].dead) == (None, 0)


def test_a_backend_is_what_all_renderers_together_see() -> None:
    ill = gpu(healthy=False, reason="refused", busy=0, embeddings=("b",))
    words = [
        word("renderer", "one", backends=(gpu(seconds=4.0, embeddings=("a",)),)),
        word("renderer", "two", backends=(gpu(seconds=6.0), gpu(name="other", busy=0))),
        word("renderer", "three", backends=(ill,)),
        word("renderer", "silent", ago=SILENT + 1, backends=(gpu(busy=9),)),
    ]
    first, other = overview(words).backends
    assert (first.healthy, first.reason, first.healthy_for, first.renderers) == (True, "refused", 2, 3)
    assert (first.busy, first.seconds, first.embeddings) == (2, 5.0, ("a", "b"))
    assert (other.name, other.seconds) == ("other", None)
    (alone,) = overview([word("renderer", backends=(ill,))]).backends
    assert not alone.healthy
