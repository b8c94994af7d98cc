"""Images, collections and usage as they travel over HTTP."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.adapters.http import image_examples as examples
from services.gateway.adapters.http.shapes import Asked, ImageShape, Text

#: Images that one call may name.
MAX_NAMED = 500

ImageName = Annotated[Text, Field(max_length=80, examples=[examples.IMAGE_ID])]
CollectionName = Annotated[Text, Field(min_length=1, max_length=200, examples=["Covers"])]


class SettingsShape(BaseModel):
    """What the image was made with: asked for again, it gives the same image."""

    prompt: str
    negative_prompt: str
    seed: int | None = Field(description="this image's own")
    width: int
    height: int
    workflow: str
    style: str | None
    parameters: dict[str, Any]


class PictureShape(ImageShape):
    """An image on its own."""

    batch_id: str
    character: dict[str, str | None] = Field(examples=[{"id": "chr_5d41402abc4b2a76", "name": "Opal Fever"}])
    collections: list[str] = Field(description="ids of the collections that it is in")
    thumbnails: dict[str, str] = Field(description="small copies by their width in pixels")
    settings: SettingsShape | None = Field(
        description="null where nobody knows any more: the gallery was rebuilt from storage"
    )
    urls: dict[str, str]


class PicturePage(BaseModel):
    items: list[PictureShape]
    next_cursor: str | None
    has_more: bool


class Mark(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.MARK]})

    favourite: bool


class Bulk(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.BULK]})

    action: Literal["delete", "favourite", "unfavourite"]
    ids: list[ImageName] = Field(min_length=1, max_length=MAX_NAMED)


BulkWord = Literal["favourite", "unfavourite", "deleting", "deleted", "collected", "not_stored", "not_found"]


class BulkResult(BaseModel):
    id: str
    status: BulkWord


class BulkResults(BaseModel):
    items: list[BulkResult] = Field(description="in the order of the question, each image once")


class NewCollection(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEW_COLLECTION]})

    name: CollectionName


class CollectionShape(BaseModel):
    id: str = Field(examples=[examples.COLLECTION_ID])
    name: str
    images: int
    created_at: datetime
    urls: dict[str, str]


class CollectionPage(BaseModel):
    items: list[CollectionShape]
    next_cursor: str | None
    has_more: bool


class Members(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.MEMBERS]})

    ids: list[ImageName] = Field(min_length=1, max_length=MAX_NAMED)


class UsageShape(BaseModel):
    """What was made; each image counts once, on the day of its end (UTC)."""

    images: int = Field(description="real ones, also those that were deleted later")
    placeholders: int
    failures: int
    canceled: int
    gpu_seconds: float = Field(description="of the images that came to be")


class DayOfUsage(UsageShape):
    day: date
    character_id: str


class UsageReport(BaseModel):
    first: date
    last: date
    total: UsageShape
    items: list[DayOfUsage] = Field(description="by day, then by character; days without images are left out")
