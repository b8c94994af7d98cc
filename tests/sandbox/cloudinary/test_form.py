import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloudinary.form import parse_form
from sandbox.cloudinary.refusals import Refusal

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.text("abc_", min_size=1), _TEXT), st.binary())
def test_what_urllib3_sends_is_read_back(fields: dict[str, str], data: bytes) -> None:
    body, content_type = urllib3.encode_multipart_formdata([*fields.items(), ("file", ("n.png", data))])
    form = parse_form(content_type, body)
    assert form.fields == fields
    assert form.file is not None
    assert (form.file.filename, form.file.data) == ("n.png", data)


def test_the_file_may_hold_everything_but_the_boundary_itself() -> None:
    data = b"\r\n--other\r\n\r\n--\r\n--b"
    body, content_type = urllib3.encode_multipart_formdata([("file", ("n", data)), ("a", "1")], "bound")
    form = parse_form(content_type, body)
    assert form.file is not None
    assert form.file.data == data
    assert form.fields == {"a": "1"}


def test_a_quote_in_the_file_name_is_read_back() -> None:
    body, content_type = urllib3.encode_multipart_formdata([("file", ('a"b; c.png', b"x"))])
    form = parse_form(content_type, body)
    assert form.file is not None
    assert form.file.filename == 'a"b; c.png'


@pytest.mark.parametrize("name", ["public_ids[]", "public_ids[0]"])
def test_repeated_fields_with_brackets_are_lists(name: str) -> None:
    form = parse_form("application/x-www-form-urlencoded", f"{name}=a&{name}=b&c=1".encode())
    assert form.fields == {"public_ids": ["a", "b"], "c": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b"--b\r\nno end",
        b"--b\r\nA: b\r\n\r\ndata",
        b"--b\r\nA: b\r\n\r\ndata\r\n--b",
    ],
)
def test_a_damaged_body_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal, match="Malformed"):
        parse_form("multipart/form-data; boundary=b", body)


def test_another_content_type_is_refused() -> None:
    with pytest.raises(Refusal, match="text/csv"):
        parse_form("text/csv", b"a,b")
