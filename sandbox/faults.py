"""Faults on demand: the rules in force, whose turn it is, and the calls by which a test sets them."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.rules import AnyRule, Subject

R = TypeVar("R", bound=AnyRule)


class Faults:
    """The rules in force, and how often each kind has struck, and whom."""

    def __init__(self) -> None:
        self.struck: Counter[str] = Counter()
        #: Every fault that ever was, in order, with what it struck; for whoever has to account for each.
        self.history: list[dict[str, Any]] = []
        self._rules: list[AnyRule] = []
        self._matched: list[int] = []

    def add(self, rules: Iterable[AnyRule]) -> None:
        for rule in rules:
            self._rules.append(rule)
            self._matched.append(0)

    def clear(self) -> None:
        self._rules.clear()
        self._matched.clear()

    def take(
        self, kind: type[R], subject: Subject, fits: Callable[[R], bool] = lambda _rule: True
    ) -> R | None:
        """The first rule of this kind whose turn it is; it counts as struck."""
        for place, rule in enumerate(self._rules):
            if isinstance(rule, kind) and fits(rule) and rule.matches(subject):
                self._matched[place] += 1
                if rule.strikes(self._matched[place]):
                    self.struck[rule.kind] += 1
                    self.history.append(_entry(rule, subject))
                    return rule
        return None

    def shown(self) -> list[dict[str, Any]]:
        return [
            {**rule.model_dump(), "matched": matched}
            for rule, matched in zip(self._rules, self._matched, strict=True)
        ]


def fault_routes(faults: Faults, known: TypeAdapter[Any], path: str = "/sandbox/faults") -> list[Route]:
    """POST adds one rule or a list of them, GET shows them, DELETE takes them away. Below it, `/history` has
    every fault that struck, when and on what.

    `known` reads a list of the rules that the stand-in has; 422 says what is wrong with one.
    """

    async def add(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
            rules = known.validate_python(body if isinstance(body, list) else [body])
        except ValidationError as error:
            return JSONResponse({"errors": json.loads(error.json(include_url=False))}, 422)
        except ValueError:
            return JSONResponse({"errors": ["the body must be JSON: one rule or a list of rules"]}, 422)
        faults.add(rules)
        return await show(request)

    async def show(_request: Request) -> Response:
        return JSONResponse({"rules": faults.shown()})

    async def clear(request: Request) -> Response:
        faults.clear()
        return await show(request)

    async def history(_request: Request) -> Response:
        return JSONResponse({"struck": faults.history})

    return [
        Route(path, add, methods=["POST"]),
        Route(path, show, methods=["GET"]),
        Route(path, clear, methods=["DELETE"]),
        Route(f"{path}/history", history, methods=["GET"]),
    ]


def subject_of(graph: Any, route: str = "", method: str = "", submits: bool = False) -> Subject:
    """What rules see of a graph; of anything else they see the call alone."""
    nodes = graph.values() if isinstance(graph, Mapping) else ()
    inputs = [node["inputs"] for node in nodes if isinstance(node, Mapping) and _mapping(node.get("inputs"))]
    texts = [(name, value) for each in inputs for name, value in each.items() if isinstance(value, str)]
    return Subject(
        route=route,
        method=method,
        prefixes=tuple(value for name, value in texts if name == "filename_prefix"),
        texts=tuple(value for name, value in texts if name != "filename_prefix"),
        submits=submits,
    )


def _entry(rule: AnyRule, subject: Subject) -> dict[str, Any]:
    where = {"route": subject.route, "method": subject.method, "prefixes": list(subject.prefixes)}
    return {"kind": rule.kind, "at": time.time(), **where}


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)
