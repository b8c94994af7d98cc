"""The Admin API's deletions: by public ids, by prefix, by tag, or everything of one kind."""

from collections.abc import Callable

from starlette.routing import Route

from sandbox.cloudinary.admin_calls import admin_route
from sandbox.cloudinary.answers import Answer
from sandbox.cloudinary.asset import Asset
from sandbox.cloudinary.attributes import flag
from sandbox.cloudinary.calls import Call
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.listing import by_public_id, page_of
from sandbox.cloudinary.refusals import Refusal, missing

_MAX_IDS = 100
_MAX_DELETED = 1000


def deletion_routes(environment: ProductEnvironment) -> list[Route]:
    table = [
        ("delete_resources_by_tag", "DELETE", "/resources/{resource_type}/tags/{tag}", _delete_tagged),
        ("delete_resources", "DELETE", "/resources/{resource_type}/{type}", _delete),
    ]
    return [admin_route(environment, *entry) for entry in table]


async def _delete(environment: ProductEnvironment, call: Call) -> Answer:
    public_ids, prefix = call.texts("public_ids"), call.text("prefix")
    if public_ids:
        return await _delete_named(environment, call, public_ids)
    if prefix:
        return await _delete_where(environment, call, lambda asset: asset.public_id.startswith(prefix))
    if flag(call.text("all")):
        return await _delete_where(environment, call, lambda _: True)
    raise missing("public_ids")


async def _delete_tagged(environment: ProductEnvironment, call: Call) -> Answer:
    tag = call.path["tag"]
    return await _delete_where(environment, call, lambda asset: tag in asset.description.tags)


async def _delete_named(environment: ProductEnvironment, call: Call, public_ids: list[str]) -> Answer:
    if len(public_ids) > _MAX_IDS:
        raise Refusal(400, f"Too many public_ids: {len(public_ids)}. Maximum is {_MAX_IDS}")

    def delete() -> dict[str, str]:
        gone = {one: environment.store.destroy(call.address(one)) for one in public_ids}
        return {one: "deleted" if deleted else "not_found" for one, deleted in gone.items()}

    return _answer(await environment.in_thread(delete), None)


async def _delete_where(
    environment: ProductEnvironment, call: Call, concerned: Callable[[Asset], bool]
) -> Answer:
    """At most 1,000 assets a call; a cursor says that there are more."""
    place = call.address("")
    kind = "type" in call.path

    def delete() -> Answer:
        within = (a for a in environment.store.all() if a.address.resource_type == place.resource_type)
        matching = (a for a in within if (not kind or a.address.type == place.type) and concerned(a))
        page = page_of(matching, by_public_id, _MAX_DELETED, "")
        gone = {asset.public_id: environment.store.destroy(asset.address) for asset in page.assets}
        return _answer(dict.fromkeys(gone, "deleted"), page.next_cursor)

    return await environment.in_thread(delete)


def _answer(deleted: dict[str, str], next_cursor: str | None) -> Answer:
    counts = {name: {"original": int(word == "deleted"), "derived": 0} for name, word in deleted.items()}
    more = {"next_cursor": next_cursor} if next_cursor else {}
    return {"deleted": deleted, "deleted_counts": counts, "partial": next_cursor is not None, **more}
