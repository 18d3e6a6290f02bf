"""Needs, offers and matches: every state against every transition, and quantities that always add up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from chassis.values import LocalizedText
from services.matching import model
from services.matching.model import Line, Match, MatchState, Posting, PostingState, Side

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = LocalizedText(ar="حقائب علوم", en="Science kits")
LINE = Line(line_id="l", help_code="science-kits", quantity=10, unit_code="kit")


def posting(state: PostingState = PostingState.DRAFT, *lines: Line) -> Posting:
    return Posting(
        posting_id="p",
        side=Side.NEED,
        participant_id="m",
        state=state,
        title=TEXT,
        lines=lines or (LINE,),
        create_time=NOW,
        update_time=NOW,
    )


def match(state: MatchState = MatchState.PROPOSED) -> Match:
    return Match(
        match_id="m",
        need_id="n",
        need_line_id="nl",
        offer_id="o",
        offer_line_id="ol",
        need_participant_id="a",
        offer_participant_id="b",
        proposed_by=Side.NEED,
        proposed_quantity=5,
        quantity=5,
        unit_code="kit",
        state=state,
        create_time=NOW,
        update_time=NOW,
        expire_time=NOW,
    )


POSTING_STEPS: dict[str, tuple[Callable[[Posting], Posting], set[str], str]] = {
    # name: what is done, from which states, into which ("": the same)
    "change": (lambda one: one.change(at=NOW, title=TEXT), {"DRAFT", "PUBLISHED"}, ""),
    "publish": (lambda one: one.publish(at=NOW), {"DRAFT"}, "PUBLISHED"),
    "close": (lambda one: one.close(reason=None, at=NOW), {"DRAFT", "PUBLISHED"}, "CLOSED"),
    "expire": (lambda one: one.expire(at=NOW), {"PUBLISHED"}, "EXPIRED"),
}
MATCH_STEPS: dict[str, tuple[Callable[[Match], Match], set[str], str]] = {
    "accept": (lambda one: one.accept(quantity=3, at=NOW), {"PROPOSED"}, "ACCEPTED"),
    "decline": (lambda one: one.decline(reason=TEXT, at=NOW), {"PROPOSED"}, "DECLINED"),
    "withdraw": (
        lambda one: one.withdraw(reason=TEXT, at=NOW),
        {"PROPOSED", "ACCEPTED", "IN_DELIVERY"},
        "WITHDRAWN",
    ),
    "expire": (lambda one: one.expire(at=NOW), {"PROPOSED"}, "EXPIRED"),
    "dispatch": (lambda one: one.dispatch(at=NOW), {"ACCEPTED"}, "IN_DELIVERY"),
    "deliver": (lambda one: one.deliver(quantity=5, at=NOW), {"ACCEPTED", "IN_DELIVERY"}, "DELIVERED"),
    "confirm": (lambda one: one.confirm(at=NOW), {"DELIVERED"}, "CONFIRMED"),
}


@pytest.mark.parametrize("step", POSTING_STEPS)
@pytest.mark.parametrize("state", PostingState)
def test_a_posting_goes_only_where_it_may(state: PostingState, step: str) -> None:
    do, allowed, target = POSTING_STEPS[step]
    if state.name in allowed:
        assert do(posting(state)).state.name == (target or state.name)
    else:
        with pytest.raises(model.PostingInOtherState) as refused:
            do(posting(state))
        assert refused.value.metadata["state"] == state.name


@pytest.mark.parametrize("step", MATCH_STEPS)
@pytest.mark.parametrize("state", MatchState)
def test_a_match_goes_only_where_it_may(state: MatchState, step: str) -> None:
    do, allowed, target = MATCH_STEPS[step]
    if state.name in allowed:
        assert do(match(state)).state.name == target
    else:
        with pytest.raises(model.MatchInOtherState) as refused:
            do(match(state))
        assert refused.value.text("ar") != refused.value.text("en")


def test_more_than_committed_cannot_be_delivered() -> None:
    with pytest.raises(model.MoreThanCommitted) as refused:
        match(MatchState.ACCEPTED).deliver(quantity=6, at=NOW)
    assert "٥" in refused.value.text("ar")


def test_what_is_published_ends_some_day() -> None:
    assert posting().publish(at=NOW).expire_time == NOW + model.POSTING_LIFE
    soon = NOW + timedelta(days=3)
    assert replace(posting(), expire_time=soon).publish(at=NOW).expire_time == soon


def test_what_has_expired_is_not_published() -> None:
    late = replace(posting(), expire_time=NOW)
    with pytest.raises(model.ExpiredAlready) as refused:
        late.publish(at=NOW)
    assert [one.field for one in refused.value.violations] == ["need.expire_time"]
    with pytest.raises(model.ExpiredAlready):
        posting(PostingState.PUBLISHED).change(at=NOW, expire_time=NOW)


def test_lines_change_but_not_below_what_was_promised() -> None:
    one = posting(PostingState.PUBLISHED, LINE.commit(4), replace(LINE, line_id="other"))

    def change(*given: Line) -> tuple[Line, ...]:
        return model.merged(one.lines, given, new_id=lambda: "new", field="need.lines")

    kept, new = change(replace(LINE, quantity=4), replace(LINE, line_id="", quantity=7))
    assert new.line_id == "new"
    assert (kept.open_quantity, kept.committed_quantity, new.open_quantity) == (0, 4, 7)
    for wrong in (replace(LINE, quantity=3), replace(LINE, unit_code="box"), replace(LINE, line_id="")):
        with pytest.raises(model.BelowCommitted) as refused:
            change(wrong)
        assert refused.value.metadata["committed"] == "4"
    for elsewhere in ([replace(LINE, line_id="another's")], [LINE, LINE]):
        with pytest.raises(model.LineNotFound):
            change(*elsewhere)
    with pytest.raises(model.LineNotFound) as missing:
        one.line("nowhere")
    assert [violation.field for violation in missing.value.violations] == ["match.need_line_id"]


class Quantities(RuleBasedStateMachine):
    """One line and the matches that promise of it, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.line = LINE
        self.open: list[int] = []
        self.arrived = 0

    @rule(quantity=st.integers(-2, 14))
    def commit(self, quantity: int) -> None:
        if 0 < quantity <= self.line.open_quantity:
            self.line = self.line.commit(quantity)
            self.open.append(quantity)
        else:
            with pytest.raises(model.NothingOpen):
                self.line.commit(quantity)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def release(self, data: Any) -> None:
        self.line = self.line.release(self.open.pop(data.draw(st.integers(0, len(self.open) - 1))))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def confirm(self, data: Any) -> None:
        promised = self.open.pop()
        delivered = data.draw(st.integers(1, promised))
        self.line = self.line.release(promised - delivered).deliver(delivered)
        self.arrived += delivered

    @rule(quantity=st.integers(1, 20))
    def change(self, quantity: int) -> None:
        given = replace(LINE, quantity=quantity)
        if quantity >= self.line.committed_quantity:
            self.line = self.line.changed_to(given)
        else:
            with pytest.raises(model.BelowCommitted):
                self.line.changed_to(given)

    @invariant()
    def it_adds_up(self) -> None:
        assert self.line.committed_quantity + self.line.open_quantity == self.line.quantity
        assert self.line.committed_quantity == sum(self.open) + self.arrived
        assert 0 <= self.line.delivered_quantity == self.arrived <= self.line.committed_quantity
        assert self.line.open_quantity >= 0


TestQuantities = Quantities.TestCase
