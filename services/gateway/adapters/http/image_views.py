"""From what the gateway knows of images, collections and usage to what people see. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from chassis.cloudinary_delivery import WIDTHS, thumbnail_url
from services.gateway.adapters.http import views
from services.gateway.adapters.http.image_shapes import (
    CollectionShape,
    DayOfUsage,
    PictureShape,
    SettingsShape,
    UsageReport,
    UsageShape,
)
from services.gateway.domain.pictures import Collection, Picture, Usage

COLLECTIONS = "/v1/collections"


def picture(known: Picture, live: views.Live) -> PictureShape:
    shown = views.image(known.image, live, known.batch)
    image = known.image
    urls = {"self": f"{views.IMAGES}/{shown.id}"}
    if known.batch:
        urls["batch"] = f"{views.BATCHES}/{image.batch_id}"
    return PictureShape(
        **shown.model_dump(),
        batch_id=image.batch_id,
        character={"id": known.character_id, "name": _character_name(known)},
        collections=list(known.collections),
        thumbnails={str(width): thumbnail_url(shown.url, width) for width in WIDTHS} if shown.url else {},
        settings=_settings(known),
        urls=urls,
    )


def collection(known: Collection) -> CollectionShape:
    here = f"{COLLECTIONS}/{known.id}"
    return CollectionShape(
        id=known.id,
        name=known.name,
        images=known.images,
        created_at=datetime.fromtimestamp(known.created_at, UTC),
        urls={"self": here, "images": f"{here}/images"},
    )


def usage(first: date, last: date, days: Sequence[Usage]) -> UsageReport:
    items = [
        DayOfUsage(day=each.day, character_id=each.character_id, **_used([each]).model_dump())
        for each in days
    ]
    return UsageReport(first=first, last=last, total=_used(days), items=items)


def _used(days: Iterable[Usage]) -> UsageShape:
    known = tuple(days)
    return UsageShape(
        images=sum(each.images for each in known),
        placeholders=sum(each.placeholders for each in known),
        failures=sum(each.failures for each in known),
        canceled=sum(each.canceled for each in known),
        gpu_seconds=sum(each.gpu_ms for each in known) / 1000,
    )


def _character_name(known: Picture) -> str | None:
    asset = known.image.asset
    if known.batch:
        return known.batch.request.character.name
    return asset.character.name if asset else None


def _settings(known: Picture) -> SettingsShape | None:
    if known.batch is None:
        return None
    request, asset = known.batch.request, known.image.asset
    asked = request.model_dump(
        include={"prompt", "negative_prompt", "width", "height", "workflow", "style", "parameters"}
    )
    drawn = None if request.seed is None else (request.seed + known.image.ordinal) % 2**64
    return SettingsShape(**asked, seed=asset.seed if asset and asset.seed is not None else drawn)
