"""Which batches can be made: the values that a well-formed GenerateBatch must have. Pure; asked by the
indexer before it reserves, and by the gateway before it accepts."""

from typing import NamedTuple

from contracts import names
from contracts.commands import GenerateBatch
from contracts.forms import Forms, misfit
from contracts.limits import (
    MAX_ID,
    MAX_PARAMETERS,
    MAX_QUANTITY,
    MAX_REQUEST,
    MAX_SEED,
    MAX_SIDE,
    MAX_TEXT,
    MIN_SIDE,
    SIDE_STEP,
)

#: Every code that a refusal may have; programs may rely on them.
CODES = frozenset(
    {
        "invalid_collection",
        "invalid_username",
        "invalid_character",
        "invalid_quantity",
        "invalid_size",
        "invalid_seed",
        "invalid_prompt",
        "invalid_parameters",
        "invalid_text",
        "text_too_long",
        "request_too_long",
        "unknown_workflow",
        "unknown_style",
    }
)


class Refusal(NamedTuple):
    """Why a batch cannot be made: a stable code, the field, and a sentence that says what to change."""

    code: str
    field: str
    reason: str


def folder_of(request: GenerateBatch) -> str:
    """The folder that the request's images go to. Raises `names.Unnameable`."""
    character = request.character
    return names.folder(request.username, character.collection, names.slug(character.name))


def refusal(request: GenerateBatch, workflows: Forms) -> Refusal | None:
    """The first reason against this batch, None if it can be made."""
    return _name(request) or _sizes(request) or _texts(request) or _workflow(request, workflows)


def _name(request: GenerateBatch) -> Refusal | None:
    if request.character.collection not in names.COLLECTIONS:
        allowed = " or ".join(names.COLLECTIONS)
        return Refusal("invalid_collection", "character.collection", f"the collection must be {allowed}")
    try:
        names.check_username(request.username)
    except names.Unnameable as why:
        return Refusal("invalid_username", "username", str(why))
    try:
        folder_of(request)
    except names.Unnameable as why:
        return Refusal("invalid_character", "character.name", str(why))
    return None


def _sizes(request: GenerateBatch) -> Refusal | None:
    if not 1 <= request.quantity <= MAX_QUANTITY:
        return Refusal("invalid_quantity", "quantity", f"ask for 1 to {MAX_QUANTITY} images")
    for field in ("width", "height"):
        side = getattr(request, field)
        if not MIN_SIDE <= side <= MAX_SIDE or side % SIDE_STEP:
            wish = f"{MIN_SIDE} to {MAX_SIDE} pixels in steps of {SIDE_STEP}"
            return Refusal("invalid_size", field, f"{field} must be {wish}")
    if request.seed is not None and not 0 <= request.seed <= MAX_SEED:
        return Refusal("invalid_seed", "seed", f"the seed must be 0 to {MAX_SEED}")
    return None


def _texts(request: GenerateBatch) -> Refusal | None:
    if not request.prompt.strip():
        return Refusal("invalid_prompt", "prompt", "the prompt is empty")
    if len(request.parameters) > MAX_PARAMETERS:
        return Refusal("invalid_parameters", "parameters", f"at most {MAX_PARAMETERS} parameters")
    values = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "style": request.style,
        "character.id": request.character.id,
        "character.name": request.character.name,
        "character.embedding": request.character.embedding,
    }
    parameters = [("parameters", f"{name}{value}") for name, value in request.parameters.items()]
    for field, text in [*values.items(), *parameters]:
        longest = MAX_ID if field == "character.id" else MAX_TEXT
        if text and len(text) > longest:
            return Refusal("text_too_long", field, f"{field} has more than {longest} characters")
        # PostgreSQL stores no NUL, and nobody means one.
        if text and "\0" in text:
            return Refusal("invalid_text", field, f"{field} has a NUL character; take it out")
    if _may_be_long(request) and len(request.encode()) > MAX_REQUEST:
        return Refusal("request_too_long", "parameters", f"the request has more than {MAX_REQUEST} bytes")
    return None


def _may_be_long(request: GenerateBatch) -> bool:
    """Whether it is worth its while to write the request down and count; only what has no bound of its own by
    now can make it long. A character is at most six bytes, as an escape is."""
    return bool(request.parameters) or 6 * len(request.workflow) > MAX_REQUEST // 4


def _workflow(request: GenerateBatch, workflows: Forms) -> Refusal | None:
    form = workflows.get(request.workflow)
    if form is None:
        known = ", ".join(sorted(workflows)) or "none"
        return Refusal("unknown_workflow", "workflow", f"there is no such workflow; known: {known}")
    wrong = misfit(request, form)
    if wrong is None:
        return None
    return Refusal("unknown_style" if wrong.field == "style" else "invalid_parameters", *wrong)
