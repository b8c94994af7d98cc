from collections.abc import Callable

import pytest

from sandbox.cloudinary.expression import QueryError, Term, parse_expression


@pytest.mark.parametrize(
    ("text", "true_for"),
    [
        ("a:1 AND b:1", {"ab", "abc"}),
        ("a:1 b:1", {"ab", "abc"}),
        ("a:1 OR b:1 AND c:1", {"a", "ab", "abc", "bc"}),
        ("(a:1 OR b:1) AND c:1", {"abc", "bc"}),
        ("NOT a:1", {"", "bc"}),
        ("-a:1 AND b=1", {"bc"}),
        ("", {"", "a", "ab", "abc", "bc"}),
    ],
)
def test_words_and_brackets_bind_as_usual(text: str, true_for: set[str]) -> None:
    matches, _ = parse_expression(text)
    assets = ("", "a", "ab", "abc", "bc")
    assert {fields for fields in assets if matches(_one_of(fields))} == true_for


def _one_of(fields: str) -> Callable[[Term], bool]:
    return lambda term: term.field in fields


def test_a_term_has_field_operator_and_value_with_or_without_quotes() -> None:
    _, terms = parse_expression('asset_folder="a b/*" AND public_id:x/y-1*')
    assert [(term.field, term.operator, term.value, term.prefix) for term in terms] == [
        ("asset_folder", "=", "a b/", True),
        ("public_id", ":", "x/y-1", True),
    ]


@pytest.mark.parametrize(
    ("text", "position"),
    [("a:*b*", 2), ("cat", 0), ("(a:1", 4), ("a:1)", 3), ("a:1 AND", 7), ("a:1 OR OR b:1", 6)],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, position: int) -> None:
    with pytest.raises(QueryError, match=rf"Query Error \(at position {position}\)"):
        parse_expression(text)


def test_a_quoted_value_may_hold_brackets_and_words() -> None:
    _, terms = parse_expression('folder:"a AND (b)"')
    assert terms == (Term("folder", ":", "a AND (b)", False, 0),)
