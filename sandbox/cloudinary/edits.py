"""The Upload API's calls about assets that are there: destroy, rename, explicit, tags, context."""

from collections.abc import Callable
from dataclasses import replace

from sandbox.cloudinary.answers import Answer, Presenter
from sandbox.cloudinary.asset import Asset, Description
from sandbox.cloudinary.attributes import context_of, flag, merged_tags, tags_of
from sandbox.cloudinary.calls import Call
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.public_ids import accepted_asset_folder, accepted_public_id
from sandbox.cloudinary.refusals import Refusal, missing, not_found
from sandbox.cloudinary.settings import FolderMode
from sandbox.cloudinary.signature import algorithm_of
from sandbox.cloudinary.store import AddressTaken
from sandbox.cloudinary.transformations import eager_of

Change = Callable[[Description], Description]
_MAX_PUBLIC_IDS = 1000


async def destroy(environment: ProductEnvironment, call: Call) -> Answer:
    address = call.address(call.required("public_id"))
    gone = await environment.in_thread(environment.store.destroy, address)
    return {"result": "ok" if gone else "not found"}


async def rename(environment: ProductEnvironment, call: Call) -> Answer:
    source = call.address(call.required("from_public_id"))
    wanted = accepted_public_id(call.required("to_public_id"))
    target = source._replace(public_id=wanted, type=call.text("to_type") or source.type)
    overwrite = flag(call.text("overwrite"))
    try:
        moved = await environment.in_thread(environment.store.rename, source, target, overwrite=overwrite)
    except AddressTaken:
        raise Refusal(400, f"to_public_id ({wanted}) already exists") from None
    return _uploaded(environment, call, moved, source.public_id)


async def explicit(environment: ProductEnvironment, call: Call) -> Answer:
    """Changes what is said about an asset; each given field replaces what was there."""
    call.required("type")
    address = call.address(call.required("public_id"))
    change = described_anew(call, environment.settings.folder_mode)
    asset = await environment.in_thread(environment.store.describe, address, change)
    return _uploaded(environment, call, asset, address.public_id)


async def tags(environment: ProductEnvironment, call: Call) -> Answer:
    given = tags_of(",".join(call.texts("tag")))
    changes: dict[str, Change] = {
        "add": lambda known: replace(known, tags=merged_tags(known.tags, given)),
        "remove": lambda known: replace(known, tags=tuple(tag for tag in known.tags if tag not in given)),
        "replace": lambda known: replace(known, tags=given),
        "remove_all": lambda known: replace(known, tags=()),
    }
    if not given and call.text("command") != "remove_all":
        raise missing("tag")
    return await _change_all(environment, call, changes)


async def context(environment: ProductEnvironment, call: Call) -> Answer:
    given = context_of(call.text("context"))
    changes: dict[str, Change] = {
        "add": lambda known: replace(known, context={**known.context, **given}),
        "remove_all": lambda known: replace(known, context={}),
    }
    return await _change_all(environment, call, changes)


def described_anew(call: Call, mode: FolderMode) -> Change:
    """The change that this call's descriptive fields ask for; raises Refusal for an impossible folder."""
    changed: dict[str, object] = {}
    if "tags" in call.fields:
        changed["tags"] = tags_of(call.text("tags"))
    if "context" in call.fields:
        changed["context"] = context_of(call.text("context"))
    if "eager" in call.fields:
        changed["eager"] = eager_of(call.text("eager"))
    if mode == "dynamic" and "asset_folder" in call.fields:
        changed["asset_folder"] = accepted_asset_folder(call.text("asset_folder"))
    if mode == "dynamic" and "display_name" in call.fields:
        changed["display_name"] = call.text("display_name")
    return lambda known: replace(known, **changed)  # type: ignore[arg-type]


async def _change_all(environment: ProductEnvironment, call: Call, changes: dict[str, Change]) -> Answer:
    change = changes.get(call.text("command"))
    if change is None:
        raise Refusal(400, f"Invalid command {call.text('command')}")
    public_ids = call.texts("public_ids")
    if not public_ids:
        raise missing("public_ids")
    if len(public_ids) > _MAX_PUBLIC_IDS:
        raise Refusal(400, f"Too many public_ids. Maximum is {_MAX_PUBLIC_IDS}")

    def change_each() -> list[str]:
        found = (environment.store.describe(call.address(public_id), change) for public_id in public_ids)
        return [asset.public_id for asset in found if asset]

    return {"public_ids": await environment.in_thread(change_each)}


def _uploaded(environment: ProductEnvironment, call: Call, asset: Asset | None, public_id: str) -> Answer:
    if asset is None:
        raise not_found(public_id)
    presenter = Presenter(environment.settings, call.base_url)
    return presenter.uploaded(asset, algorithm_of(call.text("signature")))
