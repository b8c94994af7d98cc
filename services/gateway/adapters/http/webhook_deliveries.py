"""`/v1/webhooks/{id}/deliveries`: what was told, how it was taken, and telling it again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from services.gateway.adapters.http import cursors, examples
from services.gateway.adapters.http import webhook_views as views
from services.gateway.adapters.http.codes import CODES, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.problems import Problem, not_found
from services.gateway.adapters.http.webhook_desk import before, is_delivery_id
from services.gateway.adapters.http.webhook_shapes import DeliveryPage, DeliveryShape, WholeDeliveryShape
from services.gateway.adapters.http.webhooks import WebhookId
from services.gateway.domain.webhooks import DeliveryStatus
from services.gateway.webhook_ports import WebhookDisabled

router = APIRouter(prefix="/v1/webhooks/{webhook_id}", tags=["webhooks"], route_class=Guarded)

DeliveryId = Annotated[str, Path(description="the delivery's id, its `webhook-id`")]
Status = Annotated[
    Literal["pending", "delivered", "failed"] | None, Query(description="only deliveries that are so")
]


@router.get(
    "/deliveries",
    operation_id="listDeliveries",
    dependencies=[needs("webhooks")],
    summary="List a webhook's deliveries",
    responses={
        200: examples.answer("One page", "deliveries", "Link"),
        **answers("invalid_cursor", "invalid_request", "not_found"),
    },
)
async def listed(
    *,
    webhook_id: WebhookId,
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    status: Status = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> DeliveryPage:
    """Newest first, each with its attempts; kept for a month."""
    known = await desk.webhooks.named(webhook_id, caller.username)
    wanted = DeliveryStatus(status) if status else None
    after = before(cursor, of_deliveries=True) if cursor else None
    found = await desk.webhooks.log.list(known, wanted, after, limit + 1)
    following = None
    if len(found) > limit:
        following = cursors.written(repr(found[limit - 1].created_at), found[limit - 1].id)
        response.headers["Link"] = cursors.link(request, following)
    items = [views.delivery(each) for each in found[:limit]]
    return DeliveryPage(items=items, next_cursor=following, has_more=following is not None)


@router.get(
    "/deliveries/{delivery_id}",
    operation_id="getDelivery",
    dependencies=[needs("webhooks")],
    summary="Look at a delivery",
    responses={200: examples.answer("The delivery", "whole delivery"), **answers("not_found")},
)
async def look(
    webhook_id: WebhookId, delivery_id: DeliveryId, desk: AtDesk, caller: ByCaller
) -> WholeDeliveryShape:
    """With the body that is sent."""
    known = await desk.webhooks.named(webhook_id, caller.username)
    found = await desk.webhooks.log.find(known, delivery_id) if is_delivery_id(delivery_id) else None
    if found is None:
        raise not_found("delivery")
    return views.whole_delivery(found)


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    operation_id="redeliver",
    dependencies=[needs("webhooks")],
    summary="Tell it again",
    responses={
        202: examples.answer("It is to be told", "delivery", "Location"),
        **answers("not_found", "webhook_disabled"),
    },
)
async def redeliver(
    webhook_id: WebhookId, delivery_id: DeliveryId, desk: AtDesk, caller: ByCaller, response: Response
) -> DeliveryShape:
    """At once, with the same `webhook-id` and body, and by the whole schedule again."""
    known = await desk.webhooks.named(webhook_id, caller.username)
    if not is_delivery_id(delivery_id):
        raise not_found("delivery")
    try:
        found = await desk.webhooks.log.redeliver(known, delivery_id)
    except WebhookDisabled:
        raise _disabled() from None
    if found is None:
        raise not_found("delivery")
    desk.webhooks.ring()
    response.headers["Location"] = views.delivery_path(found)
    return views.delivery(found)


@router.post(
    "/test",
    status_code=202,
    operation_id="testWebhook",
    dependencies=[needs("webhooks")],
    summary="Send a test",
    responses={
        202: examples.answer("It is to be told", "delivery", "Location"),
        **answers("not_found", "webhook_disabled"),
    },
)
async def test(webhook_id: WebhookId, desk: AtDesk, caller: ByCaller, response: Response) -> DeliveryShape:
    """A `webhook.test` at once, and once: what became of it is found where `Location` says."""
    known = await desk.webhooks.named(webhook_id, caller.username)
    try:
        made = await desk.webhooks.log.test(known)
    except WebhookDisabled:
        raise _disabled() from None
    desk.webhooks.ring()
    response.headers["Location"] = views.delivery_path(made)
    return views.delivery(made)


def _disabled() -> Problem:
    return Problem("webhook_disabled", CODES["webhook_disabled"].example)
