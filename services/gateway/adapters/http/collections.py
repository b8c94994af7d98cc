"""`/v1/collections`: images put together by their owner."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Request, Response

from services.gateway.adapters.http import cursors, examples, image_examples, image_views
from services.gateway.adapters.http.codes import ANY_BODY, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Desk, Guarded, needs
from services.gateway.adapters.http.image_pages import Asked, page
from services.gateway.adapters.http.image_shapes import (
    BulkResult,
    BulkResults,
    CollectionPage,
    CollectionShape,
    Members,
    NewCollection,
    PicturePage,
)
from services.gateway.adapters.http.images import ImageId
from services.gateway.adapters.http.problems import FieldError, Problem, not_found
from services.gateway.domain.pictures import Collection, Key, image_key
from services.gateway.image_ports import NameTaken

router = APIRouter(prefix="/v1/collections", tags=["collections"], route_class=Guarded)

CollectionId = Annotated[str, Path(description="its id", examples=[image_examples.COLLECTION_ID])]


@router.post(
    "",
    status_code=201,
    operation_id="makeCollection",
    dependencies=[needs("images:write")],
    summary="Make a collection",
    responses={
        201: examples.answer("Made", "collection", "Location"),
        **answers(*ANY_BODY, "name_taken"),
    },
)
async def make(asked: NewCollection, desk: AtDesk, caller: ByCaller, response: Response) -> CollectionShape:
    """Empty at first, with a name that none of the caller's other collections has."""
    made = Collection(f"col_{uuid4().hex}", caller.username, asked.name, time.time())
    try:
        await desk.collections.make(made)
    except NameTaken:
        raise _taken(asked.name) from None
    shown = image_views.collection(made)
    response.headers["Location"] = shown.urls["self"]
    return shown


@router.get(
    "",
    operation_id="listCollections",
    dependencies=[needs("images:read")],
    summary="List collections",
    responses={
        200: examples.answer("One page", "collections", "Link"),
        **answers("invalid_cursor", "invalid_request"),
    },
)
async def listed(
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> CollectionPage:
    """The caller's own."""
    after = cursors.read(cursor, 1)[0] if cursor else None
    found = await desk.collections.list(caller.username, after, limit + 1)
    items = [image_views.collection(each) for each in found[:limit]]
    following = cursors.written(items[-1].id) if len(found) > limit else None
    if following:
        response.headers["Link"] = cursors.link(request, following)
    return CollectionPage(items=items, next_cursor=following, has_more=following is not None)


@router.get(
    "/{collection_id}",
    operation_id="getCollection",
    dependencies=[needs("images:read")],
    summary="Look at a collection",
    responses={200: examples.answer("The collection", "collection"), **answers("not_found")},
)
async def look(collection_id: CollectionId, desk: AtDesk, caller: ByCaller) -> CollectionShape:
    """Its name, and how many images it has."""
    return image_views.collection(await known(desk, collection_id, caller.username))


@router.patch(
    "/{collection_id}",
    operation_id="renameCollection",
    dependencies=[needs("images:write")],
    summary="Rename a collection",
    responses={
        200: examples.answer("As it is now", "collection"),
        **answers(*ANY_BODY, "not_found", "name_taken"),
    },
)
async def rename(
    collection_id: CollectionId, asked: NewCollection, desk: AtDesk, caller: ByCaller
) -> CollectionShape:
    """Its id and its images stay."""
    await known(desk, collection_id, caller.username)
    try:
        await desk.collections.rename(caller.username, collection_id, asked.name)
    except NameTaken:
        raise _taken(asked.name) from None
    return image_views.collection(await known(desk, collection_id, caller.username))


@router.delete(
    "/{collection_id}",
    status_code=204,
    operation_id="dropCollection",
    dependencies=[needs("images:write")],
    summary="Drop a collection",
    responses={204: {"description": "There is none of this id any more"}, **answers("not_found")},
)
async def drop(collection_id: CollectionId, desk: AtDesk, caller: ByCaller) -> None:
    """Its images stay where they are."""
    await known(desk, collection_id, caller.username)
    await desk.collections.drop(caller.username, collection_id)


@router.get(
    "/{collection_id}/images",
    operation_id="listCollected",
    dependencies=[needs("images:read")],
    summary="List a collection's images",
    responses={
        200: examples.answer("One page", "pictures", "Link"),
        **answers("not_found", "invalid_cursor", "invalid_request"),
    },
)
async def collected(
    collection_id: CollectionId, desk: AtDesk, wanted: Asked, request: Request, response: Response
) -> PicturePage:
    """Of all characters; only what lies in storage."""
    await known(desk, collection_id, wanted.username)
    return await page(desk, replace(wanted, collection_id=collection_id), request, response)


@router.post(
    "/{collection_id}/images",
    operation_id="collectImages",
    dependencies=[needs("images:write")],
    summary="Put images into a collection",
    responses={200: examples.answer("What became of each", "marked"), **answers(*ANY_BODY, "not_found")},
)
async def collect(collection_id: CollectionId, asked: Members, desk: AtDesk, caller: ByCaller) -> BulkResults:
    """Many at once. What is not the caller's is `not_found`."""
    await known(desk, collection_id, caller.username)
    keys = {each: image_key(each) for each in asked.ids}
    inside = await desk.collections.put(collection_id, caller.username, _keys(keys.values()))
    return BulkResults(
        items=[
            BulkResult(id=each, status="collected" if key in inside else "not_found")
            for each, key in keys.items()
        ]
    )


@router.put(
    "/{collection_id}/images/{image_id}",
    status_code=204,
    operation_id="collectImage",
    dependencies=[needs("images:write")],
    summary="Put an image into a collection",
    responses={204: {"description": "It is in it"}, **answers("not_found")},
)
async def put(collection_id: CollectionId, image_id: ImageId, desk: AtDesk, caller: ByCaller) -> None:
    """Again and again is once."""
    await known(desk, collection_id, caller.username)
    if not await desk.collections.put(collection_id, caller.username, _keys([image_key(image_id)])):
        raise not_found("image")


@router.delete(
    "/{collection_id}/images/{image_id}",
    status_code=204,
    operation_id="removeCollectedImage",
    dependencies=[needs("images:write")],
    summary="Take an image out of a collection",
    responses={204: {"description": "It is not in it"}, **answers("not_found")},
)
async def take_out(collection_id: CollectionId, image_id: ImageId, desk: AtDesk, caller: ByCaller) -> None:
    """The image itself stays. Again and again is once."""
    await known(desk, collection_id, caller.username)
    await desk.collections.take_out(collection_id, _keys([image_key(image_id)]))


async def known(desk: Desk, collection_id: str, username: str) -> Collection:
    """Raises Problem."""
    # No id has a NUL, and PostgreSQL can't even be asked for one.
    found = None if "\0" in collection_id else await desk.collections.find(username, collection_id)
    if found is None:
        raise not_found("collection")
    return found


def _keys(keys: Iterable[Key | None]) -> Sequence[Key]:
    return [key for key in keys if key is not None]


def _taken(name: str) -> Problem:
    detail = f"there is a collection {name!r} already; choose another name"
    return Problem("name_taken", detail, [FieldError(pointer="/name", detail=detail)])
