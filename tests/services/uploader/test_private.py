"""Images of private collections: stored like all others, delivered to holders of a signed URL alone."""

from dataclasses import replace

import httpx
import pytest
from cloudinary import uploader as sdk
from pydantic import ValidationError

from chassis.cloudinary_delivery import thumbnail_url
from contracts.commands import DeleteImage
from contracts.events import ImageStored, IndexTaken
from services.indexer.adapters.cloudinary_shelf import CloudinaryShelf as Listing
from services.uploader.adapters.cloudinary_shelf import PRIVATE, CloudinaryShelf
from tests.services.uploader.stage import FOLDER, OPAL, Replica, Stage, failed, picture, public_id, reserved
from tests.services.uploader.test_app import settings


@pytest.fixture
async def private(uploader: Replica) -> Replica:
    return replace(uploader, shelf=CloudinaryShelf(uploader.account, {"characters"}))


async def test_its_url_opens_it_and_nothing_else_does(private: Replica, stage: Stage) -> None:
    said = await private.stored(picture(1))
    assert "/authenticated/s--" in said.url
    assert await stage.fetch(said.url) == picture(1)
    signature = said.url.split("/")[6]
    async with httpx.AsyncClient() as http:
        for wrong in (said.url.replace(f"{signature}/", ""), said.url.replace("image_7", "image_8")):
            assert (await http.get(wrong)).status_code in (401, 404)
    assert thumbnail_url(said.url, 256) == said.url


async def test_a_character_is_private_by_itself_with_its_images_and_placeholders(
    uploader: Replica, stage: Stage
) -> None:
    opal = OPAL.model_copy(update={"private": True})
    said = await uploader.stored(picture(1), character=opal)
    assert "/authenticated/s--" in said.url
    batch = reserved("b2", first=20)
    await uploader.hear(
        batch.model_copy(update={"request": batch.request.model_copy(update={"character": opal})})
    )
    (placeholder,) = await uploader.hear(failed("b2", index=20))
    assert isinstance(placeholder, ImageStored)
    assert "/authenticated/s--" in placeholder.url
    other = await uploader.stored(picture(3), batch_id="b3", index=30)
    assert "/image/upload/v" in other.url


async def test_the_other_collection_stays_public(private: Replica, stage: Stage) -> None:
    folder = FOLDER.replace("/characters/", "/premade_characters/")
    said = await private.stored(picture(1), folder=folder)
    assert "/image/upload/v" in said.url


async def test_its_placeholder_is_private_too_and_replaced(private: Replica, stage: Stage) -> None:
    await private.hear(reserved())
    (placeholder,) = await private.hear(failed())
    assert isinstance(placeholder, ImageStored)
    assert "/authenticated/s--" in placeholder.url
    said = await private.stored(picture(1), round=2)
    assert await stage.fetch(said.url) == picture(1)
    assert len(await stage.assets()) == 1


async def test_a_number_that_is_taken_privately_is_a_conflict_and_listed(private: Replica) -> None:
    await private.account.call(sdk.upload, picture(99), public_id=public_id(7), type=PRIVATE)
    (asked,) = await private.hear(await private.deliver(picture(1)))
    assert isinstance(asked, IndexTaken)
    async with httpx.AsyncClient() as http:
        assert (await Listing(private.account, http).look(FOLDER)).highest == 7


async def test_it_is_deleted_whatever_is_private_by_then(
    private: Replica, uploader: Replica, stage: Stage
) -> None:
    await private.stored(picture(1))
    await uploader.hear(DeleteImage(public_id=public_id(7)))
    assert await stage.assets() == {}


def test_a_collection_that_there_is_not_is_named(stage: Stage) -> None:
    known = settings(stage).model_dump()
    with pytest.raises(ValidationError, match="'secret' is no collection"):
        type(settings(stage))(**{**known, "private_collections": "characters, secret"})
