"""`/v1/images/{id}/file`: an image's bytes as they were stored, under its own name."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request, Response

from services.gateway.adapters.archive import Missing, file_name
from services.gateway.adapters.http.codes import CODES, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.images import ImageId, found, key_of
from services.gateway.adapters.http.problems import Problem
from services.gateway.domain.images import GONE

router = APIRouter(prefix="/v1/images", tags=["images"], route_class=Guarded)

#: Seconds after which it is worth to ask storage again.
RETRY_AFTER = "5"


async def _place(desk: AtDesk, caller: ByCaller) -> AsyncIterator[None]:
    """Held until the answer has ended."""
    desk.downloads.take(caller.username)
    try:
        yield
    finally:
        desk.downloads.leave(caller.username)


class File(Response):
    media_type = "application/octet-stream"


@router.get(
    "/{image_id}/file",
    operation_id="downloadImage",
    dependencies=[needs("images:read"), Depends(_place)],
    summary="Download an image",
    response_class=File,
    responses={
        200: {
            "description": "Its bytes",
            "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **answers("not_found", "not_stored", "too_many_downloads"),
    },
)
async def download(image_id: ImageId, desk: AtDesk, caller: ByCaller, request: Request) -> Response:
    """Exactly as stored, to be kept under the image's own name; also of private characters. A grid is better
    off with `thumbnail` and `url`, which storage delivers itself."""
    known = (await found(desk, caller.username, key_of(image_id))).image
    if known.asset is None or known.status in GONE:
        raise Problem("not_stored", CODES["not_stored"].example)
    named = {"Content-Disposition": f'attachment; filename="{file_name(known.asset)}"'}
    if request.scope["darkroom.head"]:
        return Response(headers=named, media_type=known.asset.media_type)
    try:
        data = await desk.stored.fetch(known.asset)
    except Missing as why:
        raise Problem("unavailable", str(why), headers={"Retry-After": RETRY_AFTER}) from None
    return Response(data, headers=named, media_type=known.asset.media_type)
