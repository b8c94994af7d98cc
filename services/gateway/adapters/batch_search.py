"""What a list of batches is narrowed by, in SQL."""

from sqlalchemy import ColumnElement, and_, or_, select

from services.gateway.adapters.tables import BATCHES, IMAGES
from services.gateway.domain.batches import BatchStatus, Sought
from services.gateway.domain.images import Status

_OPEN = BATCHES.c.finished_at.is_(None)
_WISHED_AWAY = BATCHES.c.cancel_requested_at.is_not(None)
_RUNS = (
    select(IMAGES.c.ordinal)
    .where(IMAGES.c.batch_id == BATCHES.c.batch_id, IMAGES.c.status == Status.RUNNING.value)
    .exists()
)
_BEGUN = or_(BATCHES.c.ended > 0, _RUNS)


def matching(sought: Sought) -> list[ColumnElement[bool]]:
    """The conditions, as `domain.batches.batch_status` has the words."""
    found: list[ColumnElement[bool]] = []
    if sought.status is not None:
        found.append(_with(sought.status))
    if sought.character_id is not None:
        found.append(BATCHES.c.character_id == sought.character_id)
    if sought.created_after is not None:
        found.append(BATCHES.c.created_at >= sought.created_after)
    if sought.created_before is not None:
        found.append(BATCHES.c.created_at < sought.created_before)
    return found


def _with(status: BatchStatus) -> ColumnElement[bool]:
    match status:
        case BatchStatus.QUEUED:
            return and_(_OPEN, ~_WISHED_AWAY, ~_BEGUN)
        case BatchStatus.RUNNING:
            return and_(_OPEN, ~_WISHED_AWAY, _BEGUN)
        case BatchStatus.CANCELING:
            return and_(_OPEN, _WISHED_AWAY)
        case _:
            return BATCHES.c.outcome == status
