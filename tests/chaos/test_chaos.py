"""Promises 1 and 2 of ARCHITECTURE.md: nothing answered is lost, nothing takes effect twice, whatever is killed."""

import asyncio
import pathlib
from typing import Any

import msgspec
import pytest

from tests.chaos.run import chaos
from tests.chaos.stack import running
from tests.chaos.verdict import Line, Log, Match, Records, Registration, Seats, Told, Version, judge

WAITS = Registration("r2", "c", "layla", 2, "WAITING", offered=False)
LATER = Registration("r3", "c", "omar", 3, "ADMITTED", offered=False)
SEATED = Registration("r1", "c", "amal", 1, "ADMITTED", offered=False)
KEPT = Match("m1", ("need", "offer"), "ACCEPTED", 20, 0)
ARRIVED = Match("m2", ("need", "offer"), "CONFIRMED", 10, 7)
CURRENT, FORMER = Version("v2", "v1", "PUBLISHED"), Version("v1", "v1", "SUPERSEDED")
LOG = Log(positions=[2, 1], announced=[("m1", 1), ("m1", 2)], expected=[("m1", 1), ("m1", 2)])
NEED, OFFER = Line("need", 30, 27, 7), Line("offer", 50, 27, 7)
TOLD = Told(
    acceptances=["m1", "m2"],
    matches={"m1": "ACCEPTED", "m2": "CONFIRMED"},
    registrations={"r1": "ADMITTED", "r2": "WAITING", "r3": "ADMITTED"},
    records={"v1": "SUPERSEDED", "v2": "PUBLISHED"},
    files={"f": "0a"},
)
GOOD = Records(
    answered=["a"],
    approved=["a", "b"],
    organizations=["a", "b"],
    announced=["a", "b"],
    applied=[["a", "b"], ["b", "a"]],
    shown=[["a", "b"], ["b", "a"]],
    logs=[LOG, Log(positions=[], announced=[])],
    told=TOLD,
    lines=[NEED, OFFER],
    matches=[KEPT, ARRIVED],
    seats=[Seats("c", 2, 2, 3)],
    registrations=[WAITS, SEATED, LATER],
    versions=[FORMER, CURRENT],
    found={"v1": ["v2"]},
    files={"f": "0a"},
)


def change(one: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(one, **changes)


def test_the_verdict_holds_when_an_answer_got_lost_on_its_way() -> None:
    verdict = judge(GOOD)
    assert verdict.holds, verdict
    assert (verdict.answered, verdict.unanswered, verdict.kept, verdict.events) == (1, 1, 8, 2)


def test_who_waited_when_asked_may_have_been_offered_a_seat_since() -> None:
    offered = change(WAITS, state="OFFERED", offered=True)
    seats = [Seats("c", 3, 3, 3)]
    assert judge(change(GOOD, registrations=[SEATED, offered, LATER], seats=seats)).holds


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"shown": [["a", "b"], ["a"]]}, "lost"),
        ({"answered": ["a", "c"]}, "lost"),
        ({"announced": ["a"]}, "lost"),
        ({"applied": [["a", "b"], ["a", "b", "b"]]}, "twice"),
        ({"shown": [["a", "b", "c"]]}, "strange"),
        ({"matches": [ARRIVED]}, "forgotten"),
        ({"matches": [change(KEPT, state="PROPOSED"), ARRIVED]}, "forgotten"),
        ({"registrations": [WAITS, change(SEATED, state="WITHDRAWN"), LATER]}, "forgotten"),
        ({"versions": [FORMER, change(CURRENT, state="SUBMITTED")]}, "forgotten"),
        ({"matches": [KEPT, ARRIVED, change(KEPT, match_id="m3")]}, "unasked"),
        ({"versions": [FORMER, CURRENT, Version("v3", "v3", "DRAFT")]}, "unasked"),
        ({"told": change(TOLD, acceptances=["m1", "m1"])}, "accepted_twice"),
        ({"lines": [change(NEED, committed=30), OFFER]}, "quantities"),
        ({"lines": [NEED, change(OFFER, delivered=10)]}, "quantities"),
        ({"lines": [change(NEED, asked=26), OFFER]}, "quantities"),
        ({"matches": [change(KEPT, quantity=21), ARRIVED]}, "quantities"),
        ({"seats": [Seats("c", 2, 1, 3)]}, "seats"),
        ({"seats": [Seats("c", 1, 2, 3)]}, "seats"),
        ({"seats": [Seats("c", 3, 2, 3)]}, "seats"),
        ({"seats": [Seats("c", 2, 2, 4)]}, "order"),
        ({"registrations": [WAITS, SEATED, change(LATER, entry=2)]}, "order"),
        ({"registrations": [WAITS, SEATED, change(LATER, offered=True)]}, "order"),
        ({"registrations": [WAITS, SEATED, change(LATER, account_id="amal")]}, "registered_twice"),
        ({"found": {"v1": []}}, "currency"),
        ({"found": {"v1": ["v2", "v2"]}}, "currency"),
        ({"found": {"v1": ["v1"]}}, "currency"),
        ({"versions": [change(FORMER, state="PUBLISHED"), CURRENT]}, "currency"),
        ({"files": {"f": "0b"}}, "bytes"),
        ({"files": {}}, "bytes"),
        ({"logs": [change(LOG, announced=[("m1", 2), ("m2", 1)])]}, "unannounced"),
        ({"logs": [change(LOG, announced=[("m1", 1), ("m1", 2), ("m1", 2)])]}, "announced_twice"),
        ({"logs": [LOG, change(LOG, positions=[1, 3])]}, "log_gaps"),
        ({"logs": [LOG, change(LOG, waiting=1)]}, "waiting"),
        ({"parked": 1}, "parked"),
    ],
)
def test_the_verdict_sees(changes: dict[str, object], wrong: str) -> None:
    verdict = judge(change(GOOD, **changes))
    assert not verdict.holds
    assert getattr(verdict, wrong)


@pytest.mark.timeout(600)
def test_killing_every_process_in_turn_loses_and_doubles_nothing(tmp_path: pathlib.Path) -> None:
    with running(tmp_path) as stack:
        result = asyncio.run(chaos(stack, seed=1, wanted=150))
    assert result["holds"], result
    assert result["kept"] > 30, result
