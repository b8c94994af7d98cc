"""`POST …/resources/search`: finds assets by an expression, in pages."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.routing import Route

from sandbox.cloudinary.admin_calls import admin_route
from sandbox.cloudinary.answers import Answer, Presenter
from sandbox.cloudinary.asset import Asset
from sandbox.cloudinary.calls import Call
from sandbox.cloudinary.environment import ProductEnvironment
from sandbox.cloudinary.expression import QueryError, Term, parse_expression
from sandbox.cloudinary.listing import SortKey, by_creation, by_public_id, page_of, page_size
from sandbox.cloudinary.refusals import Refusal
from sandbox.cloudinary.settings import FolderMode

_DEFAULT_RESULTS = 50
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(k|m|kb|mb)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1_000, "kb": 1_000, "m": 1_000_000, "mb": 1_000_000}
_NUMBERS: Mapping[str, Callable[[Asset], int | None]] = {
    "bytes": lambda asset: asset.content.bytes,
    "width": lambda asset: asset.content.width,
    "height": lambda asset: asset.content.height,
}
#: Compared as a whole.
_KEYWORDS: Mapping[str, Callable[[Asset], str]] = {
    "public_id": lambda asset: asset.public_id,
    "asset_id": lambda asset: asset.asset_id,
    "resource_type": lambda asset: asset.address.resource_type,
    "type": lambda asset: asset.address.type,
    "format": lambda asset: asset.content.format or "",
    "etag": lambda asset: asset.content.etag,
}
#: Compared word by word after `:`, as a whole after `=`.
_TEXTS: Mapping[str, Callable[[Asset], Sequence[str]]] = {
    "tags": lambda asset: asset.description.tags,
    "display_name": lambda asset: (asset.description.display_name,),
    "filename": lambda asset: (asset.public_id.rsplit("/", 1)[-1],),
}
_FOLDERS = frozenset({"folder", "asset_folder"})
_CONTEXT = "context."
_SORTS: Mapping[str, SortKey] = {
    "public_id": by_public_id,
    "created_at": by_creation,
    "uploaded_at": lambda asset: (asset.uploaded_at, asset.asset_id),
    "bytes": lambda asset: (float(asset.content.bytes), asset.asset_id),
}


def search_routes(environment: ProductEnvironment) -> list[Route]:
    return [admin_route(environment, "search", "POST", "/resources/search", _search)]


async def _search(environment: ProductEnvironment, call: Call) -> Answer:
    matches, terms = parse_expression(call.text("expression"))
    for term in terms:
        _understood(term)
    mode = environment.settings.folder_mode
    indexed_until = environment.now() - environment.settings.search_lag_seconds
    known = (asset for asset in environment.store.all() if asset.uploaded_at <= indexed_until)
    found = [asset for asset in known if matches(lambda term, asset=asset: _holds(term, asset, mode))]  # type: ignore[misc]
    key, descending = _order(call.fields.get("sort_by"))
    size = page_size(call.text("max_results"), _DEFAULT_RESULTS)
    page = page_of(found, key, size, call.text("next_cursor"), descending=descending)
    presenter = Presenter(environment.settings, call.base_url)
    with_fields, fields = call.texts("with_field"), call.texts("fields")
    lines = [presenter.found(asset, with_fields, fields) for asset in page.assets]
    more = {"next_cursor": page.next_cursor} if page.next_cursor else {}
    return {"total_count": page.total, "time": 1, "resources": lines, **more}


def _understood(term: Term) -> None:
    """Raises QueryError for a term that would otherwise match nothing without a word."""
    numeric = term.field in _NUMBERS
    known = numeric or term.field in {*_KEYWORDS, *_TEXTS, *_FOLDERS} or term.field.startswith(_CONTEXT)
    fits = _NUMBER.fullmatch(term.value) and not term.prefix if numeric else term.operator in (":", "=")
    if not known or not fits:
        raise QueryError(term.position)


def _holds(term: Term, asset: Asset, mode: FolderMode) -> bool:
    if term.field in _NUMBERS:
        return _number_holds(term, _NUMBERS[term.field](asset))
    if term.field in _FOLDERS:
        return _folder_holds(term, _folder(asset, mode))
    if term.field in _KEYWORDS:
        return _text_holds(term, _KEYWORDS[term.field](asset))
    if term.field.startswith(_CONTEXT):
        texts: Sequence[str] = (asset.description.context.get(term.field.removeprefix(_CONTEXT), ""),)
    else:
        texts = _TEXTS[term.field](asset)
    if term.operator == "=":
        return any(_text_holds(term, text) for text in texts)
    return any(_text_holds(term, word) for text in texts for word in (text, *re.findall(r"\w+", text)))


def _text_holds(term: Term, text: str) -> bool:
    if term.prefix:
        return bool(text) and text.lower().startswith(term.value.lower())
    return text.lower() == term.value.lower()


def _folder_holds(term: Term, folder: str) -> bool:
    """`x/*` is the folder x and everything below it."""
    if not term.prefix:
        return folder == term.value.strip("/")
    return f"{folder}/".startswith(term.value) if term.value.endswith("/") else folder.startswith(term.value)


def _folder(asset: Asset, mode: FolderMode) -> str:
    return asset.description.asset_folder if mode == "dynamic" else asset.public_id.rpartition("/")[0]


def _number_holds(term: Term, number: int | None) -> bool:
    parsed = _NUMBER.fullmatch(term.value)
    if parsed is None or number is None:
        return False
    bound = float(parsed[1]) * _UNITS[(parsed[2] or "").lower()]
    answers = {
        ":": number == bound,
        "=": number == bound,
        "<": number < bound,
        ">": number > bound,
        "<=": number <= bound,
        ">=": number >= bound,
    }
    return answers[term.operator]


def _order(sort_by: Any) -> tuple[SortKey, bool]:
    """The first sort field and whether it goes down; newest first without any."""
    if not isinstance(sort_by, list) or not sort_by:
        return by_creation, True
    field, direction = next(iter(dict(sort_by[0]).items()))
    if field not in _SORTS:
        raise Refusal(400, f"Cannot sort by {field}")
    return _SORTS[field], direction != "asc"
