"""`/v1/characters`: who can be pictured."""

import time
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from contracts import names
from contracts.commands import OpenFolder
from services.gateway.adapters.http import cursors, examples, views
from services.gateway.adapters.http.codes import ANY_BODY, ANY_KEY, answers
from services.gateway.adapters.http.desk import AtDesk, ByCaller, Desk, Guarded, needs
from services.gateway.adapters.http.idempotency import KEYED, Key, key_of
from services.gateway.adapters.http.orders import character_id_of, known_character
from services.gateway.adapters.http.problems import FieldError, Problem
from services.gateway.adapters.http.shapes import CharacterPage, CharacterShape, NewCharacter
from services.gateway.ports import Character, SlugTaken

router = APIRouter(prefix="/v1/characters", tags=["characters"], route_class=Guarded)


@router.post(
    "",
    status_code=201,
    operation_id="registerCharacter",
    dependencies=[needs("characters:write"), KEYED],
    summary="Register a character",
    responses={
        201: examples.answer("Registered", "character", "Location"),
        **answers(*ANY_BODY, *ANY_KEY, "invalid_character", "slug_taken"),
    },
)
async def register(
    asked: NewCharacter, desk: AtDesk, caller: ByCaller, request: Request, response: Response
) -> CharacterShape:
    """Registers a character of the caller's own, or a premade one, and opens its folder."""
    if asked.premade:
        caller.checked("premade")
    character, opening = _new(asked, caller.username)
    try:
        await desk.registry.register(character, [opening])
    except SlugTaken:
        if before := await _begun(desk, key_of(request), character):
            return _registered(before, response)
        detail = f"there is a character {character.slug!r} already; choose another name"
        raise Problem("slug_taken", detail, [FieldError(pointer="/name", detail=detail)]) from None
    desk.relay.ring()
    return _registered(character, response)


@router.get(
    "",
    operation_id="listCharacters",
    dependencies=[needs("characters:read")],
    summary="List characters",
    responses={
        200: examples.answer("One page", "characters", "Link"),
        **answers("invalid_cursor", "invalid_request"),
    },
)
async def listed(
    desk: AtDesk,
    caller: ByCaller,
    request: Request,
    response: Response,
    limit: cursors.Limit = 50,
    cursor: cursors.Cursor = None,
) -> CharacterPage:
    """The caller's own characters and the premade ones."""
    after = cursors.read(cursor, 1)[0] if cursor else None
    found = await desk.registry.known_to(caller.username, after, limit + 1)
    items = [views.character(each) for each in found[:limit]]
    following = cursors.written(items[-1].id) if len(found) > limit else None
    if following:
        response.headers["Link"] = cursors.link(request, following)
    return CharacterPage(items=items, next_cursor=following, has_more=following is not None)


@router.get(
    "/{character_id}",
    operation_id="getCharacter",
    dependencies=[needs("characters:read")],
    summary="Look at a character",
    responses={200: examples.answer("The character", "character"), **answers("not_found")},
)
async def look(character_id: str, desk: AtDesk, caller: ByCaller) -> CharacterShape:
    """One of the caller's own, or a premade one."""
    return views.character(await known_character(desk, character_id, caller.username))


def _registered(character: Character, response: Response) -> CharacterShape:
    response.headers["Location"] = f"/v1/characters/{character.id}"
    return views.character(character)


async def _begun(desk: Desk, key: Key | None, character: Character) -> Character | None:
    """The character, if it was this very call that took the slug when it was made before and its answer was
    lost."""
    if key is None or not key.resumed:
        return None
    known = await desk.registry.find(character.id, character.owner)
    same = known is not None and replace(known, created_at=character.created_at) == character
    return known if same else None


def _new(asked: NewCharacter, owner: str) -> tuple[Character, OpenFolder]:
    """Raises Problem where the name can't become a folder."""
    try:
        slug = names.slug(asked.name)
        folder = names.folder(owner, names.PREMADE if asked.premade else names.CHARACTERS, slug)
    except names.Unnameable as why:
        raise Problem("invalid_character", str(why), [FieldError(pointer="/name", detail=str(why))]) from None
    character = Character(
        id=character_id_of(owner, slug, asked.premade),
        owner=owner,
        name=asked.name,
        slug=slug,
        premade=asked.premade,
        embedding=asked.embedding,
        style=asked.style,
        created_at=time.time(),
        private=asked.private,
    )
    return character, OpenFolder(folder=folder)
