"""What a workflow lets a request say: styles, parameters, and the values that these may have. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.commands import GenerateBatch, Parameter

#: Characters of a reason: a workflow may have very many styles.
MAX_REASON = 290


class Misfit(NamedTuple):
    """Why a request does not fit its workflow: the field, and a sentence that names what would."""

    field: str
    reason: str


@dataclass(frozen=True)
class Allowed:
    """The values that a parameter may have."""

    type: type[Parameter]
    least: float | None = None
    most: float | None = None
    choices: tuple[Parameter, ...] = ()

    def misfit(self, value: Parameter) -> str | None:
        """Why the value is none of them."""
        fits = isinstance(value, int | float) if self.type is float else isinstance(value, self.type)
        # To Python, True is a number; to whoever wrote the request it is not.
        if not fits or (isinstance(value, bool) and self.type is not bool):
            return f"must be of type {self.type.__name__}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(str, self.choices))}"
        if isinstance(value, int | float):
            if self.least is not None and value < self.least:
                return f"must be at least {self.least:g}"
            if self.most is not None and value > self.most:
                return f"must be at most {self.most:g}"
        return None


@dataclass(frozen=True)
class Form:
    """One workflow, as whoever asks for images sees it."""

    title: str = ""
    parameters: Mapping[str, Allowed] = field(default_factory=dict)
    styles: frozenset[str] = frozenset()


#: Name -> what a request for it may say.
Forms = Mapping[str, Form]


def misfit(request: GenerateBatch, form: Form) -> Misfit | None:
    """The first thing that the request says and its workflow does not know, None where there is none."""
    if request.style is not None and request.style not in form.styles:
        wrong = f"{request.workflow} has no such style; known: {_known(form.styles)}"
        return Misfit("style", wrong[:MAX_REASON])
    for name, value in request.parameters.items():
        allowed = form.parameters.get(name)
        if allowed is None:
            known = _known(form.parameters)
            wrong = f"{request.workflow} has no parameter {repr(name)[:66]}; known: {known}"
            return Misfit("parameters", wrong[:MAX_REASON])
        why = allowed.misfit(value)
        if why is not None:
            return Misfit("parameters", f"{name} {why}"[:MAX_REASON])
    return None


def _known(names: Mapping[str, Allowed] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
