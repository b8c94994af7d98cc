"""Where an upload will lie: its public id, Media Library folder and display name, in both folder modes."""

from sandbox.cloudinary.attributes import flag
from sandbox.cloudinary.calls import Call
from sandbox.cloudinary.public_ids import (
    accepted_asset_folder,
    accepted_public_id,
    file_extension,
    file_stem,
    name_from_file,
    random_public_id,
)
from sandbox.cloudinary.settings import FolderMode


def public_id_for(call: Call, filename: str, resource_type: str, mode: FolderMode) -> str:
    """The public id that this upload gets; raises Refusal for one the service does not take."""
    name = call.text("public_id") or _made_up(call, filename, resource_type)
    prefix = _prefix(call, mode)
    return accepted_public_id(f"{prefix}/{name}" if prefix else name)


def asset_folder_for(call: Call, mode: FolderMode) -> str:
    """Dynamic folders do not follow the public id: without one the asset lies in the Media Library's root."""
    if mode == "fixed":
        return ""
    return accepted_asset_folder(call.text("asset_folder") or call.text("folder"))


def display_name_for(call: Call, public_id: str, filename: str) -> str:
    if call.text("display_name"):
        return call.text("display_name")
    if flag(call.text("use_filename_as_display_name")):
        return file_stem(filename)
    return public_id.rsplit("/", 1)[-1]


def _prefix(call: Call, mode: FolderMode) -> str:
    if mode == "fixed":
        return call.text("folder").strip("/")
    folder = call.text("asset_folder") if flag(call.text("use_asset_folder_as_public_id_prefix")) else ""
    return (call.text("public_id_prefix") or folder or call.text("folder")).strip("/")


def _made_up(call: Call, filename: str, resource_type: str) -> str:
    extension = file_extension(filename) if resource_type == "raw" else ""
    if not flag(call.text("use_filename")):
        return random_public_id() + extension
    return name_from_file(filename, unique=flag(call.text("unique_filename"), default=True)) + extension
