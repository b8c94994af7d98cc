"""`/v1/characters`: who can be pictured."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Response

from contracts import names
from contracts.commands import OpenFolder
from services.gateway.adapters.http import views
from services.gateway.adapters.http.desk import AtDesk, ByCaller
from services.gateway.adapters.http.orders import character_id_of
from services.gateway.adapters.http.problems import Problem, answers, not_found
from services.gateway.adapters.http.shapes import CharacterPage, CharacterShape, NewCharacter
from services.gateway.adapters.tokens import Forbidden
from services.gateway.ports import Character, SlugTaken

router = APIRouter(prefix="/v1/characters", tags=["characters"])


@router.post("", status_code=201, summary="Register a character", responses=answers(409, 413, 422))
async def register(asked: NewCharacter, desk: AtDesk, caller: ByCaller, response: Response) -> CharacterShape:
    """Registers a character of the caller's own, or a premade one, and opens its folder."""
    if asked.premade and "premade" not in caller.scopes:
        raise Forbidden("a premade character is for everybody; the token needs the scope 'premade'")
    character, opening = _new(asked, caller.username)
    try:
        await desk.registry.register(character, [opening])
    except SlugTaken:
        detail = f"there is a character {character.slug!r} already; choose another name"
        raise Problem(409, "slug_taken", detail, [("/name", detail)]) from None
    desk.relay.ring()
    response.headers["Location"] = f"/v1/characters/{character.id}"
    return views.character(character)


@router.get("", summary="List characters", responses=answers(422))
async def listed(
    desk: AtDesk,
    caller: ByCaller,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=300, description="`next_cursor` of the page before")
    ] = None,
) -> CharacterPage:
    """The caller's own characters and the premade ones."""
    found = await desk.registry.known_to(caller.username, cursor, limit + 1)
    more = len(found) > limit
    items = [views.character(each) for each in found[:limit]]
    return CharacterPage(items=items, next_cursor=items[-1].id if more else None, has_more=more)


@router.get("/{character_id}", summary="Look at a character", responses=answers(404))
async def look(character_id: str, desk: AtDesk, caller: ByCaller) -> CharacterShape:
    character = await desk.registry.find(character_id, caller.username)
    if character is None:
        raise not_found("character")
    return views.character(character)


def _new(asked: NewCharacter, owner: str) -> tuple[Character, OpenFolder]:
    """Raises Problem where the name can't become a folder."""
    try:
        slug = names.slug(asked.name)
        folder = names.folder(owner, names.PREMADE if asked.premade else names.CHARACTERS, slug)
    except names.Unnameable as why:
        raise Problem(422, "invalid_character", str(why), [("/name", str(why))]) from None
    character = Character(
        id=character_id_of(owner, slug, asked.premade),
        owner=owner,
        name=asked.name,
        slug=slug,
        premade=asked.premade,
        embedding=asked.embedding,
        style=asked.style,
        created_at=time.time(),
    )
    return character, OpenFolder(folder=folder)
