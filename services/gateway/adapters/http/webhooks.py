"""`/v1/webhooks`: where a user wants to be called, and what signs the calls."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from services.gateway.adapters.http import cursors, examples
from services.gateway.adapters.http import webhook_views as views
from services.gateway.adapters.http.codes import ANY_BODY, ANY_KEY, CODES, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.idempotency import KEYED, key_of
from services.gateway.adapters.http.problems import Problem, not_found
from services.gateway.adapters.http.webhook_desk import before
from services.gateway.adapters.http.webhook_shapes import (
    NewWebhook,
    NewWebhookShape,
    SecretShape,
    WebhookChange,
    WebhookPage,
    WebhookShape,
)
from services.gateway.domain.news import meant
from services.gateway.webhook_ports import OwnersSecret, TooManyWebhooks

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=Guarded)

WebhookId = Annotated[str, Path(description="the webhook's id")]
OfBatch = Annotated[str | None, Query(max_length=64, description="the webhook of this batch alone")]
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@router.post(
    "/webhooks",
    status_code=201,
    operation_id="addWebhook",
    dependencies=[needs("webhooks"), KEYED],
    summary="Add a webhook",
    responses={
        201: examples.answer("Added; its secret is shown this once", "new webhook", "Location"),
        **answers(*ANY_BODY, *ANY_KEY, "invalid_webhook", "too_many_webhooks"),
    },
)
async def add(
    asked: NewWebhook, desk: AtDesk, caller: ByCaller, request: Request, response: Response
) -> NewWebhookShape:
    """It hears of everything that happens to the caller's batches from now on. Calls are signed after
    Standard Webhooks, and repeated for three days where nobody answers."""
    wish, key = desk.webhooks.wish(asked.url, asked.events, asked.description), key_of(request)
    try:
        made, secret = await desk.webhooks.kept.add(caller.username, wish, f"wh_{key.thing}" if key else None)
    except TooManyWebhooks:
        raise Problem("too_many_webhooks", CODES["too_many_webhooks"].example) from None
    shown = views.webhook(made)
    response.headers["Location"] = shown.urls["self"]
    return NewWebhookShape(**shown.model_dump(), secret=secret)


@router.get(
    "/webhooks",
    operation_id="listWebhooks",
    dependencies=[needs("webhooks")],
    summary="List webhooks",
    responses={
        200: examples.answer("One page", "webhooks", "Link"),
        **answers("invalid_cursor", "invalid_request"),
    },
)
async def listed(
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    batch_id: OfBatch = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> WebhookPage:
    """Those about everything, newest first; or the one that a batch was ordered with."""
    if batch_id is not None and not _BATCH_ID.fullmatch(batch_id):
        return WebhookPage(items=[], next_cursor=None, has_more=False)
    after = before(cursor) if cursor else None
    known = await desk.webhooks.kept.list(caller.username, batch_id, after, limit + 1)
    following = None
    if len(known) > limit:
        following = cursors.written(repr(known[limit - 1].created_at), known[limit - 1].id)
        response.headers["Link"] = cursors.link(request, following)
    items = [views.webhook(each) for each in known[:limit]]
    return WebhookPage(items=items, next_cursor=following, has_more=following is not None)


@router.get(
    "/webhooks/{webhook_id}",
    operation_id="getWebhook",
    dependencies=[needs("webhooks")],
    summary="Look at a webhook",
    responses={200: examples.answer("The webhook", "webhook"), **answers("not_found")},
)
async def look(webhook_id: WebhookId, desk: AtDesk, caller: ByCaller) -> WebhookShape:
    """Where it calls, what about, and whether it does."""
    return views.webhook(await desk.webhooks.named(webhook_id, caller.username))


@router.patch(
    "/webhooks/{webhook_id}",
    operation_id="changeWebhook",
    dependencies=[needs("webhooks")],
    summary="Change a webhook",
    responses={
        200: examples.answer("As it is now", "webhook"),
        **answers(*ANY_BODY, "not_found", "invalid_webhook"),
    },
)
async def change(webhook_id: WebhookId, asked: WebhookChange, desk: AtDesk, caller: ByCaller) -> WebhookShape:
    """What is still to be told goes to the new URL. Enabled again, it is told what waited meanwhile."""
    known = await desk.webhooks.named(webhook_id, caller.username)
    changes: dict[str, str] = {}
    if asked.url is not None:
        changes |= {"url": asked.url, "receiver": desk.webhooks.receiver(asked.url)}
    if asked.events is not None:
        changes["events"] = " ".join(meant(asked.events))
    if asked.description is not None:
        changes["description"] = asked.description
    changed = await desk.webhooks.kept.change(known, changes)
    if changed and asked.enabled is not None:
        changed = await desk.webhooks.kept.switch(changed, asked.enabled)
    if changed is None:
        raise not_found("webhook")
    desk.webhooks.ring()
    return views.webhook(changed)


@router.delete(
    "/webhooks/{webhook_id}",
    status_code=204,
    operation_id="removeWebhook",
    dependencies=[needs("webhooks")],
    summary="Remove a webhook",
    responses={
        204: {"description": "Gone, with its log and with all that was to be told"},
        **answers("not_found"),
    },
)
async def remove(webhook_id: WebhookId, desk: AtDesk, caller: ByCaller) -> None:
    """A call that is under way may still arrive."""
    await desk.webhooks.kept.remove(await desk.webhooks.named(webhook_id, caller.username))


@router.post(
    "/webhooks/{webhook_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    dependencies=[needs("webhooks")],
    summary="Rotate a webhook's secret",
    responses={
        200: examples.answer("The new secret, shown this once", "webhook secret"),
        **answers("not_found", "owners_secret"),
    },
)
async def rotate(webhook_id: WebhookId, desk: AtDesk, caller: ByCaller) -> SecretShape:
    """The old one signs along for 24 hours, so that receivers can change over in peace."""
    known = await desk.webhooks.named(webhook_id, caller.username)
    try:
        return views.secret(await desk.webhooks.kept.rotate(known))
    except OwnersSecret:
        raise Problem("owners_secret", CODES["owners_secret"].example) from None


@router.get(
    "/webhook-secret",
    operation_id="getWebhookSecret",
    dependencies=[needs("webhooks")],
    summary="Look at one's own secret",
    responses={200: examples.answer("The secret", "webhook secret"), **answers()},
)
async def own_secret(desk: AtDesk, caller: ByCaller) -> SecretShape:
    """Signs the calls about batches that were ordered with a `webhook` of their own. Made when it is first
    asked for, or needed."""
    return views.secret(await desk.webhooks.kept.own_secret(caller.username))


@router.post(
    "/webhook-secret/rotate",
    operation_id="rotateOwnWebhookSecret",
    dependencies=[needs("webhooks")],
    summary="Rotate one's own secret",
    responses={200: examples.answer("The new secret", "webhook secret"), **answers()},
)
async def rotate_own(desk: AtDesk, caller: ByCaller) -> SecretShape:
    """The old one signs along for 24 hours."""
    return views.secret(await desk.webhooks.kept.rotate_own(caller.username))
