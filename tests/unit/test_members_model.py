"""Every state of an application against every transition, and the rules of sessions and ownership."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chassis import errors
from chassis.call import Caller
from chassis.values import LocalizedText
from participants.model import lets_act
from services.members import affiliations, model
from services.members.model import Application, ApplicationState

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAME = LocalizedText(ar="ليلى حداد", en="Layla Haddad")
PERSON = model.PersonProfile(display_name=NAME, of_age=True)
STATES = list(ApplicationState)
Transition = Callable[[Application], Application]
TRANSITIONS: dict[str, tuple[Transition, set[str], str]] = {
    # name: what is done, from which states, into which
    "change": (lambda one: one.change(statement=NAME), {"DRAFT"}, "DRAFT"),
    "submit": (lambda one: one.submit(at=NOW), {"DRAFT"}, "SUBMITTED"),
    "review": (lambda one: one.review(), {"SUBMITTED"}, "UNDER_REVIEW"),
    "approve": (lambda one: one.approve(member_id="m", at=NOW), {"SUBMITTED", "UNDER_REVIEW"}, "APPROVED"),
    "reject": (lambda one: one.reject(reason=NAME, at=NOW), {"SUBMITTED", "UNDER_REVIEW"}, "REJECTED"),
    "withdraw": (lambda one: one.withdraw(), {"DRAFT", "SUBMITTED", "UNDER_REVIEW"}, "WITHDRAWN"),
}


def application(state: ApplicationState = ApplicationState.DRAFT, person: model.PersonProfile = PERSON) -> Application:
    return Application(application_id="a", account_id="owner", state=state, create_time=NOW, person=person, version=1)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_happens_from_its_states_only(name: str, state: ApplicationState) -> None:
    transition, sources, target = TRANSITIONS[name]
    before = application(state)
    if state.name in sources:
        assert transition(before).state.name == target
        assert before.state is state  # a new value: the old one stays as it was
    else:
        with pytest.raises(model.ApplicationInOtherState) as refused:
            transition(before)
        assert refused.value.metadata["state"] == state.name
        assert model._SAID[state][1] in refused.value.text("ar")


def test_a_transition_notes_when_and_why() -> None:
    assert application().submit(at=NOW).submit_time == NOW
    approved = application(ApplicationState.SUBMITTED).approve(member_id="m", at=NOW)
    assert (approved.member_id, approved.decide_time, approved.reject_reason) == ("m", NOW, None)
    rejected = application(ApplicationState.SUBMITTED).reject(reason=NAME, at=NOW)
    assert (rejected.member_id, rejected.decide_time, rejected.reject_reason) == ("", NOW, NAME)


# -- who ------------------------------------------------------------------------------------------------------------
OWNER, COORDINATOR = Caller("owner"), Caller("c", frozenset({"coordinator"}))
OTHER, NOBODY = Caller("other", frozenset({"member"})), Caller()


@pytest.mark.parametrize("state", STATES)
def test_the_applicant_sees_it_and_a_coordinator_unless_it_is_a_draft(state: ApplicationState) -> None:
    one = application(state)
    assert one.seen_by(OWNER) is one
    if state is not ApplicationState.DRAFT:
        assert one.seen_by(COORDINATOR) is one
    for caller in (OTHER, NOBODY, *([COORDINATOR] if state is ApplicationState.DRAFT else [])):
        with pytest.raises(model.ApplicationNotFound):
            one.seen_by(caller)


def test_only_the_applicant_owns_it() -> None:
    handed_in = application(ApplicationState.SUBMITTED)
    assert handed_in.owned_by(OWNER) is handed_in
    with pytest.raises(model.NotYours):
        handed_in.owned_by(COORDINATOR)
    with pytest.raises(model.ApplicationNotFound):
        handed_in.owned_by(OTHER)


def test_a_profile_belongs_to_its_account_and_to_coordinators() -> None:
    person = model.Person(person_id="p", account_id="owner", profile=PERSON, join_time=NOW, update_time=NOW)
    model.check_owner(person, OWNER)
    model.check_owner(person, COORDINATOR)
    for caller in (OTHER, NOBODY):
        with pytest.raises(model.NotYours):
            model.check_owner(person, caller)


def test_a_role_is_given_once() -> None:
    account = model.Account(account_id="a", email="a@b.example", password_hash="h", create_time=NOW)
    once = account.with_role("member")
    assert once.roles == once.with_role("member").roles == ("member",)
    assert once.with_role("coordinator").roles == ("member", "coordinator")


# -- sessions -------------------------------------------------------------------------------------------------------
LIFE = timedelta(days=30)


def session(**changed: object) -> model.Session:
    return model.Session(session_id="s", account_id="a", current="1", expire_time=NOW + LIFE, **changed)  # type: ignore[arg-type]


def test_a_token_is_exchanged_once() -> None:
    later = NOW + timedelta(days=1)
    second = session().refresh("1", "2", at=later, life=LIFE)
    assert (second.current, second.used) == ("2", ("1",))
    assert (second.refresh_time, second.expire_time) == (later, later + LIFE)
    third = second.refresh("2", "3", at=later, life=LIFE)
    assert (third.current, third.used, third.revoked) == ("3", ("1", "2"), False)
    for used in ("1", "2"):
        assert third.refresh(used, "4", at=later, life=LIFE).revoked


def test_a_session_ends_when_it_is_revoked_or_runs_out() -> None:
    assert session().alive(NOW + LIFE - timedelta(seconds=1))
    assert not session().alive(NOW + LIFE)
    assert not session(revoked=True).alive(NOW)


def test_a_session_keeps_no_endless_list_of_used_tokens() -> None:
    one = session()
    for number in range(2, model.KEPT_TOKENS + 50):
        one = one.refresh(one.current, str(number), at=NOW, life=LIFE)
    assert len(one.used) == model.KEPT_TOKENS
    assert one.used[-1] == str(model.KEPT_TOKENS + 48)


def test_every_refusal_of_the_model_is_an_error_that_a_person_can_read() -> None:
    for kind in vars(model).values():
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert issubclass(kind, errors.Error)


# -- affiliations --------------------------------------------------------------------------------------------------
def test_a_representative_acts_from_start_to_end_while_confirmed() -> None:
    asked = affiliations.Affiliation(
        affiliation_id="a",
        person_id="p",
        organization_id="o",
        account_id="owner",
        role=affiliations.AffiliationRole.REPRESENTATIVE,
        state=affiliations.AffiliationState.REQUESTED,
        create_time=NOW,
        end_time=NOW + timedelta(days=10),
    )
    confirmed = asked.confirm(at=NOW + timedelta(days=1))
    days = [NOW + timedelta(days=n) for n in (0, 1, 9, 10)]
    assert [lets_act(confirmed, day) for day in days] == [False, True, True, False]
    assert not any(lets_act(asked, day) or lets_act(confirmed.end(), day) for day in days)
    assert not any(lets_act(replace(confirmed, role=affiliations.AffiliationRole.STAFF), day) for day in days)
    for other in (confirmed, confirmed.end(), asked.decline(reason=NAME)):
        with pytest.raises(affiliations.AffiliationInOtherState):
            other.confirm(at=NOW)
    with pytest.raises(errors.EndsBeforeItStarts):
        replace(asked, start_time=NOW + timedelta(days=10)).check_times()
    with pytest.raises(affiliations.AffiliationOver):
        asked.confirm(at=NOW + timedelta(days=10))


# -- roles ---------------------------------------------------------------------------------------------------------
def test_a_role_is_held_once_and_nobody_takes_one_from_himself() -> None:
    account = model.Account(account_id="owner", email="a@b", password_hash="", create_time=NOW)
    curator = account.with_role("curator").with_role("curator")
    assert curator.roles == ("curator",)
    assert curator.without_role("coordinator", by=COORDINATOR).roles == ("curator",)
    assert curator.without_role("curator", by=COORDINATOR).roles == ()
    with pytest.raises(model.OwnRole):
        curator.without_role("curator", by=OWNER)


def test_months_follow_each_other_over_the_turn_of_the_year() -> None:
    starts = model.last_months(3, until=datetime(2027, 1, 31, 23, tzinfo=UTC))
    assert [start.isoformat()[:10] for start in starts] == ["2026-11-01", "2026-12-01", "2027-01-01"]
    assert {start.tzinfo for start in starts} == {UTC}
