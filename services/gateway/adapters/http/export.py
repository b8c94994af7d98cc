"""`/v1/characters/{id}/export`: a character's images with what is known of them, as one archive."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from services.gateway.adapters.archive import Item, archived
from services.gateway.adapters.http.codes import answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Desk, Guarded, needs
from services.gateway.adapters.http.image_pages import Favourite, Placeholder, shown
from services.gateway.adapters.http.images import Narrowed, narrow, narrowed
from services.gateway.adapters.http.orders import known_character
from services.gateway.domain.pictures import Sort, Wanted

router = APIRouter(prefix="/v1/characters", tags=["images"], route_class=Guarded)

#: Images that are looked up at once.
GROUP = 100


class Archive(StreamingResponse):
    media_type = "application/zip"


async def _place(desk: AtDesk, caller: ByCaller) -> AsyncIterator[None]:
    """Held until the answer has ended."""
    desk.exports.take(caller.username)
    try:
        yield
    finally:
        desk.exports.leave(caller.username)


@router.get(
    "/{character_id}/export",
    operation_id="exportImages",
    dependencies=[needs("images:read"), Depends(_place)],
    summary="Download a character's images",
    response_class=Archive,
    responses={
        200: {"description": "A ZIP archive"},
        **answers("not_found", "invalid_request", "too_many_exports"),
    },
)
async def export(
    character_id: str,
    desk: AtDesk,
    caller: ByCaller,
    narrowed: Annotated[Narrowed, Depends(narrowed)],
    request: Request,
    favourite: Favourite = None,
    placeholder: Placeholder = None,
) -> Response:
    """What the caller has of it in storage, all or what is asked for, by number, in the folder `images`, and
    `images.jsonl` with a line for each: the image as `GET /v1/images/{id}` tells it, its `file` in the
    archive, and in `missing` why there is none. Sent while it is made, so its length is not known ahead."""
    character = await known_character(desk, character_id, caller.username)
    whole = Wanted(caller.username, Sort.INDEX, limit=GROUP, character_id=character_id)
    wanted = await narrow(desk, replace(whole, favourite=favourite, placeholder=placeholder), narrowed)
    named = {"Content-Disposition": f'attachment; filename="{character.slug}.zip"'}
    if request.scope["darkroom.head"]:
        return Response(headers=named, media_type=Archive.media_type)
    return Archive(archived(_items(desk, wanted), desk.stored.fetch), headers=named)


async def _items(desk: Desk, wanted: Wanted) -> AsyncIterator[Item]:
    while True:
        found = await desk.pictures.page(wanted)
        for each in found:
            assert each.image.asset is not None  # the page has what lies in storage
            yield Item(each.image.asset, shown(desk, each).model_dump(mode="json"))
        if len(found) < wanted.limit:
            return
        wanted = replace(wanted, after=found[-1].place)
