"""Ages as people write them: 30m, 12h, 2d."""

import re

from chassis.settings import BadSettings

_AGE = re.compile(r"([0-9]{1,9})(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(words: str) -> float:
    """Raises BadSettings where it is no age."""
    match = _AGE.fullmatch(words)
    if match is None:
        raise BadSettings(f"{words!r} is no age; write a number and s, m, h or d, like 2d")
    return int(match[1]) * _SECONDS[match[2]]


def in_words(age: float) -> str:
    """In the largest unit that it fills, like `3 h`."""
    unit = next((unit for unit in "dhm" if age >= _SECONDS[unit]), "s")
    return f"{max(age, 0) // _SECONDS[unit]:.0f} {unit}"
