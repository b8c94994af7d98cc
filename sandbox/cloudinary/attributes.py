"""The wire forms of tags, context and flags: how they are read from a call's fields."""

import re
from collections.abc import Iterable

_TRUE = frozenset({"1", "true", "t", "yes"})
_UNESCAPED_BAR = re.compile(r"(?<!\\)\|")
_UNESCAPED_EQUALS = re.compile(r"(?<!\\)=")
_ESCAPE = re.compile(r"\\([=|])")


def flag(value: str | None, default: bool = False) -> bool:
    """`1`, `0`, `true`, `false`; an absent or empty field has its default."""
    return value.lower() in _TRUE if value else default


def tags_of(value: str) -> tuple[str, ...]:
    """`b, a,b` as the service keeps it: each once, in alphabetical order."""
    return tuple(sorted({tag.strip() for tag in value.split(",")} - {""}))


def merged_tags(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({tag for group in groups for tag in group}))


def context_of(value: str) -> dict[str, str]:
    r"""`alt=a\|b|caption=c` as `{"alt": "a|b", "caption": "c"}`; pairs without name or value fall away."""
    pairs = (_UNESCAPED_EQUALS.split(pair, maxsplit=1) for pair in _UNESCAPED_BAR.split(value))
    named = {pair[0].strip(): _ESCAPE.sub(r"\1", pair[1]) for pair in pairs if len(pair) == 2}
    return {name: text for name, text in named.items() if name and text}
