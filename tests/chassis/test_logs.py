"""Log lines: one event each, whole, and without secrets."""

import asyncio
import gc
import io
import json
import logging
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import structlog

from chassis import logs

CLOUDINARY = "Invalid Signature ab12. String to sign - 'folder=x&timestamp=1'."


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is one for the whole process: leave it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs._CHATTY}
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def stream() -> io.StringIO:
    there = io.StringIO()
    logs.configure("shop", stream=there)
    return there


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = lines(stream)
    return line


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no words")


def test_a_line_says_who_when_and_how_bad(stream: io.StringIO) -> None:
    structlog.get_logger("till").warning("no change", coins=3)
    line = only(stream)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {"event": "no change", "level": "warning", "service": "shop", "coins": 3}


def test_every_line_names_the_batch_and_index_that_it_is_about(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(batch_id="b-1", index=7):
        structlog.get_logger().info("one of ours")
        logging.getLogger("some.library").warning("one of %s", "theirs")
    ours, theirs = lines(stream)
    assert (ours["batch_id"], ours["index"]) == (theirs["batch_id"], theirs["index"]) == ("b-1", 7)
    assert theirs["event"] == "one of theirs"
    assert (theirs["service"], theirs["level"], theirs["logger"]) == ("shop", "warning", "some.library")


@pytest.mark.parametrize("library", [True, False])
def test_an_exception_is_text_in_the_one_line(library: bool, stream: io.StringIO) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        if library:
            logging.getLogger("library").exception("broke")
        else:
            structlog.get_logger().exception("broke")
    line = only(stream)
    assert line["event"] == "broke"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: two\nlines")


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    logs.configure("shop", "error", stream=stream)
    structlog.get_logger().warning("not this")
    logging.getLogger("aio_pika").warning("nor this")
    logging.getLogger("library").warning("nor that")
    assert stream.getvalue() == ""


def test_the_words_of_libraries_about_themselves_are_not_written(stream: io.StringIO) -> None:
    for name in ("httpx", "uvicorn.error", "alembic.runtime.migration"):
        logging.getLogger(name).info("HTTP Request: GET /")
        logging.getLogger(name).warning("kept")
    assert [line["event"] for line in lines(stream)] == ["kept"] * 3


def test_a_lost_connection_is_told_by_us_and_not_by_the_client_library(stream: io.StringIO) -> None:
    logging.getLogger("aiormq.connection").error("Server connection was stuck", exc_info=ValueError("x"))
    logging.getLogger("aio_pika.connection").warning("closed")
    assert lines(stream) == []


async def test_a_connection_that_breaks_when_nobody_waits_for_it_is_no_error(stream: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    for error in (ConnectionError("unexpected connection_lost() call"), ValueError("a mistake")):
        forgotten = loop.create_future()
        forgotten.set_exception(error)
        del forgotten, error
        gc.collect()
    told = {line["exception"].rpartition(": ")[2]: line["level"] for line in lines(stream)}
    assert told == {"unexpected connection_lost() call": "info", "a mistake": "error"}


def test_configuring_again_does_not_double_the_lines(stream: io.StringIO) -> None:
    logs.configure("shop", stream=stream)
    logging.getLogger("library").warning("once")
    structlog.get_logger().info("once")
    assert len(lines(stream)) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://user:pw@host/v is down", "amqp://user:***@host/v is down"),
        ("amqp://user:p@/w@host/v is down", "amqp://user:***@host/v is down"),
        ("redis://:pw@host", "redis://:***@host"),
        ("a://u:pw@h and b://v:pw@h", "a://u:***@h and b://v:***@h"),
        ("https://h/x?api_key=pw&n=1&signature=pw", "https://h/x?api_key=***&n=1&signature=***"),
        ("Bearer abcdefgh.ijk", "Bearer ***"),
        ("'authorization': 'Basic cHc='", "'authorization': '***'"),
        ("Authorization: Bearer pw", "Authorization: ***"),
        ("eyJhbGciOiJI.eyJzdWIi.c2ln was refused", "*** was refused"),
        ("key whsec_MDEy+/4= leaked", "key whsec_*** leaked"),
        (CLOUDINARY, "Invalid Signature ab12. String to sign - '***'."),
        ("{'api_secret': 'p w', 'n': 1}", "{'api_secret': '***', 'n': 1}"),
        ('{"jwt_token": "pw"}', "{\"jwt_token\": '***'}"),
        ("password='p w' host=h", "password=*** host=h"),
        ("http://host:8080/a is slow, ask me@home", "http://host:8080/a is slow, ask me@home"),
        ("password authentication failed for user x", "password authentication failed for user x"),
    ],
)
def test_credentials_are_taken_out_of_a_text_and_nothing_else(text: str, shown: str) -> None:
    assert logs.redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a-",
        "token-",
        "'secret",
        "://a:",
        "eyJ-",
        "token=",
        "authorization ",
        "bearer ",
        "String to sign - '",
        " ",
    ],
)
def test_no_text_takes_much_longer_than_it_is_long(text: str) -> None:
    """Others choose what is logged, a batch id or a prompt perhaps. Looked at again for each of its places,
    the first of these would take minutes."""
    begun = time.process_time()
    logs.redact(text * 20_000)
    assert time.process_time() - begun < 5


def test_secrets_are_found_by_name_and_by_look_however_deep_they_are(stream: io.StringIO) -> None:
    structlog.get_logger().info(
        "at amqp://u:pw1@h",
        api_secret="pw2",
        header={"Authorization": "pw3", "urls": ["amqp://u:pw4@h", ("amqp://u:pw5@h",)]},
        error=ValueError("amqp://u:pw6@h"),
        nothing_of_a_token=None,
    )
    line = only(stream)
    assert "pw" not in json.dumps(line)
    assert line["header"] == {"Authorization": "***", "urls": ["amqp://u:***@h", ["amqp://u:***@h"]]}
    assert line["nothing_of_a_token"] is None


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_taken_out_of_exceptions_and_of_what_libraries_say(form: Any) -> None:
    stream = io.StringIO()
    logs.configure("shop", form=form, stream=stream)
    try:
        try:
            raise OSError("no amqp://u:pw1@h")
        except OSError as error:
            raise ValueError(CLOUDINARY) from error
    except ValueError:
        logging.getLogger("library").exception("no %s", "amqp://u:pw2@h")
        structlog.get_logger().exception("no amqp://u:pw3@h")
    text = stream.getvalue()
    assert text.count("***@h") >= 4
    assert "pw" not in text
    assert "timestamp=1" not in text


def test_what_json_does_not_know_is_told_in_words(stream: io.StringIO) -> None:
    itself: list[Any] = [1]
    itself.append(itself)
    structlog.get_logger().info(
        "odd", value={1: {2}}, data=b"12345", far=float("inf"), itself=itself, unshowable=Unshowable()
    )
    line = only(stream)
    assert line["value"] == {"1": [2]}
    assert line["data"] == "5 bytes"
    assert line["far"] == "inf"
    assert line["unshowable"] == "Unshowable that can't be shown (ValueError)"
    assert line["itself"][:1] == [1]


def test_text_is_for_people_one_line_an_event() -> None:
    stream = io.StringIO()
    logs.configure("shop", form="text", stream=stream)
    with structlog.contextvars.bound_contextvars(batch_id="b-1", index=7):
        structlog.get_logger().info("stored", seconds=0.5)
    logging.getLogger("library").warning("slow")
    stored, slow = stream.getvalue().splitlines()
    for word in ("info", "stored", "batch_id=b-1", "index=7", "seconds=0.5", "service=shop"):
        assert word in stored
    assert "slow" in slow
    assert "\x1b" not in stored


def test_a_stream_that_is_no_terminal_gets_json_by_itself(stream: io.StringIO) -> None:
    structlog.get_logger().info("machine")
    assert only(stream)["event"] == "machine"
