"""Reads the fields and the file of an Upload API call from its body, which is held in memory once.

Starlette's form parser hands large files to a temporary file on disk chunk by chunk; an upload here is at
most 100 MB and is wanted whole, so the parts are cut out of the body by its boundary.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request

from sandbox.cloudinary.refusals import Refusal

_LIST = "[]"
_NUMBERED = re.compile(r"\[\d+\]$")


@dataclass(frozen=True, slots=True)
class SentFile:
    filename: str
    data: bytes


@dataclass(slots=True)
class Form:
    """The fields as they were sent; `name[]` and `name[0]` are lists under `name`."""

    fields: dict[str, str | list[str]] = field(default_factory=dict)
    file: SentFile | None = None

    def add(self, name: str, value: str) -> None:
        listed = name.removesuffix(_LIST) if name.endswith(_LIST) else _NUMBERED.sub("", name)
        if listed == name:
            self.fields[name] = value
            return
        values = self.fields.setdefault(listed, [])
        if isinstance(values, list):
            values.append(value)


async def read_body(request: Request, limit: int) -> bytes:
    """The body; raises Refusal 413 as soon as it is clear that it is too large."""
    length = int(request.headers.get("content-length", "0"))
    chunks: list[bytes] = []
    got = 0
    if length <= limit:
        async for chunk in request.stream():
            chunks.append(chunk)
            got += len(chunk)
            if got > limit:
                break
    if max(length, got) > limit:
        raise Refusal(413, f"File size too large. Got {max(length, got)}. Maximum is {limit}.")
    return b"".join(chunks)


def parse_form(content_type: str, body: bytes) -> Form:
    """The form of a `multipart/form-data` or urlencoded body; raises Refusal for anything else or damaged."""
    kind, parameters = _header_value(content_type)
    if kind == "multipart/form-data" and parameters.get("boundary"):
        return _parse_multipart(parameters["boundary"].encode(), body)
    if kind not in ("application/x-www-form-urlencoded", ""):
        raise Refusal(400, f"Unsupported content type {kind}")
    form = Form()
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        form.add(name, value)
    return form


def _parse_multipart(boundary: bytes, body: bytes) -> Form:
    form = Form()
    delimiter = b"\r\n--" + boundary
    start = len(delimiter) - 2
    if not body.startswith(delimiter[2:]):
        raise Refusal(400, "Malformed multipart body")
    while body[start : start + 2] == b"\r\n":
        head_end = body.find(b"\r\n\r\n", start)
        part_end = body.find(delimiter, max(head_end + 4, start))
        if head_end < 0 or part_end < 0:
            raise Refusal(400, "Malformed multipart body")
        _add_part(form, body[start + 2 : head_end], body[head_end + 4 : part_end])
        start = part_end + len(delimiter)
    if body[start : start + 2] != b"--":
        raise Refusal(400, "Malformed multipart body")
    return form


def _add_part(form: Form, head: bytes, data: bytes) -> None:
    parameters: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            _, parameters = _header_value(value)
    name = parameters.get("name", "")
    if "filename" not in parameters:
        form.add(name, data.decode("utf-8", "replace"))
    elif name == "file":
        form.file = SentFile(parameters["filename"], data)


def _header_value(value: str) -> tuple[str, dict[str, str]]:
    """`multipart/form-data; boundary=x` as its kind and its parameters."""
    kind, _, rest = value.partition(";")
    pairs = re.findall(r'([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;]*))', rest)
    named = {name.lower(): _unquoted(quoted) or bare.strip() for name, quoted, bare in pairs}
    return kind.strip().lower(), named


def _unquoted(text: str) -> str:
    r"""Browsers and urllib3 write `"` in a file name as `%22`; older clients as `\"`."""
    return text.replace('\\"', '"').replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
