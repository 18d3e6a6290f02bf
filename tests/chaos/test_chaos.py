"""Promises 1 and 2 of ARCHITECTURE.md: nothing answered is lost, nothing takes effect twice, whatever is killed."""

import asyncio
import pathlib

import msgspec
import pytest

from tests.chaos.run import chaos
from tests.chaos.stack import running
from tests.chaos.verdict import Records, judge

GOOD = Records(
    answered=["a"],
    approved=["a", "b"],
    organizations=["a", "b"],
    announced=["a", "b"],
    applied=["a", "b"],
    shown=["a", "b"],
    positions=[2, 1],
)


def test_the_verdict_holds_when_an_answer_got_lost_on_its_way() -> None:
    verdict = judge(GOOD)
    assert verdict.holds
    assert (verdict.answered, verdict.unanswered) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"shown": ["a"]}, "lost"),
        ({"answered": ["a", "c"]}, "lost"),
        ({"announced": ["a"]}, "lost"),
        ({"applied": ["a", "b", "b"]}, "twice"),
        ({"shown": ["a", "b", "c"]}, "strange"),
        ({"positions": [1, 3]}, "log_gaps"),
        ({"waiting": 1}, "waiting"),
        ({"parked": 1}, "parked"),
    ],
)
def test_the_verdict_sees(changes: dict[str, object], wrong: str) -> None:
    verdict = judge(msgspec.structs.replace(GOOD, **changes))
    assert not verdict.holds
    assert getattr(verdict, wrong)


@pytest.mark.timeout(600)
def test_killing_every_process_in_turn_loses_and_doubles_nothing(tmp_path: pathlib.Path) -> None:
    with running(tmp_path) as stack:
        result = asyncio.run(chaos(stack, seed=1, wanted=400))
    assert result["holds"], result
