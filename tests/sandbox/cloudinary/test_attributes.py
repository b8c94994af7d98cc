import pytest
from cloudinary.utils import encode_context
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloudinary.attributes import context_of, flag, tags_of

_NAMES = st.text("abcdefgh_", min_size=1)
_VALUES = st.text(st.characters(exclude_characters="\\", exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(_NAMES, _VALUES))
def test_context_reads_back_as_the_sdk_wrote_it(context: dict[str, str]) -> None:
    assert context_of(encode_context(context)) == context


def test_context_without_name_or_value_falls_away() -> None:
    assert context_of("a|=b|c=|d=1") == {"d": "1"}


def test_tags_are_kept_once_in_order() -> None:
    assert tags_of("b, a,b,,") == ("a", "b")


@pytest.mark.parametrize(("text", "meaning"), [("1", True), ("true", True), ("0", False), ("false", False)])
def test_a_flag_is_read_whatever_its_default(text: str, meaning: bool) -> None:
    assert flag(text) is flag(text, default=True) is meaning


def test_an_absent_flag_has_its_default() -> None:
    assert flag(None, default=True)
    assert not flag("")
