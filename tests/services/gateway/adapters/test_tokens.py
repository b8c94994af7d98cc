"""A token that was checked once is known, and opens nothing that it would not open at the first time."""

import asyncio
import time
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from services.gateway.adapters import tokens as checked
from services.gateway.adapters.tokens import LEEWAY, Tokens, Unauthorized
from services.gateway.domain.callers import Forbidden
from services.gateway.settings import TokenSettings

SECRET = "a secret of more than thirty-two bytes"


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was looked at."""
    seen: list[str] = []
    decode: Any = jwt.decode

    def counted(token: str, *args: Any, **options: Any) -> Any:
        seen.append(token)
        return decode(token, *args, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    return seen


def door() -> Tokens:
    return Tokens(TokenSettings(jwt_secret=SecretStr(SECRET)))


def token(username: str = "Areg", left: float = 3600, **claims: Any) -> str:
    said = {"username": username, "exp": time.time() + left, **claims}
    return jwt.encode(said, SECRET, algorithm="HS256")


async def test_the_signature_of_a_token_is_looked_at_once(signatures: list[str]) -> None:
    tokens, one, other = door(), token(), token("Mira")
    for _ in range(3):
        assert (await tokens.caller(one)).username == "Areg"
        assert (await tokens.caller(other)).username == "Mira"
    assert signatures == [one, other]


async def test_a_known_token_still_ends() -> None:
    tokens, short = door(), token(left=1.5 - LEEWAY)
    assert (await tokens.caller(short)).username == "Areg"
    await asyncio.sleep(1.6)
    with pytest.raises(Unauthorized, match="expired"):
        await tokens.caller(short)


async def test_a_token_that_opens_nothing_is_looked_at_each_time(signatures: list[str]) -> None:
    tokens, foreign = door(), jwt.encode({"username": "Areg", "exp": time.time() + 60}, "x" * 40, "HS256")
    for _ in range(2):
        with pytest.raises(Unauthorized):
            await tokens.caller(foreign)
    assert signatures == [foreign, foreign]


async def test_whom_a_bearer_may_act_for_is_asked_for_each_user() -> None:
    tokens, own, trusted = door(), token(), token("backend", scope="act-as batches:write")
    assert (await tokens.caller(own)).username == "Areg"
    with pytest.raises(Forbidden):
        await tokens.caller(own, "Mira")
    for name in ("Mira", "Areg", "Mira"):
        assert (await tokens.caller(trusted, name)).username == name


async def test_not_more_tokens_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checked, "REMEMBERED", 3)
    tokens = door()
    for number in range(10):
        await tokens.caller(token(f"user-{number}"))
    assert len(tokens._known) <= 3
