"""From the whole system to what travels over HTTP."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from messaging.dead_letters import DeadLetter
from messaging.history import Death
from services.gateway.adapters.http.operate_shapes import (
    MAX_SHOWN,
    BackendShape,
    CauseShape,
    DeadLetterPage,
    DeadLetterShape,
    DeathShape,
    FlowShape,
    OverviewShape,
    ProcessShape,
    QueueShape,
    SettledLetters,
    SettledShape,
    WholeDeadLetter,
)
from services.gateway.domain.operating import Backend, Heard, Overview, Recent


def overview(seen: Overview, recent: Recent) -> OverviewShape:
    return OverviewShape(
        at=datetime.now(UTC),
        images=_flow(recent),
        failures=[CauseShape(code=code, count=count) for code, count in recent.causes.items()],
        in_flight=seen.in_flight,
        dead_letters=seen.dead,
        queues=[
            QueueShape(name=each.name, waiting=each.waiting, dead_letters=each.dead) for each in seen.queues
        ],
        processes=[_process(each) for each in seen.processes],
        backends=[_backend(each) for each in seen.backends],
    )


def page(letters: Sequence[DeadLetter], more: bool) -> DeadLetterPage:
    return DeadLetterPage(items=[DeadLetterShape(**_told(each)) for each in letters], has_more=more)


def whole(letter: DeadLetter) -> WholeDeadLetter:
    body = letter.envelope.body
    return WholeDeadLetter(
        **_told(letter),
        headers=letter.envelope.headers(),
        body=body[:MAX_SHOWN].decode(errors="backslashreplace"),
        truncated=len(body) > MAX_SHOWN,
    )


def settled(ids: Sequence[str], done: Sequence[str]) -> SettledLetters:
    found = set(done)
    return SettledLetters(
        items=[SettledShape(id=id_, status="done" if id_ in found else "gone") for id_ in dict.fromkeys(ids)]
    )


def _flow(recent: Recent) -> FlowShape:
    return FlowShape(
        outstanding=recent.outstanding,
        last_5_minutes=recent.images_5,
        last_hour=recent.images_60,
        per_minute_of_5=round(recent.images_5 / 5, 2),
        per_minute_of_60=round(recent.images_60 / 60, 2),
        placeholders_last_hour=recent.placeholders,
        failed_last_hour=recent.failed,
    )


def _process(heard: Heard) -> ProcessShape:
    status = heard.status
    return ProcessShape(
        service=status.service,
        instance=status.instance,
        ready=status.ready,
        reason=status.reason,
        in_flight=status.in_flight,
        silent=heard.silent,
        seconds_ago=round(heard.ago, 1),
    )


def _backend(backend: Backend) -> BackendShape:
    told = asdict(backend)
    seconds = told.pop("seconds")
    return BackendShape(**told, seconds_per_image=None if seconds is None else round(seconds, 2))


def _told(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "queue": letter.queue.name,
        "route": letter.envelope.route,
        "batch_id": letter.batch_id,
        "reason": letter.death.reason,
        "died_at": letter.died_at,
        "first_seen": letter.first_seen,
        "attempts": letter.death.attempts,
        "earlier": [_death(death) for death in letter.earlier],
        "bytes": letter.size,
    }


def _death(death: Death) -> DeathShape:
    return DeathShape(at=death.moment, reason=death.reason, attempts=death.attempts)
