"""Who calls and what he may do: the words of a token's `scope`, and acting for somebody else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from contracts import names

#: What a token's `scope` can allow. The first ones narrow: a token that names one of them, or a word that is
#: not here, may do what it names and nothing else. `premade` only adds to what its bearer may do anyway.
SCOPES: Mapping[str, str] = {
    "batches:read": "look at batches, follow their events, see workflows",
    "batches:write": "ask for batches, cancel them, try them again",
    "characters:read": "look at characters",
    "characters:write": "register characters",
    "images:read": "look at images, galleries, collections and exports",
    "images:write": "mark and delete images, fill collections",
    "usage:read": "look at what was used",
    "webhooks": "keep webhooks, their secrets and deliveries",
    "operate": "look at the whole system and run it; a token without it may not, whoever bears it",
    "act-as": "do all of this for the user that `X-On-Behalf-Of` names",
    "premade": "register premade characters, which everybody sees",
}
#: What a user's own token, one that names no scope, does not allow.
GRANTED = frozenset({"operate", "act-as", "premade"})
# Words of OpenID Connect Core 1.0, section 5.4 and 11: about the bearer, not about what he may do here.
_ABOUT_THE_BEARER = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


class Unreadable(ValueError):
    """A claim that says nothing that could be meant; the text says which."""


class Forbidden(Exception):
    """The caller may not do this; the text says why."""

    def __init__(self, why: str, scope: str | None = None) -> None:
        super().__init__(why)
        #: What the token would have to allow.
        self.scope = scope


@dataclass(frozen=True)
class Caller:
    """Whoever called: the owner of what he makes, what else he may do, and until when."""

    username: str
    #: None: a user's own token, which names no scope.
    scopes: frozenset[str] | None = None
    #: Epoch seconds at which the token ends.
    until: float = float("inf")

    @property
    def narrowed(self) -> bool:
        """Whether the token says one by one what its bearer may do."""
        return self.scopes is not None and not (self.scopes and self.scopes <= {"premade"})

    def may(self, scope: str) -> bool:
        if self.scopes is not None and scope in self.scopes:
            return True
        return not self.narrowed and scope not in GRANTED

    def checked(self, scope: str) -> None:
        """Raises Forbidden."""
        if not self.may(scope):
            raise Forbidden(f"the token needs the scope {scope!r}: {SCOPES[scope]}", scope)

    def acting_for(self, username: str | None) -> "Caller":
        """The caller as the owner of what he makes: in the place of another user, if one is named. Raises
        Forbidden, also where that user's name can't be a folder."""
        if username is not None and username != self.username:
            self.checked("act-as")
        owner = self.username if username is None else username
        try:
            names.check_username(owner)
        except names.Unnameable as why:
            raise Forbidden(f"this user can't own a folder: {why}") from None
        return replace(self, username=owner)


def scopes_of(claim: Any) -> frozenset[str] | None:
    """The words of a `scope` claim that are about what may be done here; None where there are none, because
    the claim is absent or speaks of the bearer alone. A claim with no word at all allows nothing.
    Raises Unreadable: what nobody can read must not open everything."""
    if claim is None:
        return None
    words = claim.split() if isinstance(claim, str) else claim
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise Unreadable("the token's claim 'scope' is neither words nor a list of them")
    said = frozenset(words)
    return None if said and said <= _ABOUT_THE_BEARER else said - _ABOUT_THE_BEARER


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A time among the claims, epoch seconds (RFC 7519, section 2: a number). Raises Unreadable."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"the token's claim {name!r} is not a number of seconds")
    try:
        return float(value)
    except OverflowError:
        raise Unreadable(f"the token's claim {name!r} is no moment that will ever come") from None
