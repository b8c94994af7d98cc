"""The Admin API about assets: single ones, listings, changes, deletions."""

from collections.abc import Iterable
from uuid import UUID

from starlette.routing import Route

from sandbox.cloudinary.admin_calls import admin_route
from sandbox.cloudinary.answers import Answer, Presenter
from sandbox.cloudinary.asset import Asset
from sandbox.cloudinary.attributes import flag
from sandbox.cloudinary.calls import Call
from sandbox.cloudinary.edits import described_anew
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.listing import Page, by_creation, by_public_id, page_of, page_size
from sandbox.cloudinary.refusals import Refusal, missing, not_found

_MAX_IDS = 100


def resource_routes(environment: ProductEnvironment) -> list[Route]:
    one = "/resources/{resource_type}/{type}/{public_id:path}"
    table = [
        ("resource_types", "GET", "/resources", _types),
        ("resources_by_asset_folder", "GET", "/resources/by_asset_folder", _by_asset_folder),
        ("resources_by_asset_ids", "GET", "/resources/by_asset_ids", _by_asset_ids),
        ("resources_by_context", "GET", "/resources/{resource_type}/context", _by_context),
        ("resources_by_tag", "GET", "/resources/{resource_type}/tags/{tag}", _by_tag),
        ("resource_by_asset_id", "GET", "/resources/{asset_id:uuid}", _by_asset_id),
        ("resources", "GET", "/resources/{resource_type}", _resources),
        ("resources", "GET", "/resources/{resource_type}/{type}", _resources),
        ("resource", "GET", one, _resource),
        ("update", "POST", one, _update),
    ]
    return [admin_route(environment, *entry) for entry in table]


async def _types(environment: ProductEnvironment, call: Call) -> Answer:  # noqa: ARG001
    return {"resource_types": ["image", "raw"]}


async def _resource(environment: ProductEnvironment, call: Call) -> Answer:
    return _detailed(environment, call, environment.store.find(call.address(call.path["public_id"])))


async def _by_asset_id(environment: ProductEnvironment, call: Call) -> Answer:
    wanted = UUID(str(call.path["asset_id"])).hex
    found = (asset for asset in environment.store.all() if asset.asset_id == wanted)
    return _detailed(environment, call, next(found, None))


async def _update(environment: ProductEnvironment, call: Call) -> Answer:
    change = described_anew(call, environment.settings.folder_mode)
    address = call.address(call.path["public_id"])
    return _detailed(
        environment, call, await environment.in_thread(environment.store.describe, address, change)
    )


async def _resources(environment: ProductEnvironment, call: Call) -> Answer:
    """Everything, or by prefix or public ids; a prefix needs the delivery type in the path."""
    assets = _of_kind(environment, call)
    prefix, public_ids = call.text("prefix"), call.texts("public_ids")
    if public_ids:
        return _shown(environment, call, _few(public_ids, [a for a in assets if a.public_id in public_ids]))
    if not prefix:
        return _newest_first(environment, call, assets)
    if "type" not in call.path:
        raise Refusal(400, "Listing by prefix needs the parameter type")
    within = (asset for asset in assets if asset.public_id.startswith(prefix))
    return _shown(environment, call, page_of(within, by_public_id, *_page(call)))


async def _by_asset_folder(environment: ProductEnvironment, call: Call) -> Answer:
    if environment.settings.folder_mode != "dynamic":
        raise Refusal(400, "Asset folders need dynamic folder mode")
    folder = call.required("asset_folder").strip("/")
    within = (asset for asset in environment.store.all() if asset.description.asset_folder == folder)
    return _newest_first(environment, call, within)


async def _by_asset_ids(environment: ProductEnvironment, call: Call) -> Answer:
    wanted = call.texts("asset_ids")
    if not wanted:
        raise missing("asset_ids")
    found = [asset for asset in environment.store.all() if asset.asset_id in wanted]
    return _shown(environment, call, _few(wanted, found))


async def _by_context(environment: ProductEnvironment, call: Call) -> Answer:
    key, value = call.required("key"), call.fields.get("value")
    contexts = ((asset, asset.description.context) for asset in _of_kind(environment, call))
    found = (asset for asset, pairs in contexts if key in pairs and value in (None, pairs[key]))
    return _newest_first(environment, call, found)


async def _by_tag(environment: ProductEnvironment, call: Call) -> Answer:
    tag = call.path["tag"]
    tagged = (asset for asset in _of_kind(environment, call) if tag in asset.description.tags)
    return _newest_first(environment, call, tagged)


def _of_kind(environment: ProductEnvironment, call: Call) -> list[Asset]:
    wanted, kind = call.path["resource_type"], call.path.get("type")
    addresses = ((asset, asset.address) for asset in environment.store.all())
    return [a for a, address in addresses if address.resource_type == wanted and kind in (None, address.type)]


def _few(asked: list[str], found: list[Asset]) -> Page:
    if len(asked) > _MAX_IDS:
        raise Refusal(400, f"Too many ids: {len(asked)}. Maximum is {_MAX_IDS}")
    return page_of(found, by_public_id, _MAX_IDS, "")


def _newest_first(environment: ProductEnvironment, call: Call, assets: Iterable[Asset]) -> Answer:
    descending = call.text("direction", "desc") not in ("asc", "1")
    return _shown(environment, call, page_of(assets, by_creation, *_page(call), descending=descending))


def _page(call: Call) -> tuple[int, str]:
    return page_size(call.text("max_results")), call.text("next_cursor")


def _shown(environment: ProductEnvironment, call: Call, page: Page) -> Answer:
    presenter = Presenter(environment.settings, call.base_url)
    tags, context = flag(call.text("tags")), flag(call.text("context"))
    fields = [name for name in call.text("fields").split(",") if name]
    lines = [presenter.listed(asset, tags=tags, context=context, fields=fields) for asset in page.assets]
    return {"resources": lines, **({"next_cursor": page.next_cursor} if page.next_cursor else {})}


def _detailed(environment: ProductEnvironment, call: Call, asset: Asset | None) -> Answer:
    if asset is None:
        raise not_found(str(call.path.get("public_id") or call.path["asset_id"]))
    return Presenter(environment.settings, call.base_url).detailed(asset)
