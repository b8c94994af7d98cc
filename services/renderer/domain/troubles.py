"""What can go wrong with a try, and what follows from it.

    Trouble
    ├── Hopeless       the same request would fail again: the image ends now
    ├── Passing        counted: again later, elsewhere if there is an elsewhere, a bounded number of times
    ├── Misplaced      this backend lacks what the image needs, another may have it: not counted
    └── Unreachable    no usable answer: not counted, until the image's own deadline
        ├── NotSent    as above, and the backend certainly never heard of it
        │   └── Unbegun    or had it wait all the time, until it was taken back
        └── Broke      as above, but the backend is there and answered 500

The details are sentences for people: no traceback, no path of the server, no credential.
"""

import re
from dataclasses import dataclass

CANCELLED = "cancelled"
DEADLINE = "deadline"
MISSING_MODEL = "missing_model"
MISSING_NODE = "missing_node"
#: What one backend may lack and another have.
MISSING = frozenset({MISSING_MODEL, MISSING_NODE})

#: Codes of failures that a retry of the same request cannot mend.
_LASTING = frozenset(
    {
        "invalid_parameters",
        "invalid_workflow",
        "invalid_input",
        "unknown_workflow",
        "request_too_large",
        "dead_letter",
    }
)
#: What the tries of an image may cost in all, and what one costs that failed by this code.
WORTH = 10
_COSTS = {
    # What a backend does to an image says little about the image; one that ends all of its backends does.
    **dict.fromkeys(
        (
            "vanished",
            "out_of_memory",
            "gpu_error",
            "file_missing",
            "interrupted",
            "node_offline",
            "backend_error",
        ),
        1,
    ),
    # What is lost for its size, or is more than was asked for, will be so again, and is paid for each time.
    **dict.fromkeys(("no_result", "too_many_images"), 5),
}
USUAL_COST = 2
#: Seconds of the longest rest between two tries.
LONGEST_REST = 60.0
MAX_DETAIL = 300

_PATHS = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][\w.@+-]+){2,}[\\/]?|[A-Za-z]:\\\S+")


class Trouble(Exception):
    """Root; `code` is stable, for programs."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = plain(detail)
        super().__init__(f"{code}: {self.detail}")


class Hopeless(Trouble):
    pass


class Passing(Trouble):
    pass


class Misplaced(Trouble):
    pass


class Unreachable(Trouble):
    def __init__(self, detail: str) -> None:
        super().__init__("unreachable", detail)


class NotSent(Unreachable):
    pass


class Unbegun(NotSent):
    pass


class Broke(Unreachable):
    pass


@dataclass(frozen=True)
class Again:
    """The row goes back to waiting."""

    not_before: float
    #: What the tries so far have cost.
    tries: int
    avoid: str
    #: Whether the remote job may live on, unseen: then it is looked for where it was, before another is sent.
    perhaps_alive: bool = False


@dataclass(frozen=True)
class Limits:
    """Seconds."""

    #: From the claim to the bytes, per try.
    render: float = 900.0
    #: From the round's beginning.
    image: float = 86_400.0
    #: Before the first retry, doubled with each further one.
    rest: float = 1.0
    #: Between two looks at a remote job.
    poll: float = 1.0
    #: Without an answer, before a job that was sent is given up for another backend.
    patience: float = 30.0


def follows(trouble: Trouble, backend: str, tries: int, now: float, limits: Limits) -> Again | Trouble:
    """Another try, or the trouble that the image ends with; `tries` is what those before have cost."""
    if isinstance(trouble, Hopeless):
        return trouble
    if isinstance(trouble, Unreachable):
        return Again(now + limits.rest, tries, backend, perhaps_alive=not isinstance(trouble, NotSent))
    if isinstance(trouble, Misplaced):
        return Again(now, tries, backend)
    cost = _COSTS.get(trouble.code, USUAL_COST)
    if tries + cost >= WORTH:
        return trouble
    rest = limits.rest * 2 ** (tries / cost)
    return Again(now + min(LONGEST_REST, rest), tries + cost, backend)


def lasting(code: str) -> bool:
    return code in _LASTING


def overdue(limits: Limits) -> Hopeless:
    return Hopeless(DEADLINE, f"not rendered within {limits.image / 3600:g} hours of being asked for")


def plain(text: str) -> str:
    """One line without the server's paths, short enough to be read."""
    line = _PATHS.sub("…", " ".join(text.split()))
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 1] + "…"
