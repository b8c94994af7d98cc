"""`POST …/upload`: names the asset, looks at its bytes and stores it."""

import base64
import binascii
import re
from dataclasses import dataclass

from sandbox.cloudinary.answers import Answer, Presenter
from sandbox.cloudinary.asset import Address, Content, Description
from sandbox.cloudinary.attributes import context_of, flag, tags_of
from sandbox.cloudinary.calls import Call
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.form import SentFile
from sandbox.cloudinary.images import image_content, raw_content
from sandbox.cloudinary.naming import asset_folder_for, display_name_for, public_id_for
from sandbox.cloudinary.public_ids import file_stem
from sandbox.cloudinary.refusals import Refusal, missing
from sandbox.cloudinary.settings import CloudinarySettings
from sandbox.cloudinary.signature import algorithm_of
from sandbox.cloudinary.store import Outcome, Stored
from sandbox.cloudinary.transformations import eager_of, parse_transformation, rendered

_DATA_URI = re.compile(r"data:[^;,]*(?:;[^;,]+)*?;base64,", re.ASCII)
_WHOLE_RANGE = re.compile(r"bytes 0-(\d+)/(\d+)")


async def upload(environment: ProductEnvironment, call: Call) -> Answer:
    """Stores the file, or answers with what already lies there where `overwrite` is off."""
    stored = await environment.in_thread(_store, environment, call)
    environment.stats.outcomes[stored.outcome] += 1
    presenter = Presenter(environment.settings, call.base_url)
    answer = presenter.uploaded(stored.asset, algorithm_of(call.text("signature")))
    if stored.outcome is Outcome.OVERWRITTEN:
        return {**answer, "overwritten": True}
    if not flag(call.text("overwrite"), default=True):
        return {**answer, "existing": stored.outcome is Outcome.EXISTING}
    return answer


def _store(environment: ProductEnvironment, call: Call) -> Stored:
    settings, sent = environment.settings, _sent_file(call)
    filename = call.text("filename_override") or sent.filename
    content: Content | None = None
    resource_type = call.path["resource_type"]
    if resource_type == "auto":
        content = _content_of_any_kind(sent.data, settings)
        resource_type = "image" if content.format else "raw"
    public_id = public_id_for(call, filename, resource_type, settings.folder_mode)
    address = Address(resource_type, call.text("type") or "upload", public_id)
    overwrite = flag(call.text("overwrite"), default=True)
    known = environment.store.find(address)
    if known and not overwrite:
        return Stored(known, Outcome.EXISTING)
    incoming = _incoming(call, sent.data, resource_type, settings, content)
    description = _description(call, public_id, filename, settings)
    return environment.store.put(address, incoming.data, incoming.content, description, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class _Incoming:
    data: bytes
    content: Content


def _incoming(
    call: Call, data: bytes, resource_type: str, settings: CloudinarySettings, content: Content | None
) -> _Incoming:
    """The bytes that will be stored: those that were sent, unless the upload asks for a transformation."""
    if resource_type == "raw":
        _within(len(data), settings.max_raw_bytes)
        return _Incoming(data, content or raw_content(data))
    if resource_type != "image":
        raise Refusal(400, f"Unsupported resource type {resource_type}")
    _within(len(data), settings.max_image_bytes)
    content = content or image_content(data, settings.max_image_pixels)
    transformation, target = call.text("transformation"), call.text("format")
    allowed = tags_of(call.text("allowed_formats"))
    if allowed and (target or content.format) not in allowed:
        raise Refusal(400, f"Image file format {content.format} not allowed")
    if not transformation and not target:
        return _Incoming(data, content)
    steps = [parse_transformation(component) for component in transformation.split("/") if component]
    changed, _ = rendered(data, steps, target or content.format or "png")
    return _Incoming(changed, image_content(changed, settings.max_image_pixels))


def _content_of_any_kind(data: bytes, settings: CloudinarySettings) -> Content:
    try:
        return image_content(data, settings.max_image_pixels)
    except Refusal:
        return raw_content(data)


def _description(call: Call, public_id: str, filename: str, settings: CloudinarySettings) -> Description:
    return Description(
        tags=tags_of(call.text("tags")),
        context=context_of(call.text("context")),
        asset_folder=asset_folder_for(call, settings.folder_mode),
        display_name=display_name_for(call, public_id, filename),
        original_filename=file_stem(filename),
        eager=eager_of(call.text("eager")),
    )


def _sent_file(call: Call) -> SentFile:
    """The file part, or a `data:` URI in the field; raises Refusal for nothing, or for a URL to fetch."""
    whole = _WHOLE_RANGE.fullmatch(call.headers.get("content-range", "bytes 0-0/1"))
    if whole is None or int(whole[1]) + 1 != int(whole[2]):
        raise Refusal(400, "Uploads in several chunks are not supported here; send the file whole")
    if call.file and call.file.data:
        return call.file
    source = call.text("file")
    if not source:
        raise missing("file")
    prefix = _DATA_URI.match(source)
    if prefix is None:
        raise Refusal(400, "Files are not fetched from other places here; send the bytes")
    try:
        return SentFile("file", base64.b64decode("".join(source[prefix.end() :].split()), validate=True))
    except binascii.Error:
        raise Refusal(400, "Invalid data URI") from None


def _within(got: int, maximum: int) -> None:
    if got > maximum:
        raise Refusal(400, f"File size too large. Got {got}. Maximum is {maximum}.")
