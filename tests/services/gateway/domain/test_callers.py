"""What the words of a token open, and what they do not."""

from typing import Any

import pytest

from services.gateway.domain.callers import (
    GRANTED,
    SCOPES,
    Caller,
    Forbidden,
    Unreadable,
    moment,
    scopes_of,
)

OWN = set(SCOPES) - GRANTED


def allowed(claim: Any) -> set[str]:
    caller = Caller("Areg", scopes_of(claim))
    return {scope for scope in SCOPES if caller.may(scope)}


@pytest.mark.parametrize(
    "claim", [None, "openid", "openid profile email offline_access", ["openid"]], ids=str
)
def test_a_users_own_token_does_everything_of_his_own_and_nothing_that_is_granted(claim: Any) -> None:
    assert allowed(claim) == OWN


@pytest.mark.parametrize("scope", sorted(OWN | {"operate", "act-as"}))
def test_a_token_that_names_a_scope_does_that_alone(scope: str) -> None:
    assert allowed(scope) == {scope}
    assert allowed(f"openid {scope}") == {scope}
    assert allowed([scope]) == {scope}


def test_premade_adds_to_what_its_bearer_may_do() -> None:
    assert allowed("premade") == OWN | {"premade"}
    assert allowed("openid premade") == OWN | {"premade"}
    assert allowed("premade characters:write") == {"premade", "characters:write"}


@pytest.mark.parametrize("claim", ["", "  ", [], "batches:raed", "BATCHES:READ", "admin", "*"], ids=repr)
def test_a_scope_that_is_misspelled_or_empty_opens_nothing(claim: Any) -> None:
    assert allowed(claim) == set()


@pytest.mark.parametrize("claim", [7, True, {}, {"batches:read": 1}, [7], ["batches:read", None]], ids=repr)
def test_a_scope_that_nobody_can_read_is_refused(claim: Any) -> None:
    with pytest.raises(Unreadable, match="scope"):
        scopes_of(claim)


def test_who_lacks_a_scope_is_told_which() -> None:
    with pytest.raises(Forbidden, match="batches:write") as refused:
        Caller("Areg", frozenset({"batches:read"})).checked("batches:write")
    assert refused.value.scope == "batches:write"


def test_a_service_that_may_acts_for_any_user_with_its_own_scopes_and_no_more() -> None:
    service = Caller("a shop", frozenset({"act-as", "batches:read"}), until=7)
    assert service.acting_for("Nare") == Caller("Nare", frozenset({"act-as", "batches:read"}), until=7)
    with pytest.raises(Forbidden, match="folder"):
        service.acting_for(None)
    with pytest.raises(Forbidden, match="folder"):
        service.acting_for("../Nare")


@pytest.mark.parametrize(
    "scopes", [None, frozenset[str](), frozenset({"operate", "batches:read", "premade"})]
)
def test_nobody_else_acts_for_another(scopes: frozenset[str] | None) -> None:
    caller = Caller("Areg", scopes)
    assert caller.acting_for(None) == caller
    assert caller.acting_for("Areg") == caller
    for other in ("Nare", "", "areg", "Areg "):
        with pytest.raises(Forbidden) as refused:
            caller.acting_for(other)
        assert refused.value.scope == "act-as"


@pytest.mark.parametrize("value", [0, -1, 4e9, 12.5])
def test_a_moment_is_a_number_of_seconds(value: float) -> None:
    assert moment({"exp": value}, "exp") == value
    assert moment({}, "exp") is None


@pytest.mark.parametrize(
    "value", ["4000000000", "", None, True, [4], {}, 10**400], ids=lambda v: repr(v)[:20]
)
def test_a_moment_in_any_other_form_is_refused(value: Any) -> None:
    with pytest.raises(Unreadable, match="exp"):
        moment({"exp": value}, "exp")
