"""Tokens for people who try the system out; a product issues its own."""

import time

import jwt

from chassis.settings import read
from services.gateway.settings import DEVELOPMENT_SECRET, TokenSettings


def issue(key: str, username: str, seconds: float, scope: str = "") -> str:
    """A token that opens the gateway for `username` for so many seconds."""
    now = int(time.time())
    claims = {"sub": username, "username": username, "iat": now, "exp": now + int(seconds)}
    return jwt.encode(claims | ({"scope": scope} if scope else {}), key, algorithm="HS256")


def secret() -> str:
    """The key that this machine's gateway checks tokens with."""
    settings = read(TokenSettings)
    return settings.jwt_secret.get_secret_value() if settings.jwt_secret else DEVELOPMENT_SECRET
