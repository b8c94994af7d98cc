"""`/v1/usage`: what a user made, by character and day."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.adapters.http import examples, image_views
from services.gateway.adapters.http.codes import answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.image_shapes import UsageReport
from services.gateway.adapters.http.problems import FieldError, Problem

router = APIRouter(prefix="/v1/usage", tags=["usage"], route_class=Guarded)

#: Days of one report, and of one that names no beginning.
LONGEST, USUAL = 366, 30

Day = Annotated[date | None, Query(description="a day in UTC", examples=["2030-01-31"])]


@router.get(
    "",
    operation_id="getUsage",
    dependencies=[needs("usage:read")],
    summary="Look at usage",
    responses={200: examples.answer("The days asked for", "usage"), **answers("invalid_request")},
)
async def usage(desk: AtDesk, caller: ByCaller, first: Day = None, last: Day = None) -> UsageReport:
    """Images, placeholders, failures and GPU seconds of the caller's batches: the last 30 days, or from
    `first` to `last`, both included."""
    last = last or datetime.now(UTC).date()
    first = first or last - timedelta(days=min(USUAL - 1, last.toordinal() - 1))
    days = (last - first).days + 1
    if not 1 <= days <= LONGEST:
        detail = f"ask for 1 to {LONGEST} days: first is not after last"
        raise Problem("invalid_request", detail, [FieldError(parameter="first", detail=detail)])
    return image_views.usage(first, last, await desk.pictures.usage(caller.username, first, last))
