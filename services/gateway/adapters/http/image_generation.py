"""`/api/image-generation`: the two calls that the product has always made, in their exact shapes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from contracts.limits import MAX_QUANTITY, MAX_SIDE, MAX_TEXT, MIN_SIDE
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.codes import ANY_KEY, ANY_ORDER, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Guarded, needs
from services.gateway.adapters.http.idempotency import KEYED
from services.gateway.adapters.http.orders import Known, known_character, new_batch_id, order, outcome
from services.gateway.adapters.http.preferences import Wait
from services.gateway.adapters.http.problems import Problem
from services.gateway.adapters.http.shapes import Text
from services.gateway.adapters.http.views import BATCHES, RETRY_AFTER
from services.gateway.domain.images import ImageState, Status

router = APIRouter(prefix="/api/image-generation", tags=["image generation"], route_class=Guarded)

#: Assets that the old gallery lists at the most, when nobody asks for fewer.
GALLERY_LIMIT = 10_000


class Generate(BaseModel):
    """The old body. Fields that it does not know are ignored, as they always were."""

    model_config = ConfigDict(
        extra="ignore", populate_by_name=True, json_schema_extra={"examples": [examples.GENERATE]}
    )

    character_id: Text = Field(alias="characterId", max_length=300, examples=["chr_5d41402abc4b2a76"])
    prompt: Text = Field(min_length=1, max_length=MAX_TEXT, examples=["portrait in opal light"])
    quantity: int = Field(
        1,
        ge=1,
        le=MAX_QUANTITY,
        validation_alias=AliasChoices("quantity", "numImages"),
        description="also as `numImages`",
    )
    width: int = Field(1024, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=8)
    height: int = Field(1536, ge=MIN_SIDE, le=MAX_SIDE, multiple_of=8)
    style: Text | None = Field(None, max_length=100, examples=["noir"])
    negative_prompt: Text | None = Field(None, alias="negativePrompt", max_length=MAX_TEXT)
    seed: int | None = Field(None, ge=0, lt=2**64)


class GeneratedImage(BaseModel):
    index: int
    url: str | None
    public_id: str | None = Field(serialization_alias="publicId")
    status: str
    placeholder: bool
    error: str | None


class Generated(BaseModel):
    image_url: str = Field(serialization_alias="imageUrl")
    image_urls: list[str] = Field(serialization_alias="imageUrls", description="highest index first")
    generated_count: int = Field(serialization_alias="generatedCount", description="real images")
    used_embedding: bool = Field(serialization_alias="usedEmbedding")
    prompt: str
    style: str | None
    batch_id: str = Field(serialization_alias="batchId")
    images: list[GeneratedImage]


class Accepted(BaseModel):
    batch_id: str = Field(serialization_alias="batchId")
    status_url: str = Field(serialization_alias="statusUrl")


class GeneratedAnswer(BaseModel):
    success: Literal[True] = True
    data: Generated


class AcceptedAnswer(BaseModel):
    success: Literal[True] = True
    data: Accepted


class GalleryImage(BaseModel):
    url: str
    public_id: str = Field(serialization_alias="publicId")
    created_at: datetime = Field(serialization_alias="createdAt")
    filename: str


class GalleryData(BaseModel):
    images: list[GalleryImage] = Field(description="newest first")
    total_count: int = Field(serialization_alias="totalCount")
    character_id: str = Field(serialization_alias="characterId")


class GalleryAnswer(BaseModel):
    success: Literal[True] = True
    data: GalleryData


@router.post(
    "/generate",
    operation_id="generateImages",
    dependencies=[needs("batches:write"), KEYED],
    summary="Generate images and wait for them",
    response_model=GeneratedAnswer,
    responses={
        200: examples.answer("Every image has ended", "generated", "Preference-Applied"),
        202: {
            "model": AcceptedAnswer,
            **examples.answer("Still running", "accepted", "Location", "Retry-After", "Preference-Applied"),
        },
        **answers(*ANY_ORDER, *ANY_KEY, "all_images_failed"),
    },
)
async def generate(
    asked: Generate,
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    prefer: Annotated[str | None, Header(description="`respond-async` or `wait=N`")] = None,
) -> GeneratedAnswer | Response:
    """Answers when the last image has ended, or with 202 and a link if that takes longer than the server
    waits. Images that could not be made are placeholders."""
    wait = Wait.preferred(prefer)
    wish = asked.model_dump(exclude={"character_id"})
    batch = await order(desk, caller.username, asked.character_id, new_batch_id(request), wish)
    batch_id = batch.request.batch_id
    patience = wait.patience(desk.generate_wait, desk.generate_wait)
    known = await outcome(desk, batch, caller.username, patience, request.is_disconnected)
    if known[0].finished_at is None:
        return _accepted(batch_id, wait)
    response.headers.update(wait.headers())
    return GeneratedAnswer(data=generated(known))


@router.get(
    "/character/{character_id}",
    operation_id="listCharacterImages",
    dependencies=[needs("images:read")],
    summary="List a character's images",
    responses={
        200: examples.answer("What there is", "gallery"),
        **answers("not_found", "invalid_request"),
    },
)
async def gallery(
    character_id: str,
    desk: AtDesk,
    caller: ByCaller,
    limit: Annotated[int, Query(ge=1, le=GALLERY_LIMIT)] = GALLERY_LIMIT,
) -> GalleryAnswer:
    """What the caller has of this character in storage, newest first, placeholders among them."""
    await known_character(desk, character_id, caller.username)
    total, images = await desk.pictures.newest(character_id, caller.username, limit)
    listed = [_listed(image) for image in images]
    return GalleryAnswer(data=GalleryData(images=listed, total_count=total, character_id=character_id))


def _accepted(batch_id: str, wait: Wait) -> Response:
    link = f"{BATCHES}/{batch_id}"
    answer = AcceptedAnswer(data=Accepted(batch_id=batch_id, status_url=link))
    headers = {"Location": link, "Retry-After": RETRY_AFTER, **wait.headers()}
    return Response(answer.model_dump_json(by_alias=True), 202, headers, media_type="application/json")


def generated(known: Known) -> Generated:
    """Raises Problem where not one real image came to be."""
    batch, images = known
    real = [image for image in images if image.status is Status.SUCCEEDED]
    if not real:
        raise _all_failed(batch.request.batch_id, batch.rejected.reason if batch.rejected else None, images)
    shown = sorted((image for image in images if _url(image)), key=lambda image: -image.index)
    urls = [url for image in shown if (url := _url(image))]
    return Generated(
        image_url=urls[0],
        image_urls=urls,
        generated_count=len(real),
        used_embedding=all(image.picture and image.picture.used_embedding for image in real),
        prompt=batch.request.prompt,
        style=batch.request.style,
        batch_id=batch.request.batch_id,
        images=[_described(image) for image in sorted(images, key=lambda image: -image.index)],
    )


def _all_failed(batch_id: str, rejected: str | None, images: Sequence[ImageState]) -> Problem:
    reasons = {image.error.detail for image in images if image.error}
    detail = rejected or "; ".join(sorted(reasons)[:3]) or "no image was made"
    links: dict[str, Any] = {"batchId": batch_id, "statusUrl": f"{BATCHES}/{batch_id}"}
    return Problem("all_images_failed", detail, **links)


def _described(image: ImageState) -> GeneratedImage:
    return GeneratedImage(
        index=image.index,
        url=_url(image),
        public_id=image.asset.public_id if image.asset and _url(image) else None,
        status=image.status.word,
        placeholder=image.status is Status.PLACEHOLDER,
        error=image.error.detail if image.error else None,
    )


def _url(image: ImageState) -> str | None:
    shown = image.status in (Status.SUCCEEDED, Status.PLACEHOLDER)
    return image.asset.url if image.asset and shown else None


def _listed(image: ImageState) -> GalleryImage:
    asset = image.asset
    assert asset is not None  # the query asks for what lies in storage
    return GalleryImage(
        url=asset.url, public_id=asset.public_id, created_at=asset.created_at, filename=asset.name
    )
