"""The members service over gRPC: its stories, and what it refuses."""

import asyncio
import base64
import contextlib
import functools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from chassis import events, server
from services.members import store
from services.members.migrate import rotate
from tests.support import (
    NO_ID,
    PASSWORD,
    PERSON,
    REASON,
    SCHOOL,
    Members,
    Refused,
    Who,
    all_at_once,
    id_of,
    members_service,
    new_uuid,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def coordinator(members: Members) -> Who:
    return await members.account("coordinator")


# -- the story -----------------------------------------------------------------------------------------------------
async def test_a_person_joins(members: Members, coordinator: Who) -> None:
    account = await members("CreateAccount", account={"email": "Amal@Wasl.example", "password": PASSWORD})
    assert (account.email, account.password, list(account.roles)) == ("amal@wasl.example", "", [])
    session = await members("SignIn", email="AMAL@wasl.EXAMPLE", password=PASSWORD)
    amal = Who(account.account_id, account.email, session.access_token)
    assert session.account_id == account.account_id
    assert session.access_expire_time.seconds < session.refresh_expire_time.seconds

    draft = await members("CreateApplication", by=amal, application={"person": PERSON, "statement": {"ar": "سلام"}})
    identity = id_of(draft)
    assert (draft.state, draft.account_id, draft.etag) == (draft.DRAFT, account.account_id, "1")
    changed = await members(
        "UpdateApplication", by=amal, application={**identity, "statement": {"en": "hello"}, "etag": draft.etag}
    )
    assert (changed.statement.en, changed.statement.ar, changed.person) == ("hello", "", draft.person)
    submitted = await members("SubmitApplication", by=amal, **identity)
    assert submitted.state == submitted.SUBMITTED
    reviewed = await members("ReviewApplication", by=coordinator, **identity)
    assert reviewed.state == reviewed.UNDER_REVIEW
    approved = await members("ApproveApplication", by=coordinator, **identity, etag=reviewed.etag)
    assert (approved.state, approved.etag) == (approved.APPROVED, "5")
    assert approved.submit_time.ToMilliseconds() <= approved.decide_time.ToMilliseconds()
    assert await members("GetApplication", by=amal, **identity) == approved

    again = await members("RefreshSession", refresh_token=session.refresh_token)
    assert list(again.roles) == ["member"]
    amal = Who(account.account_id, account.email, again.access_token)
    person = await members("GetPerson", by=amal, person_id=approved.member_id)
    assert (person.profile, person.etag) == (approved.person, "1")
    assert (await members.announced(approved.application_id)) == [
        ("application.submitted", 3),
        ("application.approved", 5),
    ]
    assert (await members.announced(approved.member_id)) == [("member.joined", 1)]


async def test_an_organization_joins_and_everybody_sees_it(members: Members, coordinator: Who) -> None:
    before = await members("GetStatistics")
    approved = await members.approved(coordinator, organization=SCHOOL)
    organization = await members("GetOrganization", organization_id=approved.member_id)
    assert (organization.profile.display_name.ar, organization.profile.type_code) == ("مدرسة الأمل", "441")
    for place, there in (("SY02", True), ("SY0203", True), ("SY0204", False), ("SY03", False)):
        listed = await members("ListOrganizations", place_code=place, page_size=200)
        assert (organization in listed.organizations) is there
    after = await members("GetStatistics")
    assert after.organization_count == before.organization_count + 1
    assert after.governorate_count >= 1


async def test_organizations_are_found_by_their_type(members: Members, coordinator: Who) -> None:
    university = await members.approved(coordinator, organization={**SCHOOL, "type_code": "431"})
    school = await members.approved(coordinator, organization=SCHOOL)
    listed = await members("ListOrganizations", type_code="431", place_code="SY02", page_size=200)
    found = [one.organization_id for one in listed.organizations]
    assert (university.member_id in found, school.member_id in found) == (True, False)
    refused = await refusal(members("ListOrganizations", type_code="999"))
    assert refused.violations == {"type_code": "STRING_IN"}


async def test_the_undecided_come_in_the_order_in_which_they_were_handed_in(members: Members, coordinator: Who) -> None:
    amal = await members.account()
    mine: dict[str, Any] = {"undecided": True, "account_id": amal.account_id, "page_size": 1}
    first, second, third, decided, _ = [await members.draft(amal) for _ in range(5)]
    for draft in (third, decided, first, second):
        await members("SubmitApplication", by=amal, **id_of(draft))
    await members("ReviewApplication", by=coordinator, **id_of(first))
    await members("RejectApplication", by=coordinator, **id_of(decided), reject_reason=REASON)
    for by in (amal, coordinator):
        found: list[str] = []
        token = ""
        while not found or token:
            page = await members("ListApplications", by=by, **mine, page_token=token)
            assert page.total_size == 3
            found += [one.application_id for one in page.applications]
            token = page.next_page_token
        assert found == [one.application_id for one in (third, first, second)]
    elsewhere = await members("ListApplications", by=amal, account_id=amal.account_id, page_size=1)
    refused = await refusal(members("ListApplications", by=amal, **mine, page_token=elsewhere.next_page_token))
    assert refused.violations == {"page_token": "BAD_PAGE_TOKEN"}


async def test_growth_is_counted_by_the_month_of_joining(members: Members, coordinator: Who) -> None:
    before = await members("GetGrowth", by=coordinator, months=3)
    now = datetime.now(UTC)
    long_ago = (now.replace(day=1) - timedelta(days=1)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for joined in (long_ago, long_ago - timedelta(milliseconds=1)):
        approved = await members.approved(coordinator)
        await members.db.people.update_one({"_id": approved.member_id}, {"$set": {"join_time": joined}})
    await members.approved(coordinator, organization=SCHOOL)
    after = await members("GetGrowth", by=coordinator, months=3)
    more = [
        (new.people_count - old.people_count, new.organization_count - old.organization_count)
        for old, new in zip(before.months, after.months, strict=True)
    ]
    assert more == [(1, 0), (1, 0), (0, 1)]
    assert after.months[1].start_time.ToDatetime(tzinfo=UTC) == long_ago
    assert len((await members("GetGrowth", by=coordinator)).months) == 12
    assert (await refusal(members("GetGrowth", by=coordinator, months=61))).violations


async def test_a_rejected_applicant_reads_why_and_others_do_not(members: Members, coordinator: Who) -> None:
    amal = await members.account()
    submitted = await members.submitted(amal)
    identity = id_of(submitted)
    await members("RejectApplication", by=coordinator, **identity, reject_reason=REASON)
    rejected = await members("GetApplication", by=amal, **identity)
    assert (rejected.state, rejected.reject_reason.ar) == (rejected.REJECTED, REASON["ar"])
    assert not rejected.member_id
    entry = await members.db.outbox.find_one({"subject": submitted.application_id, "sequence": 3})
    assert entry["type"] == "org.wasl.members.application.rejected.v1"
    assert REASON["ar"] not in str(entry)


async def test_a_withdrawn_application_is_announced_to_nobody(members: Members) -> None:
    amal = await members.account()
    draft = await members.draft(amal)
    withdrawn = await members("WithdrawApplication", by=amal, application_id=draft.application_id)
    assert withdrawn.state == withdrawn.WITHDRAWN
    assert await members.announced(draft.application_id) == []


async def test_what_happened_can_be_read_out_of_the_outbox(members: Members, coordinator: Who) -> None:
    approved = await members.approved(coordinator, organization=SCHOOL)
    entry = await members.db.outbox.find_one({"subject": approved.member_id})
    event = events.decode(events.encode(entry["event"]))
    member = event.data.member
    assert (event.subject, event.sequence, event.correlation_id != "") == (approved.member_id, 1, True)
    assert (member.kind, member.organization_type_code, member.place_code) == (2, "441", "SY0203")
    assert member.display_name == approved.organization.display_name


# -- roles ---------------------------------------------------------------------------------------------------------
async def test_a_coordinator_makes_somebody_a_curator_and_takes_it_back(members: Members, coordinator: Who) -> None:
    account = await members("CreateAccount", account={"email": "sami@wasl.example", "password": PASSWORD})
    identity = {"account_id": account.account_id}
    session = await members("SignIn", email="sami@wasl.example", password=PASSWORD)
    for _ in range(2):  # again changes nothing
        granted = await members("GrantRole", by=coordinator, **identity, role="curator")
        assert list(granted.roles) == ["curator"]
    session = await members("RefreshSession", refresh_token=session.refresh_token)
    assert list(session.roles) == ["curator"]
    revoked = await members("RevokeRole", by=coordinator, **identity, role="curator")
    assert list(revoked.roles) == []
    session = await members("RefreshSession", refresh_token=session.refresh_token)
    assert list(session.roles) == []


async def test_roles_are_a_coordinators_to_give_and_not_his_own_to_lose(members: Members, coordinator: Who) -> None:
    curator = await members.account("member", "curator")
    refused = await refusal(members("GrantRole", by=curator, account_id=curator.account_id, role="coordinator"))
    assert refused.reason == "ROLE_MISSING"
    refused = await refusal(
        members("RevokeRole", by=coordinator, account_id=coordinator.account_id, role="coordinator")
    )
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "OWN_ROLE")
    for rpc in ("GrantRole", "RevokeRole"):
        refused = await refusal(members(rpc, by=coordinator, account_id=curator.account_id, role="member"))
        assert refused.violations == {"role": "STRING_IN"}
        refused = await refusal(members(rpc, by=coordinator, account_id=NO_ID, role="curator"))
        assert refused.reason == "ACCOUNT_NOT_FOUND"
    assert (await members("GetAccount", by=curator, account_id=curator.account_id)).roles == ["member", "curator"]


async def test_who_is_no_coordinator_any_more_gives_and_takes_no_role(members: Members) -> None:
    first, second = await members.account("coordinator"), await members.account("coordinator")
    answered, refused = await all_at_once(
        members("RevokeRole", by=by, account_id=other.account_id, role="coordinator")
        for by, other in ((first, second), (second, first))
    )
    assert (len(answered), [one.reason for one in refused]) == (1, ["ROLE_MISSING"])
    lost, kept = (second, first) if answered[0].account_id == second.account_id else (first, second)
    for rpc in ("GrantRole", "RevokeRole"):  # though the token still has the role
        for account in (lost, kept):
            refused_one = await refusal(members(rpc, by=lost, account_id=account.account_id, role="coordinator"))
            assert refused_one.reason == "ROLE_MISSING"
    assert list((await members("GetAccount", by=kept, account_id=kept.account_id)).roles) == ["coordinator"]


# -- sessions ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def signed_up(members: Members) -> Any:
    """A way to sign in to a new account."""

    async def sign_in() -> Any:
        who = await members.account()
        return await members("SignIn", email=who.email, password=PASSWORD)

    return sign_in


async def test_who_signs_in_wrongly_does_not_learn_what_was_wrong(members: Members) -> None:
    amal = await members.account()
    refused = [
        await refusal(members("SignIn", email=amal.email, password="not it at all")),
        await refusal(members("SignIn", email="nobody@wasl.example", password=PASSWORD)),
    ]
    assert {(one.code, one.reason, one.text) for one in refused} == {
        ("UNAUTHENTICATED", "CREDENTIALS_WRONG", "E-mail or password is wrong")
    }


async def test_a_refresh_token_is_exchanged_and_its_second_use_ends_the_session(
    members: Members, signed_up: Any
) -> None:
    first = await signed_up()
    second = await members("RefreshSession", refresh_token=first.refresh_token)
    third = await members("RefreshSession", refresh_token=second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    for stolen in (first, third, second):
        refused = await refusal(members("RefreshSession", refresh_token=stolen.refresh_token))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "SESSION_ENDED")


async def test_of_many_refreshes_at_once_at_most_one_succeeds(members: Members, signed_up: Any) -> None:
    session = await signed_up()
    calls = [members("RefreshSession", refresh_token=session.refresh_token) for _ in range(10)]
    won, lost = await all_at_once(calls)
    assert len(won) <= 1
    assert {one.reason for one in lost} == {"SESSION_ENDED"}
    assert (await members.db.sessions.find_one({"account_id": session.account_id}))["revoked"]


async def test_who_has_signed_out_cannot_refresh_and_may_sign_out_again(members: Members, signed_up: Any) -> None:
    session = await signed_up()
    for _ in range(2):
        await members("SignOut", refresh_token=session.refresh_token)
    assert (await refusal(members("RefreshSession", refresh_token=session.refresh_token))).reason == "SESSION_ENDED"
    await members("SignOut", refresh_token="never seen")


async def test_an_account_sees_where_it_is_signed_in_and_ends_what_it_does_not_know(
    members: Members, coordinator: Who
) -> None:
    amal = await members.account()
    here, there, over, gone = [
        await members("SignIn", email=amal.email, password=PASSWORD, client=client)
        for client in ("Firefox, Linux", "Chrome, Android", "", "")
    ]
    await members("RefreshSession", refresh_token=here.refresh_token)
    await members("SignOut", refresh_token=over.refresh_token)
    past = (await members.db.accounts.find_one({"_id": amal.account_id}))["create_time"]
    await members.db.sessions.update_one({"_id": gone.session_id}, {"$set": {"expire_time": past}})
    mine = Who(amal.account_id, amal.email, here.access_token)
    found = await members("ListSessions", by=mine)
    assert [(one.session_id, one.client) for one in found.sessions][:2] == [
        (there.session_id, "Chrome, Android"),
        (here.session_id, "Firefox, Linux"),
    ]
    assert {over.session_id, gone.session_id}.isdisjoint(one.session_id for one in found.sessions)
    refreshed, untouched = found.sessions[1], found.sessions[0]
    assert refreshed.refresh_time.ToDatetime() > refreshed.create_time.ToDatetime()
    assert not untouched.HasField("refresh_time")

    other = await refusal(members("RevokeSession", by=coordinator, session_id=there.session_id))
    assert (other.code, other.reason) == ("NOT_FOUND", "SESSION_NOT_FOUND")
    for _ in range(2):
        await members("RevokeSession", by=mine, session_id=there.session_id)
    assert there.session_id not in [one.session_id for one in (await members("ListSessions", by=mine)).sessions]
    assert (await refusal(members("RefreshSession", refresh_token=there.refresh_token))).reason == "SESSION_ENDED"


async def test_sessions_from_before_they_were_listed_go_on(members: Members) -> None:
    amal = await members.account()
    session = await members("SignIn", email=amal.email, password=PASSWORD)
    await members.db.sessions.update_one({"_id": session.session_id}, {"$unset": {"refresh_time": "", "client": ""}})
    assert (await members("RefreshSession", refresh_token=session.refresh_token)).session_id == session.session_id
    mine = Who(amal.account_id, amal.email, session.access_token)
    assert session.session_id in [one.session_id for one in (await members("ListSessions", by=mine)).sessions]


async def test_a_session_runs_out(members: Members, signed_up: Any) -> None:
    session = await signed_up()
    past = (await members.db.accounts.find_one({"_id": session.account_id}))["create_time"]
    await members.db.sessions.update_one({"account_id": session.account_id}, {"$set": {"expire_time": past}})
    assert (await refusal(members("RefreshSession", refresh_token=session.refresh_token))).reason == "SESSION_ENDED"


async def test_no_password_and_no_token_is_stored(members: Members) -> None:
    password = f"horse {new_uuid()}"
    account = await members(
        "CreateAccount", account={"email": "d@wasl.example", "password": password}, request_id=new_uuid()
    )
    session = await members("SignIn", email=account.email, password=password)
    await members("RefreshSession", refresh_token=session.refresh_token)
    stored = str(await members.dump())
    for secret in (password, session.refresh_token, session.access_token):
        assert secret not in stored


async def test_what_an_older_key_signed_stays_valid_after_a_rotation(mongo_uri: str) -> None:
    async with members_service(mongo_uri) as members:
        before = await members.account()
        (older,) = (await members("GetJsonWebKeySet")).keys
        await asyncio.to_thread(rotate, members.app.settings)  # type: ignore[arg-type]
        newer, known = (await members("GetJsonWebKeySet")).keys
        assert known == older
        assert kid(await members.account()) == older.kid, "not everybody knows the new key yet"
        long_ago = datetime.now(UTC) - store.PUBLISHED_FOR - timedelta(seconds=1)
        await members.db.signing_keys.update_one({"_id": 2}, {"$set": {"create_time": long_ago}})
        after = await members.account()
        assert kid(after) == newer.kid
        for who in (before, after):
            assert await members("GetAccount", by=who, account_id=who.account_id)


def kid(who: Who) -> str:
    """The key that signed somebody's token."""
    return str(json.loads(base64.urlsafe_b64decode(who.token.partition(".")[0] + "=="))["kid"])


# -- ownership -----------------------------------------------------------------------------------------------------
async def test_anothers_application_is_not_there(members: Members, coordinator: Who) -> None:
    amal, other = await members.account(), await members.account("member")
    draft = await members.draft(amal)
    identity = id_of(draft)
    before = await members.dump()
    attempts: list[tuple[str, Who, dict[str, Any]]] = [
        (rpc, who, fields)
        for who in (other, coordinator)
        for rpc, fields in (
            ("GetApplication", identity),
            ("SubmitApplication", identity),
            ("WithdrawApplication", identity),
            ("UpdateApplication", {"application": {**identity, "statement": {"en": "mine"}}}),
        )
    ]
    attempts += [(rpc, coordinator, identity) for rpc in ("ReviewApplication", "ApproveApplication")]
    attempts += [("RejectApplication", coordinator, {**identity, "reject_reason": REASON})]
    for rpc, who, fields in attempts:
        refused = await refusal(members(rpc, by=who, **fields))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "APPLICATION_NOT_FOUND"), rpc
        missing = await refusal(members(rpc, by=who, **swap_id(fields)))
        assert (missing.code, missing.text) == (refused.code, refused.text), rpc  # nothing tells which ids exist
    assert await members.dump() == before


def swap_id(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: swap_id(value) if isinstance(value, dict) else NO_ID if name == "application_id" else value
        for name, value in fields.items()
    }


async def test_a_coordinator_decides_but_does_not_write(members: Members, coordinator: Who) -> None:
    submitted = await members.submitted(await members.account())
    identity = id_of(submitted)
    for rpc, fields in (
        ("SubmitApplication", identity),
        ("WithdrawApplication", identity),
        ("UpdateApplication", {"application": {**identity, "statement": {"en": "mine"}}}),
    ):
        refused = await refusal(members(rpc, by=coordinator, **fields))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_YOURS"), rpc


async def test_anothers_profile_is_not_mine_to_change(members: Members, coordinator: Who) -> None:
    person = await members.approved(coordinator)
    school = await members.approved(coordinator, organization=SCHOOL)
    other = await members.account("member")
    changes: list[tuple[str, dict[str, Any]]] = [
        ("UpdatePerson", {"person": {"person_id": person.member_id, "profile": PERSON}}),
        ("UpdateOrganization", {"organization": {"organization_id": school.member_id, "profile": SCHOOL}}),
    ]
    for rpc, fields in changes:
        before = await members.dump()
        refused = await refusal(members(rpc, by=other, language="ar", **fields))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_YOURS")
        assert refused.text == "التعديل لصاحبه أو لمنسّق فقط"
        assert await members.dump() == before
        assert (await members(rpc, by=coordinator, **fields)).etag == "2"


async def test_an_account_is_for_its_owner_and_for_coordinators(members: Members, coordinator: Who) -> None:
    amal, other = await members.account(), await members.account("member")
    for who in (amal, coordinator):
        assert (await members("GetAccount", by=who, account_id=amal.account_id)).email == amal.email
    assert (await refusal(members("GetAccount", by=other, account_id=amal.account_id))).reason == "ACCOUNT_NOT_FOUND"


async def test_lists_show_what_one_may_see(members: Members, coordinator: Who) -> None:
    amal, other = await members.account(), await members.account()
    draft, submitted = await members.draft(amal), await members.submitted(amal)
    theirs = await members.submitted(other)

    async def listed(by: Who, **fields: Any) -> set[str]:
        answer = await members("ListApplications", by=by, page_size=200, **fields)
        return {one.application_id for one in answer.applications}

    assert await listed(amal) == {draft.application_id, submitted.application_id}
    assert await listed(amal, state="DRAFT") == {draft.application_id}
    seen = await listed(coordinator)
    assert {submitted.application_id, theirs.application_id} <= seen
    assert draft.application_id not in seen
    assert await listed(coordinator, state="DRAFT") == set()


async def test_pages_hold_everything_once(members: Members) -> None:
    amal = await members.account()
    made = [(await members.draft(amal)).application_id for _ in range(7)]
    seen, token = [], ""
    for _ in range(10):
        page = await members("ListApplications", by=amal, page_size=3, page_token=token)
        assert page.total_size == 7
        seen += [one.application_id for one in page.applications]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]
    refused = await refusal(members("ListApplications", by=amal, page_token="not one", language="ar"))
    assert (refused.code, refused.violations) == ("INVALID_ARGUMENT", {"page_token": "BAD_PAGE_TOKEN"})


# -- states, etags, masks ------------------------------------------------------------------------------------------
async def test_what_is_decided_stays_decided(members: Members, coordinator: Who) -> None:
    approved = await members.approved(coordinator)
    before = await members.dump()
    for language, said in (("en", "approved"), ("ar", "مقبول")):
        for rpc, more in (("ApproveApplication", {}), ("RejectApplication", {"reject_reason": REASON})):
            fields = {**id_of(approved), **more}
            refused = await refusal(members(rpc, by=coordinator, language=language, **fields))
            assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "APPLICATION_IN_OTHER_STATE")
            assert refused.metadata["state"] == "APPROVED"
            assert said in refused.text
    assert await members.dump() == before


async def test_a_stale_etag_changes_nothing(members: Members) -> None:
    amal = await members.account()
    draft = await members.draft(amal)
    identity = id_of(draft)
    await members("UpdateApplication", by=amal, application={**identity, "statement": {"en": "x"}, "etag": "1"})
    before = await members.dump()
    for call in (
        members("UpdateApplication", by=amal, application={**identity, "statement": {"en": "y"}, "etag": "1"}),
        members("SubmitApplication", by=amal, **identity, etag="1"),
        members("WithdrawApplication", by=amal, **identity, etag="nonsense"),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("ABORTED", "VERSION_CONFLICT")
    assert await members.dump() == before


async def test_a_mask_changes_what_it_names(members: Members, coordinator: Who) -> None:
    person = await members.approved(coordinator)

    async def update(*paths: str, **profile: Any) -> Any:
        changed = {"person_id": person.member_id, "profile": profile}
        return await members("UpdatePerson", by=coordinator, person=changed, update_mask={"paths": paths})

    moved = await update("profile.place_code", place_code="SY0100", occupation=77)
    assert (moved.profile.place_code, moved.profile.display_name.en) == ("SY0100", "Amal Haddad")
    named = await update("profile.occupation", "profile.display_name", occupation="EXPERT", display_name={"ar": "أمل"})
    assert (named.profile.occupation, named.profile.display_name.en) == (2, "")
    cleared = await update("profile.occupation", "profile.place_code")
    assert (cleared.profile.occupation, cleared.profile.place_code, cleared.profile.of_age) == (0, "", True)
    whole = await update(display_name={"en": "Amal"}, of_age=True)
    assert (whole.profile.display_name.ar, whole.etag) == ("", "5")
    assert [version for _, version in await members.announced(person.member_id)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("paths", "profile", "field"),
    [
        (["profile.nope"], {}, "update_mask"),
        (["nope"], None, "update_mask"),
        (["etag"], None, "update_mask"),
        (["profile", "join_time"], PERSON, "update_mask"),
        (["profile.display_name.ar"], {"display_name": {"ar": "x"}}, "update_mask"),
        (["profile"], None, "person.profile"),
        (["profile.display_name"], {}, "person.profile.display_name"),
        (["profile.of_age"], {}, "person.profile.of_age"),
        ([], {"display_name": {"en": "A child"}}, "person.profile.of_age"),
        ([], {"of_age": True}, "person.profile.display_name"),
    ],
)
async def test_a_wrong_mask_is_told_by_field(
    members: Members, coordinator: Who, paths: list[str], profile: Any, field: str
) -> None:
    person = await members.approved(coordinator)
    before = await members.dump()
    changed = {"person_id": person.member_id, "profile": profile}
    refused = await refusal(
        members("UpdatePerson", by=coordinator, language="ar", person=changed, update_mask={"paths": paths})
    )
    assert (refused.code, list(refused.violations), refused.language) == ("INVALID_ARGUMENT", [field], "ar")
    assert await members.dump() == before


async def test_nothing_of_a_child_is_stored(members: Members) -> None:
    amal = await members.account()
    draft = await members.draft(amal, organization=SCHOOL)
    before = await members.dump()
    child = {**PERSON, "of_age": False}
    for call in (
        members("CreateApplication", by=amal, application={"person": child}),
        members("UpdateApplication", by=amal, application={**id_of(draft), "person": child}),
    ):
        assert (await refusal(call)).violations == {"application.person.of_age": "BOOL_CONST"}
    assert await members.dump() == before


async def test_a_statement_asks_for_no_money(members: Members) -> None:
    amal = await members.account()
    before = await members.dump()
    application = {"person": PERSON, "statement": {"ar": "نحتاج ٥٠٠ دولار"}}
    refused = await refusal(members("CreateApplication", by=amal, application=application))
    assert refused.violations == {"application.statement": "MONEY_REFUSED"}
    assert await members.dump() == before


@pytest.mark.parametrize("noun", ["person", "organization"])
@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("place_code", "SY0799", "CODE_UNKNOWN"),
        ("display_name", {"ar": " \u00a0"}, "LOCALIZED_TEXT_BLANK"),
        ("display_name", {"ar": "أمل", "en": "\u200f\n"}, "LOCALIZED_TEXT_BLANK"),
    ],
    ids=["no place", "blank", "blank in English"],
)
async def test_no_member_is_nameless_or_nowhere(
    members: Members, coordinator: Who, noun: str, field: str, value: Any, reason: str
) -> None:
    """Neither as a new draft nor by any way to change one, or a profile."""
    right: dict[str, Any] = PERSON if noun == "person" else SCHOOL
    member, amal = await members.approved(coordinator, **{noun: right}), await members.account()
    draft = await members.draft(amal, **{noun: right})
    before, wrong = await members.dump(), {**right, field: value}
    update: Any = functools.partial(members, f"Update{noun.capitalize()}", by=coordinator)
    own: Any = {noun: {f"{noun}_id": member.member_id, "profile": wrong}}
    for path, call in (
        (f"application.{noun}", members("CreateApplication", by=amal, application={noun: wrong})),
        (f"application.{noun}", members("UpdateApplication", by=amal, application={**id_of(draft), noun: wrong})),
        (f"{noun}.profile", update(**own)),
        (f"{noun}.profile", update(**own, update_mask={"paths": [f"profile.{field}"]})),
    ):
        assert (await refusal(call)).violations == {f"{path}.{field}": reason}
    assert await members.dump() == before


async def test_a_place_that_was_taken_before_places_were_looked_up_hinders_no_other_change(
    members: Members, coordinator: Who
) -> None:
    person = await members.approved(coordinator)
    await members.db.people.update_one({"_id": person.member_id}, {"$set": {"profile.place_code": "SY0799"}})
    profile = {**PERSON, "place_code": "SY0799", "display_name": {"en": "Amal"}}
    changed = await members("UpdatePerson", by=coordinator, person={"person_id": person.member_id, "profile": profile})
    assert (changed.profile.display_name.en, changed.profile.place_code) == ("Amal", "SY0799")


async def test_a_draft_is_changed_in_what_is_given_or_named(members: Members) -> None:
    amal = await members.account()
    draft = await members.draft(amal, person=PERSON, statement={"en": "first"})

    async def update(*paths: str, **application: Any) -> Any:
        changed = {"application_id": draft.application_id, **application}
        return await members("UpdateApplication", by=amal, application=changed, update_mask={"paths": paths})

    assert (await update(statement={"en": "second"})).statement.en == "second"
    kept = await update("statement", person={"occupation": 77}, organization=None)
    assert (kept.HasField("statement"), kept.person) == (False, draft.person)
    switched = await update("organization", organization=SCHOOL)
    assert switched.WhichOneof("applicant") == "organization"
    assert (await refusal(update("organization"))).violations == {"update_mask": "FIELD_NOT_CHANGEABLE"}
    assert (await refusal(update("state", state="APPROVED"))).violations == {"update_mask": "FIELD_NOT_CHANGEABLE"}


async def test_what_only_we_write_is_not_taken_from_a_request(members: Members) -> None:
    amal = await members.account()
    pretended: dict[str, Any] = {
        "person": PERSON,
        "state": "APPROVED",
        "member_id": NO_ID,
        "account_id": NO_ID,
        "application_id": NO_ID,
    }
    draft = await members.draft(amal, **pretended)
    assert (draft.state, draft.member_id, draft.account_id) == (draft.DRAFT, "", amal.account_id)
    assert draft.application_id != NO_ID
    account: dict[str, Any] = {
        "email": f"{new_uuid()}@wasl.example",
        "password": PASSWORD,
        "roles": ["coordinator"],
        "account_id": NO_ID,
    }
    opened = await members("CreateAccount", account=account)
    assert (list(opened.roles), opened.account_id != NO_ID) == ([], True)


# -- the same request again ----------------------------------------------------------------------------------------
async def test_a_request_id_gives_the_first_answer_again(members: Members, coordinator: Who) -> None:
    amal = await members.account()
    request: dict[str, Any] = {"application": {"person": PERSON}, "request_id": new_uuid()}
    first = await members("CreateApplication", by=amal, **request)
    await members("WithdrawApplication", by=amal, application_id=first.application_id)
    before = await members.dump()
    assert await members("CreateApplication", by=amal, **request) == first
    assert await members.dump() == before
    submitted = await members.submitted(amal)
    approval: dict[str, Any] = {
        "application_id": submitted.application_id,
        "etag": submitted.etag,
        "request_id": new_uuid(),
    }
    approved = await members("ApproveApplication", by=coordinator, **approval)
    assert await members("ApproveApplication", by=coordinator, **approval) == approved


async def test_a_request_id_of_another_request_is_refused(members: Members) -> None:
    amal, request_id = await members.account(), new_uuid()
    await members("CreateApplication", by=amal, application={"person": PERSON}, request_id=request_id)
    before = await members.dump()
    refused = await refusal(
        members("CreateApplication", by=amal, application={"organization": SCHOOL}, request_id=request_id)
    )
    assert (refused.code, refused.violations) == ("INVALID_ARGUMENT", {"request_id": "REQUEST_ID_REUSED"})
    assert await members.dump() == before


async def test_a_request_id_is_the_callers_own(members: Members) -> None:
    amal, other = await members.account(), await members.account()
    request: dict[str, Any] = {"application": {"person": PERSON}, "request_id": new_uuid()}
    mine = await members("CreateApplication", by=amal, **request)
    theirs = await members("CreateApplication", by=other, **request)
    assert (theirs.account_id, theirs.application_id != mine.application_id) == (other.account_id, True)


async def test_fifty_twins_make_one_application_and_get_one_answer(members: Members) -> None:
    amal = await members.account()
    request: dict[str, Any] = {"application": {"person": PERSON}, "request_id": new_uuid()}
    answers = await asyncio.gather(*(members("CreateApplication", by=amal, **request) for _ in range(50)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert await members.db.applications.count_documents({"account_id": amal.account_id}) == 1


async def test_twins_of_a_sign_up_get_one_answer_too(members: Members) -> None:
    email = f"{new_uuid()}@wasl.example"
    request: dict[str, Any] = {"account": {"email": email, "password": PASSWORD}, "request_id": new_uuid()}
    answers = await asyncio.gather(*(members("CreateAccount", **request) for _ in range(6)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert await members.db.accounts.count_documents({"email": email}) == 1


async def test_one_address_has_one_account(members: Members) -> None:
    email = f"{new_uuid()}@wasl.example"
    calls = [
        members("CreateAccount", account={"email": spelt, "password": PASSWORD}) for spelt in (email, email.upper())
    ]
    _, (refused,) = await all_at_once(calls)
    assert (refused.code, refused.violations) == ("ALREADY_EXISTS", {"account.email": "EMAIL_TAKEN"})


async def test_of_fifty_approvals_one_wins(members: Members, coordinator: Who) -> None:
    submitted = await members.submitted(await members.account())
    identity = id_of(submitted)
    calls = [members("ApproveApplication", by=coordinator, **identity) for _ in range(50)]
    (won,), lost = await all_at_once(calls)
    assert {one.reason for one in lost} == {"APPLICATION_IN_OTHER_STATE"}
    assert await members.db.people.count_documents({"account_id": submitted.account_id}) == 1
    assert await members.announced(won.member_id) == [("member.joined", 1)]
    assert await members.announced(submitted.application_id) == [
        ("application.submitted", 2),
        ("application.approved", 3),
    ]


async def test_two_approvals_of_one_applicant_do_not_lose_the_role(members: Members, coordinator: Who) -> None:
    amal = await members.account()
    submitted = [await members.submitted(amal), await members.submitted(amal, organization=SCHOOL)]
    calls = [members("ApproveApplication", by=coordinator, application_id=one.application_id) for one in submitted]
    await asyncio.gather(*calls)
    assert list((await members("GetAccount", by=amal, account_id=amal.account_id)).roles) == ["member"]


async def test_a_call_that_its_caller_gave_up_leaves_all_or_nothing(members: Members, coordinator: Who) -> None:
    """Cut at any moment: what is stored of an approval is the whole of it, or none."""
    submitted = [await members.submitted(await members.account()) for _ in range(30)]
    for index, one in enumerate(submitted):
        seconds = server.MARGIN_SECONDS + index / 1000  # the server cuts it after 0 to 30 ms
        with contextlib.suppress(Refused):
            await members("ApproveApplication", by=coordinator, application_id=one.application_id, timeout=seconds)
    await asyncio.sleep(0.5)  # for those that go on behind a caller's back
    decided = 0
    for one in submitted:
        application = await members.db.applications.find_one({"_id": one.application_id})
        account = await members.db.accounts.find_one({"_id": one.account_id})
        people = await members.db.people.count_documents({"account_id": one.account_id})
        whole = application["state"] == "APPROVED"
        assert (people, "member" in account["roles"]) == (int(whole), whole)
        assert len(await members.announced(one.application_id)) == 1 + whole
        decided += whole
    assert decided


async def test_an_account_joins_as_one_person_and_for_organizations(members: Members, coordinator: Who) -> None:
    who = await members.account()
    first, second = [await members.submitted(who) for _ in range(2)]
    third = await members.submitted(who, organization=SCHOOL)
    await members("ApproveApplication", by=coordinator, **id_of(first))
    refused = await refusal(members("ApproveApplication", by=coordinator, **id_of(second)))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "PERSON_ALREADY")
    await members("ApproveApplication", by=coordinator, **id_of(third))
    assert await members.db.people.count_documents({"account_id": who.account_id}) == 1


async def test_a_profile_without_a_mask_keeps_what_is_not_given(members: Members, coordinator: Who) -> None:
    approved = await members.approved(coordinator)
    changed = {"person_id": approved.member_id, "profile": {"display_name": {"en": "Amal"}, "of_age": True}}
    person = await members("UpdatePerson", by=coordinator, person=changed)
    assert person.profile.display_name.en == "Amal"
    assert (person.profile.place_code, person.profile.of_age) == (PERSON["place_code"], True)


async def test_a_name_asks_for_no_money(members: Members) -> None:
    who = await members.account()
    refused = await refusal(members.draft(who, organization={**SCHOOL, "display_name": {"en": "Send 500 USD to us"}}))
    assert refused.violations == {"application.organization.display_name": "MONEY_REFUSED"}


# -- affiliations --------------------------------------------------------------------------------------------------
async def joined(members: Members, coordinator: Who, **application: Any) -> tuple[Who, str]:
    """A new member's account, as it is after the approval, and its member id."""
    who = await members.account("member")
    submitted = await members.submitted(who, **application)
    approved = await members("ApproveApplication", by=coordinator, **id_of(submitted))
    return who, approved.member_id


async def test_a_representative_is_confirmed_acts_and_ends(members: Members, coordinator: Who) -> None:
    owner, school = await joined(members, coordinator, organization=SCHOOL)
    amal, person = await joined(members, coordinator, person=PERSON)
    tie = {"person_id": person, "organization_id": school, "role": "REPRESENTATIVE"}
    asked = await members("CreateAffiliation", by=amal, affiliation=tie)
    assert (asked.state, asked.etag, asked.HasField("start_time")) == (asked.REQUESTED, "1", False)
    again = await refusal(members("CreateAffiliation", by=owner, affiliation=tie, language="ar"))
    assert (again.code, again.reason) == ("ALREADY_EXISTS", "AFFILIATION_EXISTS")

    async def rename(by: Who) -> Any:
        changed = {"organization_id": school, "profile": {"homepage_uri": "https://hope.example"}}
        mask = {"paths": ["profile.homepage_uri"]}
        return await members("UpdateOrganization", by=by, organization=changed, update_mask=mask)

    assert (await refusal(rename(amal))).reason == "NOT_YOURS", "not confirmed yet"
    confirmed = await members("ConfirmAffiliation", by=coordinator, affiliation_id=asked.affiliation_id, etag="1")
    assert (confirmed.state, confirmed.HasField("start_time")) == (confirmed.CONFIRMED, True)
    assert (await rename(amal)).profile.homepage_uri == "https://hope.example"
    listed = await members("ListAffiliations", by=amal, organization_id=school, state="CONFIRMED")
    assert [one.affiliation_id for one in listed.affiliations] == [asked.affiliation_id]
    ended = await members("EndAffiliation", by=owner, affiliation_id=asked.affiliation_id)
    assert ended.state == ended.ENDED
    assert (await refusal(rename(amal))).reason == "NOT_YOURS"
    assert await members.announced(asked.affiliation_id) == [
        ("affiliation.requested", 1),
        ("affiliation.confirmed", 2),
        ("affiliation.ended", 3),
    ]
    assert (await members("CreateAffiliation", by=owner, affiliation=tie)).state == asked.REQUESTED


async def test_an_affiliation_is_asked_for_by_its_sides_only(members: Members, coordinator: Who) -> None:
    owner, school = await joined(members, coordinator, organization=SCHOOL)
    amal, person = await joined(members, coordinator, person=PERSON)
    stranger = await members.account("member")
    tie = {"person_id": person, "organization_id": school, "role": "STAFF"}
    before = await members.dump()
    for fields, reason in (
        ({}, "NOT_YOURS"),
        ({"person_id": NO_ID}, "PERSON_NOT_FOUND"),
        ({"organization_id": person}, "ORGANIZATION_NOT_FOUND"),
    ):
        refused = await refusal(members("CreateAffiliation", by=stranger, affiliation={**tie, **fields}))
        assert refused.reason == reason
    wrong = {**tie, "start_time": {"seconds": 1_800_000_000}, "end_time": {"seconds": 1_800_000_000}}
    refused = await refusal(members("CreateAffiliation", by=coordinator, affiliation=wrong, language="ar"))
    assert refused.violations == {"affiliation.end_time": "ENDS_BEFORE_IT_STARTS"}
    assert await members.dump() == before
    asked = await members("CreateAffiliation", by=coordinator, affiliation=tie)
    declined = await members(
        "DeclineAffiliation", by=coordinator, affiliation_id=asked.affiliation_id, decline_reason=REASON
    )
    assert (declined.state, declined.decline_reason.ar) == (declined.DECLINED, REASON["ar"])
    for by, told in ((amal, True), (owner, True), (coordinator, True), (stranger, False)):
        seen = await members("GetAffiliation", by=by, affiliation_id=asked.affiliation_id)
        listed = await members("ListAffiliations", by=by, organization_id=school, state="DECLINED")
        assert (seen.HasField("decline_reason"), listed.affiliations[0].HasField("decline_reason")) == (told, told)
    refused = await refusal(members("EndAffiliation", by=coordinator, affiliation_id=asked.affiliation_id))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AFFILIATION_IN_OTHER_STATE")


async def test_of_many_that_ask_for_the_same_affiliation_one_is_made(members: Members, coordinator: Who) -> None:
    _, school = await joined(members, coordinator, organization=SCHOOL)
    _, person = await joined(members, coordinator, person=PERSON)
    tie = {"person_id": person, "organization_id": school, "role": "VOLUNTEER"}
    made, refused = await all_at_once(
        [members("CreateAffiliation", by=coordinator, affiliation=tie) for _ in range(20)]
    )
    assert len(made) == 1
    assert {one.reason for one in refused} <= {"AFFILIATION_EXISTS", "ABORTED"}
