"""Images and index files in Cloudinary, by the rules of an idempotent upload: the name in full, nothing left
to the account's defaults, nothing overwritten unless told to, an answer believed only when it is whole."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import md5
from time import perf_counter
from typing import Any

from opentelemetry.trace import SpanKind
from prometheus_client import Histogram

from chassis.cloudinary_account import Account, NotFound, Refused
from chassis.cloudinary_sdk import api, uploader
from contracts import names
from messaging import tracing
from messaging.errors import Outage, PermanentError
from services.uploader.domain.rows import Lying, Refusal, Upload

SECONDS = Histogram(
    "darkroom_upload_seconds",
    "From the first byte to storage's word that it has the image",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60),
)

#: What names an asset or changes its bytes, so that no default upload preset of the account decides it.
_EXACTLY = {
    "use_filename": False,
    "unique_filename": False,
    "use_asset_folder_as_public_id_prefix": False,
}


#: Cloudinary's words for assets that anybody may fetch, and those that only a signed URL opens.
PUBLIC, PRIVATE = "upload", "authenticated"


class CloudinaryShelf:
    """Implements `Shelf` and `IndexFiles`."""

    def __init__(self, account: Account, private: Collection[str] = ()) -> None:
        """`private` are collections whose images are private whatever is said of their characters."""
        self._account = account
        self._private = private

    async def put(self, upload: Upload, data: bytes, *, replace: bool = False) -> Lying | Refusal:
        began = perf_counter()
        with tracing.span("upload", SpanKind.CLIENT, public_id=upload.place.public_id, bytes=len(data)):
            found = await self._put(upload, data, replace)
        if isinstance(found, Lying):
            SECONDS.observe(perf_counter() - began)
        return found

    async def _put(self, upload: Upload, data: bytes, replace: bool) -> Lying | Refusal:
        kind = self._delivery(upload)
        try:
            answer = await self._account.call(
                uploader.upload,
                data,
                resource_type="image",
                type=kind,
                public_id=upload.place.public_id,
                filename=upload.filename,
                tags=list(upload.tags),
                context=dict(upload.context),
                overwrite=replace,
                invalidate=replace,
                **_EXACTLY,
                **await self._folder(upload.place.folder, upload.place.name),
            )
        except NotFound as why:
            raise Outage(f"Cloudinary has no place for uploads there: check CLOUDINARY_URL ({why})") from why
        except Refused as why:
            return Refusal(_code(why), f"Cloudinary refused the image: {why.message}")
        lying = _lying(answer, upload.place.public_id)
        return lying if kind == PUBLIC else dataclasses.replace(lying, url=self._signed(lying.url))

    async def remove(self, public_id: str) -> None:
        # Both: what is private may have been set otherwise when the image was stored.
        for kind in (PUBLIC, PRIVATE):
            await self._remove(public_id, kind)

    async def _remove(self, public_id: str, kind: str) -> None:
        try:
            answer = await self._account.call(
                uploader.destroy, public_id, resource_type="image", type=kind, invalidate=True
            )
        except NotFound:
            return
        except Refused as why:
            raise PermanentError(f"Cloudinary does not delete it: {why.message}") from why
        if answer.get("result") not in ("ok", "not found"):
            raise Outage(f"Cloudinary does not say that it deleted the image, but {answer.get('result')!r}")

    async def write(self, folder: str, next_index: int) -> None:
        public_id, digits = names.index_file(folder), str(next_index)
        try:
            answer = await self._account.call(
                uploader.upload,
                digits.encode(),
                resource_type="raw",
                type=PUBLIC,
                public_id=public_id,
                filename="index.txt",
                context={"next_index": digits},
                overwrite=True,
                invalidate=True,
                **_EXACTLY,
                **await self._folder(folder, "index.txt"),
            )
        except (NotFound, Refused) as why:
            raise Outage(f"Cloudinary does not take {public_id}: {why}") from why
        sent = (public_id, len(digits), md5(digits.encode(), usedforsecurity=False).hexdigest())
        if (answer.get("public_id"), answer.get("bytes"), answer.get("etag")) != sent:
            raise Outage(f"Cloudinary does not say that it stored {public_id} as it was sent")

    async def read(self, folders: Sequence[str]) -> Mapping[str, int]:
        files = {names.index_file(folder): folder for folder in folders}
        try:
            answer = await self._account.call(
                api.resources_by_ids, list(files), resource_type="raw", type="upload", context=True
            )
        except (NotFound, Refused) as why:
            raise Outage(f"Cloudinary does not list index files: {why}") from why
        if not isinstance(found := answer.get("resources"), list):
            raise Outage("Cloudinary's listing has no list")
        said = {
            files.get(str(one.get("public_id"))): _next_index(one) for one in found if isinstance(one, dict)
        }
        return {folder: number for folder, number in said.items() if folder and number}

    def _delivery(self, upload: Upload) -> str:
        parts = names.parse_folder(upload.place.folder)
        return PRIVATE if upload.private or (parts and parts[1] in self._private) else PUBLIC

    def _signed(self, url: str) -> str:
        try:
            return self._account.signed(url)
        except ValueError as error:
            raise Outage(f"Cloudinary's answer tells an address that can't be signed: {error}") from error

    async def _folder(self, folder: str, name: str) -> dict[str, str]:
        """In a fixed-folder account the name alone says the folder; a dynamic one shows it only if told."""
        if await self._account.folder_mode() == "fixed":
            return {}
        return {"asset_folder": folder, "display_name": name}


def _lying(answer: Mapping[str, Any], public_id: str) -> Lying:
    """Raises Outage where the answer lacks something: whether the image is stored is not known then."""
    try:
        lying = Lying(
            public_id=_text(answer["public_id"]),
            md5=_text(answer["etag"]),
            byte_count=int(answer["bytes"]),
            asset_id=_text(answer["asset_id"]),
            version=int(answer["version"]),
            url=_text(answer.get("secure_url") or answer["url"]),
            created_at=datetime.fromisoformat(answer["created_at"]),
            context={str(key): str(value) for key, value in _custom(answer).items()},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Outage(f"Cloudinary's answer about {public_id} is not whole: {error!r}") from error
    if lying.public_id != public_id:
        raise PermanentError(
            f"Cloudinary stored {public_id} as {lying.public_id}: check the account's default upload preset"
        )
    return lying


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"a text is missing, there is {value!r}")
    return value


def _custom(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    context = answer.get("context") or {}
    return context.get("custom", context) if isinstance(context, dict) else {}


def _next_index(resource: Mapping[str, Any]) -> int | None:
    said = str(_custom(resource).get("next_index", ""))
    return int(said) if said.isascii() and said.isdecimal() else None


def _code(why: Refused) -> str:
    text = why.message.lower()
    if why.status == 413 or "too large" in text or "maximum image size" in text or "megapixel" in text:
        return "too_large"
    return "invalid_image" if "invalid image" in text or "unsupported" in text else "refused"
