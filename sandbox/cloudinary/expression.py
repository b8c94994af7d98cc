"""The expressions of the Search API, as far as folders, names, tags, context, kinds and sizes go.

expression = conjunction {OR conjunction}          term = field (":" | "=" | "<" | ">" | "<=" | ">=") value
conjunction = negation {[AND] negation}            value = word | "quoted words", with * only at its end
negation = (NOT | "-") negation | "(" expression ")" | term
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.cloudinary.refusals import Refusal

_TOKEN = re.compile(
    r"\s*(?:(?P<bracket>[()])|(?P<word>AND|OR|NOT)(?=[\s()]|$)|(?P<minus>-)|"
    r"(?P<field>[A-Za-z_][\w.]*)\s*(?P<operator><=|>=|[:=<>])\s*(?P<value>\"(?:[^\"\\]|\\.)*\"|[^\s()\"]+))"
)


@dataclass(frozen=True, slots=True)
class Term:
    field: str
    operator: str
    value: str
    #: Whether the value ended in `*`, which is cut off.
    prefix: bool
    position: int


class QueryError(Refusal):
    def __init__(self, position: int) -> None:
        super().__init__(400, f"Query Error (at position {position})")


#: Whether an asset matches, given how a single term is answered for it.
Matches = Callable[[Callable[[Term], bool]], bool]


def parse_expression(text: str) -> tuple[Matches, tuple[Term, ...]]:
    """The expression as a function, and all its terms; an empty one matches all; raises QueryError."""
    if not text.strip():
        return lambda _: True, ()
    parser = _Parser(text)
    matches = parser.disjunction()
    parser.expect_end()
    return matches, tuple(parser.terms)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._at = 0
        self.terms: list[Term] = []

    def disjunction(self) -> Matches:
        parts = [self._conjunction()]
        while self._take("word", "OR"):
            parts.append(self._conjunction())
        return lambda holds: any(part(holds) for part in parts)

    def expect_end(self) -> None:
        if self._at < len(self._text):
            raise QueryError(self._at)

    def _conjunction(self) -> Matches:
        parts = [self._negation()]
        while self._take("word", "AND") or self._another_follows():
            parts.append(self._negation())
        return lambda holds: all(part(holds) for part in parts)

    def _another_follows(self) -> bool:
        token = _TOKEN.match(self._text, self._at)
        return token is not None and token["bracket"] != ")" and token["word"] not in ("OR", "AND")

    def _negation(self) -> Matches:
        if self._take("word", "NOT") or self._take("minus", "-"):
            inner = self._negation()
            return lambda holds: not inner(holds)
        if self._take("bracket", "("):
            inner = self.disjunction()
            if not self._take("bracket", ")"):
                raise QueryError(self._at)
            return inner
        term = self._term()
        return lambda holds: holds(term)

    def _term(self) -> Term:
        token = _TOKEN.match(self._text, self._at)
        if token is None or token["field"] is None:
            raise QueryError(self._at)
        value, quoted = token["value"], token["value"].startswith('"')
        if quoted:
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        prefix = value.endswith("*")
        value = value.removesuffix("*")
        if "*" in value or not (value or prefix):
            raise QueryError(token.start("value"))
        self._at = token.end()
        self.terms.append(Term(token["field"], token["operator"], value, prefix, token.start("field")))
        return self.terms[-1]

    def _take(self, group: str, text: str) -> bool:
        token = _TOKEN.match(self._text, self._at)
        if token is None or token[group] != text:
            return False
        self._at = token.end()
        return True
