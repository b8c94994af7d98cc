"""`/v1/characters/{id}/images` and `/v1/images`: every image as a thing of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from messaging import tracing
from services.gateway.adapters.http import examples, views
from services.gateway.adapters.http.codes import ANY_BODY, CODES, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Desk, Guarded, needs
from services.gateway.adapters.http.image_pages import Asked, page, shown
from services.gateway.adapters.http.image_shapes import (
    Bulk,
    BulkResult,
    BulkResults,
    BulkWord,
    Mark,
    PicturePage,
    PictureShape,
)
from services.gateway.adapters.http.orders import batch_id_of, known_character
from services.gateway.adapters.http.problems import FieldError, Problem, not_found
from services.gateway.adapters.http.shapes import Text
from services.gateway.domain.pictures import Deletion, Key, Picture, Wanted, image_key

router = APIRouter(prefix="/v1", tags=["images"], route_class=Guarded)

#: Images that a list may be asked for by their ids.
MAX_IDS = 100

ImageId = Annotated[str, Path(description="the image's id", examples=[examples.IMAGE_ID])]


#: A batch, a collection, and the keys of images; each None where it is not asked by.
Narrowed = tuple[str | None, str | None, tuple[Key, ...] | None]


def narrowed(
    batch: Annotated[Text | None, Query(max_length=200, description="images of this batch alone")] = None,
    collection: Annotated[
        Text | None, Query(max_length=40, description="images in this collection alone")
    ] = None,
    ids: Annotated[
        Text | None, Query(max_length=8000, description=f"at most {MAX_IDS} ids, with commas")
    ] = None,
) -> Narrowed:
    return batch, collection, None if ids is None else _named(ids)


_PAGE: dict[int | str, dict[str, Any]] = {
    200: examples.answer("One page", "pictures", "Link"),
    **answers("not_found", "invalid_cursor", "invalid_request"),
}


@router.get(
    "/characters/{character_id}/images",
    operation_id="listImages",
    dependencies=[needs("images:read")],
    summary="List a character's images",
    responses=_PAGE,
)
async def of_character(
    character_id: str,
    desk: AtDesk,
    wanted: Asked,
    narrowed: Annotated[Any, Depends(narrowed)],
    request: Request,
    response: Response,
) -> PicturePage:
    """What the caller has of it in storage, placeholders and what is being deleted among it. A page stays
    where it is while new images come."""
    await known_character(desk, character_id, wanted.username)
    wanted = await narrow(desk, replace(wanted, character_id=character_id), narrowed)
    return await page(desk, wanted, request, response)


@router.get(
    "/images/{image_id}",
    operation_id="getImage",
    dependencies=[needs("images:read")],
    summary="Look at an image",
    responses={200: examples.answer("The image", "picture"), **answers("not_found")},
)
async def look(image_id: ImageId, desk: AtDesk, caller: ByCaller) -> PictureShape:
    """With the settings that it was made with."""
    return shown(desk, await found(desk, caller.username, key_of(image_id)))


@router.patch(
    "/images/{image_id}",
    operation_id="markImage",
    dependencies=[needs("images:write")],
    summary="Make an image a favourite",
    responses={
        200: examples.answer("As it is now", "picture"),
        **answers(*ANY_BODY, "not_found"),
    },
)
async def mark(image_id: ImageId, asked: Mark, desk: AtDesk, caller: ByCaller) -> PictureShape:
    """Or none any more. Its owner's mark stays through retries, whatever the image becomes."""
    key = key_of(image_id)
    if not await desk.marks.favourite(caller.username, [key], asked.favourite):
        raise not_found("image")
    desk.stage.changed(key[0])
    return shown(desk, await found(desk, caller.username, key))


@router.delete(
    "/images/{image_id}",
    status_code=202,
    operation_id="deleteImage",
    dependencies=[needs("images:write")],
    summary="Delete an image",
    responses={
        200: {"model": PictureShape, **examples.answer("It was deleted before", "picture")},
        202: examples.answer("Being deleted", "picture", "Retry-After"),
        **answers("not_found", "not_stored"),
    },
)
async def delete(image_id: ImageId, desk: AtDesk, caller: ByCaller, response: Response) -> PictureShape:
    """Takes it out of storage: `deleting` first, `deleted` once it is gone. Its number is never used again.
    Again and again is once."""
    key = key_of(image_id)
    end = (await desk.marks.delete(caller.username, [key])).get(key)
    if end is None:
        raise not_found("image")
    if end is Deletion.NOTHING_THERE:
        raise Problem("not_stored", CODES["not_stored"].example)
    if end is Deletion.DONE:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = views.RETRY_AFTER
    desk.relay.ring()
    desk.stage.changed(key[0])
    return shown(desk, await found(desk, caller.username, key))


@router.post(
    "/images/bulk",
    operation_id="changeImages",
    dependencies=[needs("images:write")],
    summary="Delete or mark many images",
    responses={200: examples.answer("What became of each", "marked"), **answers(*ANY_BODY)},
)
async def bulk(asked: Bulk, desk: AtDesk, caller: ByCaller) -> BulkResults:
    """One by one as the calls for a single image, in one commit. What is not the caller's is `not_found`."""
    ids = list(dict.fromkeys(asked.ids))
    keys = {each: key for each in ids if (key := image_key(each))}
    ends = await _ends(desk, caller.username, asked.action, list(keys.values()))
    desk.relay.ring()
    for batch_id in {key[0] for key in ends}:
        desk.stage.changed(batch_id)
    said = [ends.get(keys[each], "not_found") if each in keys else "not_found" for each in ids]
    return BulkResults(items=[BulkResult(id=each, status=end) for each, end in zip(ids, said, strict=True)])


async def narrow(desk: Desk, wanted: Wanted, to: Narrowed) -> Wanted:
    """Raises Problem where the collection is not the caller's."""
    batch, collection, keys = to
    if collection is not None and await desk.collections.find(wanted.username, collection) is None:
        raise not_found("collection")
    batch_ids = None if batch is None else (batch, batch_id_of(wanted.username, batch))
    return replace(wanted, collection_id=collection, batch_ids=batch_ids, keys=keys)


async def found(desk: Desk, username: str, key: Key) -> Picture:
    """Raises Problem."""
    known = await desk.pictures.find(username, key)
    if known is None:
        raise not_found("image")
    return known


def key_of(image_id: str) -> Key:
    """Raises Problem."""
    key = image_key(image_id)
    if key is None:
        raise not_found("image")
    tracing.concerns(batch_id=key[0], ordinal=key[1])
    return key


async def _ends(desk: Desk, username: str, action: str, keys: Sequence[Key]) -> Mapping[Key, BulkWord]:
    if action == "delete":
        ends = await desk.marks.delete(username, keys)
        return {key: end.value for key, end in ends.items()}
    word: BulkWord = "favourite" if action == "favourite" else "unfavourite"
    return dict.fromkeys(await desk.marks.favourite(username, keys, word == "favourite"), word)


def _named(ids: str) -> tuple[Key, ...]:
    """What is no id names no image."""
    said = ids.split(",")
    if len(said) > MAX_IDS:
        detail = f"at most {MAX_IDS} ids"
        raise Problem("invalid_request", detail, [FieldError(parameter="ids", detail=detail)])
    return tuple(key for each in said if (key := image_key(each.strip())))
