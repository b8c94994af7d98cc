"""Pages of images: where one ends, and how each is shown."""

from dataclasses import replace
from math import isfinite
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from contracts.limits import MAX_INDEX
from services.gateway.adapters.http import cursors, image_views, views
from services.gateway.adapters.http.desk import ByCaller, Desk
from services.gateway.adapters.http.image_shapes import PicturePage, PictureShape
from services.gateway.domain.pictures import Picture, Place, Sort, Wanted, image_key

Favourite = Annotated[bool | None, Query(description="only favourites, or only what is none")]
Placeholder = Annotated[bool | None, Query(description="only placeholders, or only real images")]


def wanted(
    caller: ByCaller,
    sort: Annotated[Sort, Query(description="by the time of storing, or by number")] = Sort.NEWEST,
    favourite: Favourite = None,
    placeholder: Placeholder = None,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> Wanted:
    """What every list of images can be asked for. Raises Problem."""
    return Wanted(
        username=caller.username,
        sort=sort,
        after=_place(cursor, sort) if cursor else None,
        limit=limit,
        favourite=favourite,
        placeholder=placeholder,
    )


Asked = Annotated[Wanted, Depends(wanted)]


async def page(desk: Desk, wanted: Wanted, request: Request, response: Response) -> PicturePage:
    """The images that are wanted, and in the answer's headers where the next ones are."""
    found = await desk.pictures.page(replace(wanted, limit=wanted.limit + 1))
    following = None
    if len(found) > wanted.limit:
        end = found[wanted.limit - 1].place
        last = views.image_id(end.batch_id, end.ordinal)
        following = cursors.written(wanted.sort.value, repr(end.stored_at), str(end.index), last)
        response.headers["Link"] = cursors.link(request, following)
    items = [shown(desk, each) for each in found[: wanted.limit]]
    return PicturePage(items=items, next_cursor=following, has_more=following is not None)


def _place(cursor: str, sort: Sort) -> Place:
    """Where the page before ended. Raises Problem for what is no cursor of a list in this order."""
    order, moment, index, last = cursors.read(cursor, 4)
    key = image_key(last)
    try:
        stored_at, number = float(moment), int(index)
    except ValueError:
        raise cursors.not_ours() from None
    if order != sort.value or key is None or not isfinite(stored_at) or not 0 < number <= MAX_INDEX:
        raise cursors.not_ours()
    return Place(stored_at, number, *key)


def shown(desk: Desk, known: Picture) -> PictureShape:
    batch_id = known.image.batch_id
    return image_views.picture(known, lambda ordinal, round_: desk.stage.progress(batch_id, ordinal, round_))
