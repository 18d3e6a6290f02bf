"""Convenings and registrations: every state against every transition, and the waiting list as a machine."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from chassis.values import LocalizedText
from services.events import model, registrations
from services.events.model import Audience, Convening, ConveningState, Kind, Session
from services.events.registrations import HAS_SEAT, LIVE, Registration, RegistrationState, Seats

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEXT = LocalizedText(ar="العاصفة", en="The storm")


def convening(state: ConveningState = ConveningState.DRAFT) -> Convening:
    return Convening(
        convening_id="c",
        organizer_id="o",
        kind=Kind.SEMINAR,
        state=state,
        title=TEXT,
        sessions=(Session(start_time=NOW + HOUR, end_time=NOW + 2 * HOUR),),
        time_zone="Asia/Damascus",
        capacity=2,
        audience=Audience.EVERYBODY,
        create_time=NOW,
        update_time=NOW,
    )


def registration(state: RegistrationState = RegistrationState.REQUESTED) -> Registration:
    return Registration(
        registration_id="r",
        convening_id="c",
        account_id="a",
        entry=1,
        state=state,
        create_time=NOW,
        update_time=NOW,
    )


CONVENING_STEPS: dict[str, tuple[Callable[[Convening], Convening], set[str], str]] = {
    # name: what is done, from which states, into which ("": the same)
    "change": (lambda one: one.change(at=NOW, place_code="SY07"), {"DRAFT", "PUBLISHED"}, ""),
    "publish": (lambda one: one.publish(at=NOW), {"DRAFT"}, "PUBLISHED"),
    "cancel": (lambda one: one.cancel(reason=TEXT, at=NOW), {"PUBLISHED"}, "CANCELLED"),
    "hold": (lambda one: one.hold(at=NOW), {"PUBLISHED"}, "HELD"),
}
REGISTRATION_STEPS: dict[str, tuple[Callable[[Registration], Registration], set[str], str]] = {
    "admit": (lambda one: one.admit(at=NOW), {"REQUESTED"}, "ADMITTED"),
    "queue": (lambda one: one.queue(at=NOW), {"REQUESTED"}, "WAITING"),
    "decline": (lambda one: one.decline(at=NOW), {"REQUESTED"}, "DECLINED"),
    "offer": (lambda one: one.offer(accept_by=NOW, at=NOW), {"WAITING"}, "OFFERED"),
    "accept": (lambda one: one.accept(at=NOW), {"OFFERED"}, "ADMITTED"),
    "lapse": (lambda one: one.lapse(at=NOW), {"OFFERED"}, "LAPSED"),
    "withdraw": (lambda one: one.withdraw(at=NOW), {"REQUESTED", "WAITING", "OFFERED", "ADMITTED"}, "WITHDRAWN"),
}


@pytest.mark.parametrize("step", CONVENING_STEPS)
@pytest.mark.parametrize("state", ConveningState)
def test_a_convening_goes_only_where_it_may(state: ConveningState, step: str) -> None:
    do, allowed, target = CONVENING_STEPS[step]
    if state.name in allowed:
        assert do(convening(state)).state.name == (target or state.name)
    else:
        with pytest.raises(model.ConveningInOtherState) as refused:
            do(convening(state))
        assert refused.value.metadata["state"] == state.name


@pytest.mark.parametrize("step", REGISTRATION_STEPS)
@pytest.mark.parametrize("state", RegistrationState)
def test_a_registration_goes_only_where_it_may(state: RegistrationState, step: str) -> None:
    do, allowed, target = REGISTRATION_STEPS[step]
    if state.name in allowed:
        assert do(registration(state)).state.name == target
    else:
        with pytest.raises(registrations.RegistrationInOtherState) as refused:
            do(registration(state))
        assert refused.value.text("ar") != refused.value.text("en")


def test_an_offered_seat_waits_until_the_beginning_at_most() -> None:
    assert convening().accept_by(NOW) == NOW + HOUR
    assert replace(convening(), accept_seconds=60).accept_by(NOW) == NOW + timedelta(minutes=1)


# -- sessions ------------------------------------------------------------------------------------------------------
def sessions(*hours: int, ids: tuple[str, ...] = ()) -> tuple[Session, ...]:
    """Of an hour each, so many hours from now."""
    times = [(NOW + hour * HOUR, NOW + (hour + 1) * HOUR) for hour in hours]
    named = ids or ("",) * len(times)
    return tuple(Session(start_time=a, end_time=b, session_id=one) for (a, b), one in zip(times, named, strict=True))


THREE = replace(convening(ConveningState.PUBLISHED), sessions=sessions(1, 5, 9))


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        (sessions(5, 9), ["c.2", "c.3"]),  # the first was taken out
        (sessions(1, 9), ["c", "c.3"]),
        (sessions(0, 1, 5, 9), ["c.4", "c", "c.2", "c.3"]),
        (sessions(2, 6, 10), ["c", "c.2", "c.3"]),  # all moved
        (sessions(1, 6, 9), ["c", "c.2", "c.3"]),
        (sessions(5, 9, 13), ["c.2", "c.3", "c"]),  # the first one is the last now
        (sessions(2, 6), ["c.4", "c.5"]),  # nobody can say which
        (sessions(6, 7, 9, ids=("c.2", "", "c.3")), ["c.2", "c.4", "c.3"]),
    ],
)
def test_a_session_keeps_its_identity(given: tuple[Session, ...], ids: list[str]) -> None:
    after = THREE.change(at=NOW, sessions=model.identified("c", given, before=THREE))
    assert [one.session_id for one in after.sessions] == ids
    assert {one.session_id for one in (*after.sessions, *after.removed_sessions)} >= {"c", "c.2", "c.3"}
    again = model.identified("c", (*after.sessions, *sessions(20)), before=after)
    assert again[-1].session_id not in {"c", "c.2", "c.3", *ids}, "given out before"


@pytest.mark.parametrize("wrong", ["c.4", "d", "c.2"])
def test_an_identity_is_nobodys_choice_and_one_sessions_only(wrong: str) -> None:
    with pytest.raises(model.SessionUnknown) as refused:
        model.identified("c", sessions(1, 5, ids=("c.2", wrong)), before=THREE)
    assert [one.field for one in refused.value.violations] == ["convening.sessions[1].session_id"]
    with pytest.raises(model.SessionUnknown):
        model.identified("c", sessions(1, ids=("c",)))


def test_of_a_draft_no_calendar_knows_what_was_taken_out() -> None:
    draft = replace(THREE, state=ConveningState.DRAFT)
    assert draft.change(at=NOW, sessions=THREE.sessions[:1]).removed_sessions == ()
    assert THREE.change(at=NOW, sessions=THREE.sessions[:1]).removed_sessions == THREE.sessions[1:]


@pytest.mark.parametrize(
    ("after", "begun"),
    [
        (sessions(-3, 0, 5), False),
        (sessions(-3, 0, 9), False),
        (sessions(-3, 5), False),
        (sessions(-2, 0, 5), True),  # what is over has been then
        (sessions(-3, -1, 5), True),  # what has not begun cannot begin in the past
        (sessions(-9, -3, 0, 5), True),
        (sessions(-3, -2, -1), True),
    ],
)
def test_what_changes_of_published_times_is_to_come(after: tuple[Session, ...], begun: bool) -> None:
    before = replace(THREE, sessions=sessions(-3, 0, 5))  # over, going on in a minute, to come
    given = model.identified("c", after, before=before)
    if begun:
        with pytest.raises(model.TimePassed) as refused:
            model.check_to_come(before.sessions, given, at=NOW - timedelta(minutes=1))
        (named,) = (violation.field for violation in refused.value.violations)
        number, name = re.fullmatch(r"convening\.sessions\[(\d)\]\.(\w+)", named).groups()  # type: ignore[union-attr]
        assert getattr(given[int(number)], name) < NOW
    else:
        model.check_to_come(before.sessions, given, at=NOW - timedelta(minutes=1))


@pytest.mark.parametrize(
    "name", ["Factory", "localtime", "posixrules", "posix/Asia/Damascus", "Syria/Idleb", "", "../UTC"]
)
def test_a_zone_is_one_of_a_place(name: str) -> None:
    for known in ("Asia/Damascus", "Europe/Berlin", "Africa/Casablanca", "Etc/GMT-3", "UTC"):
        model.check_times(sessions(1), known)
    with pytest.raises(model.TimeZoneUnknown) as refused:
        model.check_times(sessions(1), name)
    assert [one.field for one in refused.value.violations] == ["convening.time_zone"]


def test_a_session_that_goes_on_may_end_later_but_not_have_ended() -> None:
    (before,) = sessions(0, ids=("c",))
    for end, begun in ((2 * HOUR, False), (HOUR / 2, True)):
        after = replace(before, end_time=NOW + end)
        if begun:
            with pytest.raises(model.TimePassed) as refused:
                model.check_to_come([before], [after], at=NOW + HOUR / 2)
            assert [one.field for one in refused.value.violations] == ["convening.sessions[0].end_time"]
        else:
            model.check_to_come([before], [after], at=NOW + HOUR / 2)


class WaitingList(RuleBasedStateMachine):
    """People come, accept, let pass and leave, and the capacity changes, as usecases/seats.py does it.

    `queue` is who waits, in the order in which they came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seats, self.capacity = Seats(convening_id="c"), 1
        self.people: list[Registration] = []  # by entry
        self.queue: list[int] = []

    def of(self, *states: RegistrationState) -> list[Registration]:
        return [one for one in self.people if one.state in states]

    def keep(self, one: Registration) -> None:
        self.people[one.entry - 1] = one

    def give(self) -> None:
        while self.seats.has_room(self.capacity) and (waiting := self.of(RegistrationState.WAITING)):
            first = min(waiting, key=lambda one: one.entry)
            assert self.queue.pop(0) == first.entry, "somebody was overtaken"
            self.keep(first.offer(accept_by=NOW, at=NOW))
            self.seats = self.seats.take()

    def place(self, one: Registration) -> None:
        """A seat or the waiting list."""
        if self.seats.has_room(self.capacity):
            assert not self.queue, "who comes has overtaken who waits"
            self.keep(one.admit(at=NOW))
            self.seats = self.seats.take()
        else:
            self.keep(one.queue(at=NOW))
            self.queue = sorted([*self.queue, one.entry])

    @rule(decided=st.booleans())
    def register(self, decided: bool) -> None:
        self.seats = self.seats.enter()
        self.people.append(replace(registration(), entry=self.seats.entries))
        if not decided:
            self.place(self.people[-1])

    @precondition(lambda self: self.of(RegistrationState.REQUESTED))
    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        self.place(data.draw(st.sampled_from(self.of(RegistrationState.REQUESTED))))

    @precondition(lambda self: self.of(RegistrationState.OFFERED))
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        self.keep(data.draw(st.sampled_from(self.of(RegistrationState.OFFERED))).accept(at=NOW))

    @precondition(lambda self: self.of(RegistrationState.OFFERED))
    @rule(data=st.data())
    def lapse(self, data: st.DataObject) -> None:
        self.leaves(data.draw(st.sampled_from(self.of(RegistrationState.OFFERED))), lambda one: one.lapse(at=NOW))

    @precondition(lambda self: self.of(*LIVE))
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        self.leaves(data.draw(st.sampled_from(self.of(*LIVE))), lambda one: one.withdraw(at=NOW))

    def leaves(self, before: Registration, how: Callable[[Registration], Registration]) -> None:
        self.keep(how(before))
        if before.entry in self.queue:
            self.queue.remove(before.entry)
        if before.state in HAS_SEAT:
            self.seats = self.seats.free()
        self.give()

    @rule(capacity=st.integers(1, 6))
    def resize(self, capacity: int) -> None:
        if capacity < self.seats.taken:
            with pytest.raises(registrations.BelowSeatsTaken):
                self.seats.check_fits(capacity)
        else:
            self.seats.check_fits(capacity)
            self.capacity = capacity
            self.give()

    @invariant()
    def the_seats_are_counted(self) -> None:
        assert self.seats.taken == len(self.of(*HAS_SEAT)) <= self.capacity
        assert [one.entry for one in self.people] == list(range(1, self.seats.entries + 1))

    @invariant()
    def nobody_waits_beside_a_free_seat(self) -> None:
        assert self.queue == [one.entry for one in self.of(RegistrationState.WAITING)]
        assert not self.queue or len(self.of(*HAS_SEAT)) == self.capacity


TestWaitingList = WaitingList.TestCase
