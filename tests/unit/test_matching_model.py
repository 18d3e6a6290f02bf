"""Needs, offers and matches: every state against every transition, and quantities that always add up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from chassis.values import LocalizedText
from services.matching import matches, model
from services.matching.matches import Match, MatchState
from services.matching.model import Line, Posting, PostingState, Side

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
        help_code="science-kits",
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
        with pytest.raises(matches.MatchInOtherState) as refused:
            do(match(state))
        assert refused.value.text("ar") != refused.value.text("en")


def test_more_than_committed_cannot_be_delivered() -> None:
    with pytest.raises(matches.MoreThanCommitted) as refused:
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


@pytest.mark.parametrize("quantity", [-1, 0, 11])
def test_a_line_promises_only_what_is_open(quantity: int) -> None:
    with pytest.raises(model.NothingOpen):
        LINE.commit(quantity)


class Promises(RuleBasedStateMachine):
    """A line of a need, those of two offers, and the matches between them, as usecases/matches.py moves them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = {name: replace(LINE, line_id=name) for name in ("need", "a", "b")}
        self.matches: list[Match] = []

    def of(self, line_id: str, *states: MatchState) -> list[Match]:
        return [one for one in self.matches if line_id in (one.need_line_id, one.offer_line_id) and one.state in states]

    def moved(self, data: st.DataObject, *states: MatchState, to: Callable[[Match], Match]) -> Match:
        """One of those in these states, as it was before."""
        before = data.draw(st.sampled_from(self.of("need", *states)))
        self.matches[self.matches.index(before)] = to(before)
        return before

    def both(self, one: Match, change: Callable[[Line], Line]) -> None:
        for line_id in (one.need_line_id, one.offer_line_id):
            self.lines[line_id] = change(self.lines[line_id])

    @rule(offer=st.sampled_from("ab"), quantity=st.integers(1, 14))
    def propose(self, offer: str, quantity: int) -> None:
        made = match(MatchState.PROPOSED)
        number, lines = str(len(self.matches)), {"need_line_id": "need", "offer_line_id": offer}
        self.matches.append(replace(made, match_id=number, proposed_quantity=quantity, quantity=0, **lines))

    @precondition(lambda self: self.of("need", MatchState.PROPOSED))
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        before = data.draw(st.sampled_from(self.of("need", MatchState.PROPOSED)))
        sides = [self.lines[before.need_line_id], self.lines[before.offer_line_id]]
        quantity = min(before.proposed_quantity, *(side.open_quantity for side in sides))
        if not quantity:
            with pytest.raises(model.NothingOpen):
                self.both(before, lambda line: line.commit(quantity))
            return
        self.matches[self.matches.index(before)] = before.accept(quantity=quantity, at=NOW)
        self.both(before, lambda line: line.commit(quantity))

    @precondition(lambda self: self.of("need", MatchState.PROPOSED, *matches.COMMITTED))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        states = (MatchState.PROPOSED, *matches.COMMITTED)
        before = self.moved(data, *states, to=lambda one: one.withdraw(reason=TEXT, at=NOW))
        if before.state in matches.COMMITTED:
            self.both(before, lambda line: line.release(before.quantity))

    @precondition(lambda self: self.of("need", *matches.COMMITTED))
    @rule(data=st.data(), quantity=st.integers(1, 14))
    def deliver(self, data: st.DataObject, quantity: int) -> None:
        before = data.draw(st.sampled_from(self.of("need", *matches.COMMITTED)))
        if quantity > before.quantity:
            with pytest.raises(matches.MoreThanCommitted):
                before.deliver(quantity=quantity, at=NOW)
        else:
            self.matches[self.matches.index(before)] = before.deliver(quantity=quantity, at=NOW)

    @precondition(lambda self: self.of("need", MatchState.DELIVERED))
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        before = self.moved(data, MatchState.DELIVERED, to=lambda one: one.confirm(at=NOW))
        missing = before.quantity - before.delivered_quantity
        self.both(before, lambda line: line.release(missing).deliver(before.delivered_quantity))

    @rule(name=st.sampled_from(["need", "a", "b"]), quantity=st.integers(1, 20))
    def change(self, name: str, quantity: int) -> None:
        given = replace(LINE, line_id=name, quantity=quantity)
        if quantity >= self.lines[name].committed_quantity:
            self.lines[name] = self.lines[name].changed_to(given, field=name)
        else:
            with pytest.raises(model.BelowCommitted):
                self.lines[name].changed_to(given, field=name)

    @invariant()
    def it_adds_up(self) -> None:
        for name, line in self.lines.items():
            promised = sum(one.quantity for one in self.of(name, *matches.COMMITTED, MatchState.DELIVERED))
            arrived = sum(one.delivered_quantity for one in self.of(name, MatchState.CONFIRMED))
            assert line.committed_quantity + line.open_quantity == line.quantity
            assert line.committed_quantity == promised + arrived
            assert line.delivered_quantity == arrived <= line.committed_quantity
            assert line.open_quantity >= 0


TestPromises = Promises.TestCase
