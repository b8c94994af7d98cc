"""Faults on demand: the rules in force, and whose turn it is."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sandbox.comfyui.rules import AnyRule, Rule, Subject

R = TypeVar("R", bound=AnyRule)


class Faults:
    """The rules in force, and how often each kind has struck."""

    def __init__(self) -> None:
        self.struck: Counter[str] = Counter()
        self._rules: list[Rule] = []
        self._matched: list[int] = []

    def add(self, rules: Iterable[Rule]) -> None:
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
            if isinstance(rule, kind) and fits(rule) and rule.matches(subject) and self._counted(place):
                self.struck[rule.kind] += 1
                return rule
        return None

    def _counted(self, place: int) -> bool:
        rule = self._rules[place]
        nth = self._matched[place] = self._matched[place] + 1
        return nth > rule.skip and (rule.times is None or nth <= rule.skip + rule.times)

    def shown(self) -> list[dict[str, Any]]:
        return [
            {**rule.model_dump(), "matched": matched}
            for rule, matched in zip(self._rules, self._matched, strict=True)
        ]


def subject_of(graph: Any, route: str = "", method: str = "") -> Subject:
    """What rules see of a graph; of anything else they see the call alone."""
    nodes = graph.values() if isinstance(graph, Mapping) else ()
    inputs = [node["inputs"] for node in nodes if isinstance(node, Mapping) and _mapping(node.get("inputs"))]
    texts = [(name, value) for each in inputs for name, value in each.items() if isinstance(value, str)]
    return Subject(
        route=route,
        method=method,
        prefixes=tuple(value for name, value in texts if name == "filename_prefix"),
        texts=tuple(value for name, value in texts if name != "filename_prefix"),
    )


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)
