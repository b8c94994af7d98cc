"""Faults on demand: which calls go wrong, how often and how, as rules that a test installs over HTTP."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class FaultKind(StrEnum):
    LATENCY = "latency"
    DROP = "drop"
    HTML_502 = "html_502"
    ERROR_500 = "error_500"
    ERROR_503 = "error_503"
    NO_ERROR_FIELD = "no_error_field"
    LIST_BODY = "list_body"
    LIMITED_420 = "limited_420"
    LIMITED_429 = "limited_429"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    STALE = "stale"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


class FaultRule(BaseModel):
    """One way to go wrong. Every given condition must hold; the first rule that matches a call is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    #: Names of calls (`upload`, `destroy`, `resources`, `search`, `deliver`, …); empty means every call.
    calls: frozenset[str] = frozenset()
    #: A part of a public id the call names.
    public_id: str | None = None
    #: A regular expression found in a public id the call names.
    public_id_matches: Annotated[str, AfterValidator(_compiles)] | None = None
    #: How many calls go wrong; None means until the rules are deleted.
    count: int | None = Field(default=1, ge=1)
    #: Only every nth of the calls that match goes wrong.
    every: int = Field(default=1, ge=1)
    #: The call is carried out first, then goes wrong: the answer is lost, the change is not.
    after_commit: bool = False
    delay_seconds: float = Field(default=0, ge=0, le=600)
    message: str | None = None
    #: For 420 and 429: when calls are taken again; None says nothing about it.
    reset_seconds: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _latency_has_a_length(self) -> "FaultRule":
        if self.kind is FaultKind.LATENCY and not self.delay_seconds:
            raise ValueError("a latency fault needs delay_seconds above 0")
        return self

    def concerns(self, call: str, public_ids: Iterable[str]) -> bool:
        if self.calls and call not in self.calls:
            return False
        if self.public_id is None and self.public_id_matches is None:
            return True
        return any(self._names(public_id) for public_id in public_ids)

    def _names(self, public_id: str) -> bool:
        within = self.public_id is None or self.public_id in public_id
        return within and (
            self.public_id_matches is None or bool(re.search(self.public_id_matches, public_id))
        )


@dataclass(slots=True)
class InstalledRule:
    rule: FaultRule
    matched: int = 0
    applied: int = 0

    def take(self, call: str, public_ids: Iterable[str]) -> bool:
        """Whether this call goes wrong by this rule; counts it if so."""
        spent = self.rule.count is not None and self.applied >= self.rule.count
        if spent or not self.rule.concerns(call, public_ids):
            return False
        self.matched += 1
        chosen = self.matched % self.rule.every == 0
        self.applied += chosen
        return chosen


class Faults:
    """The rules in force, in the order in which they were installed."""

    def __init__(self) -> None:
        self.installed: list[InstalledRule] = []

    def install(self, rules: Iterable[FaultRule]) -> None:
        self.installed.extend(InstalledRule(rule) for rule in rules)

    def clear(self) -> None:
        self.installed.clear()

    def take(self, call: str, public_ids: Iterable[str]) -> FaultRule | None:
        public_ids = tuple(public_ids)
        return next((known.rule for known in self.installed if known.take(call, public_ids)), None)
