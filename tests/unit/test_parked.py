"""What an operator is told of a parked message, whatever stands in its headers."""

import datetime
import types
from typing import Any

import pytest

from chassis.parked import Parked


@pytest.mark.parametrize(
    ("headers", "home", "attempts"),
    [
        ({"wasl-queue": "matching.x", "wasl-attempt": 6}, "matching.x", 6),
        ({"x-death": [{"queue": "matching.x", "time": datetime.datetime(2026, 3, 1)}]}, "matching.x", 0),
        ({"wasl-queue": 7}, "7", 0),
        ({"wasl-attempt": "many"}, "", 0),
        ({"x-death": "str"}, "", 0),
        ({"x-death": [{"time": "notatime", "queue": 5}]}, "5", 0),
        ({"x-death": [7]}, "", 0),
        ({}, "", 0),
    ],
)
def test_no_header_keeps_a_message_from_being_shown(headers: dict[str, Any], home: str, attempts: int) -> None:
    message = types.SimpleNamespace(properties={"application_headers": headers})
    shown = Parked.of("matching", message)
    assert (shown.home, shown.attempts, shown.id) == (home, attempts, "none")
