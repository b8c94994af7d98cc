"""What a query of Prometheus asks for: metrics, and labels of theirs."""

import re
from collections.abc import Iterator

#: Given to every series by Prometheus itself, or by the histograms that are made of it.
ITS_OWN = frozenset({"job", "instance", "le", "alertname", "alertstate"})
#: Told by Prometheus, and by its client about the process.
FOREIGN = frozenset({"up", "ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"})

_SERIES = re.compile(r"\b((?:darkroom|process)_[a-z_]+|up|ALERTS)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPS = re.compile(r"\bby \(([^)]*)\)")


def series(query: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Every metric, and the labels that it is chosen by."""
    for name, matchers in _SERIES.findall(query):
        yield name, frozenset(_MATCHER.findall(re.sub(r'"[^"]*"', "", matchers)))


def grouped_by(query: str) -> frozenset[str]:
    return frozenset(label.strip() for labels in _GROUPS.findall(query) for label in labels.split(","))


def mistakes(query: str, known: dict[str, frozenset[str]]) -> list[str]:
    """What it asks for that nobody tells. `known`: name of a series -> its labels."""
    found, labels = [], set(ITS_OWN)
    for name, chosen in series(query):
        if name not in known and name not in FOREIGN:
            found.append(f"there is no metric {name}")
        labels |= known.get(name, frozenset())
        found += [f"{name} has no label {label}" for label in chosen - known.get(name, frozenset()) - ITS_OWN]
    return found + [f"nothing in it has a label {label}" for label in grouped_by(query) - labels]
