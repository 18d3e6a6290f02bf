"""What the contract marks sensitive or personal is in no line of the log, wherever in it the value stands."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from chassis import log
from chassis.values import LocalizedText
from services.members.model import PersonProfile
from tests.support import of
from wasl.members.v1 import events_pb2, members_pb2

SECRET = "unspeakable-4711"
ACCOUNT = members_pb2.Account(account_id="a-1", email=f"{SECRET}@x.example", password=SECRET)
JOINED = of(events_pb2.MemberJoined, member={"member_id": "m-1", "display_name": {"ar": SECRET}})


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Calls it to get the log's lines so far, as objects."""
    root, output = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stdout", output)
    log.configure("tests", "unit", "debug")
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level


class Holder(msgspec.Struct):
    email: str
    display_name: LocalizedText


@pytest.mark.parametrize(
    "fields",
    [
        {"password": SECRET},
        {"email": SECRET},
        {"displayName": {"ar": SECRET}},
        {"display_name": {"ar": SECRET}},
        {"refresh_token": SECRET},
        {"accessToken": SECRET},
        {"authorization": f"Bearer {SECRET}"},
        {"service_secret": SECRET},
        {"password_hash": SECRET, "mongo_uri": SECRET},
        {"rejectReason": {"ar": SECRET}, "occupation": SECRET},
        {"request": ACCOUNT},
        {"request": members_pb2.CreateAccountRequest(account=ACCOUNT)},
        {"request": {"body": ACCOUNT}},
        {"requests": [ACCOUNT, (ACCOUNT, {"x": ACCOUNT})]},
        {"requests": {"one": {"two": [{"password": SECRET}]}}},
        {"arrived": JOINED},
        {"account": Holder(SECRET, LocalizedText(en=SECRET))},
        {"accounts": [Holder(SECRET, LocalizedText(en=SECRET))]},
        {"profile": PersonProfile(display_name=LocalizedText(en=SECRET), of_age=True)},
    ],
    ids=str,
)
def test_what_is_private_is_not_written(fields: dict[str, Any], lines: Any) -> None:
    structlog.get_logger("t").info("something", **fields)
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert log.REDACTED in json.dumps(line)


def test_of_an_exception_only_type_and_place_are_written(lines: Any) -> None:
    def fail() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"no {SECRET}") from error

    for logger in (structlog.get_logger("t"), logging.getLogger("somebody")):
        try:
            fail()
        except ValueError as error:
            logger.error("broken", exc_info=error)
            logger.error("broken", exc_info=True)
    written = lines()
    assert len(written) == 4
    for line in written:
        assert SECRET not in json.dumps(line)
        assert line["exception"].splitlines()[0] == "ValueError"
        assert "KeyError\n" in line["exception"]
        assert "in fail\n" in line["exception"]


def test_what_is_not_private_is_written(lines: Any) -> None:
    structlog.get_logger("t").info("something", account=ACCOUNT, count=3, names=("x", "y"), kind={"a": None})
    (line,) = lines()
    assert line["event"] == "something"
    assert line["account"]["accountId"] == "a-1"
    assert (line["count"], line["names"], line["kind"]) == (3, ["x", "y"], {"a": None})
    assert (line["service"], line["process"], line["level"]) == ("tests", "unit", "info")


def test_a_line_has_the_correlation_id_of_what_is_being_done(lines: Any) -> None:
    assert log.correlation_id() == ""
    with structlog.contextvars.bound_contextvars(correlation_id="c-1"):
        assert log.correlation_id() == "c-1"
        structlog.get_logger("t").info("inside")
    structlog.get_logger("t").info("outside")
    assert [line.get("correlation_id") for line in lines()] == ["c-1", None]


def test_lines_of_other_libraries_look_alike(lines: Any) -> None:
    logging.getLogger("somebody").warning("a thing: %s", 3, extra={"password": SECRET})
    (line,) = lines()
    assert (line["event"], line["level"], line["service"]) == ("a thing: 3", "warning", "tests")
    assert SECRET not in json.dumps(line)


def test_a_value_that_json_does_not_know_does_no_harm(lines: Any) -> None:
    structlog.get_logger("t").info("something", odd=object(), broken={"set": {1}})
    assert len(lines()) == 1
