"""Matching's view of the members: fed by events in any order, and built anew from their log while readers go on.

The broker is not in these tests: `relayed` moves the outbox to the log as the relay does once the broker has confirmed,
and `deliver` applies an event as the consumer does. tests/e2e sends them all the way.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

import chassis.rebuild
from chassis import events, logservice, views
from chassis.call import Caller
from chassis.tx import Tx
from chassis.worker import handlers
from participants import model, rebuild, store, usecases
from participants.worker import ParticipantsWorker
from tests.support import (
    NO_ID,
    PERSON,
    SCHOOL,
    SERVICE_METADATA,
    Members,
    Service,
    Who,
    deliver,
    matching_service,
    members_service,
    of,
    refusal,
    relayed,
)
from wasl.members.v1 import events_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")
VIEW = store.PARTICIPANTS


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Small batches, so that there are many; and no long wait for readers that are not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chassis.rebuild, "KEEP_OLD_SECONDS", 0.3)
        patch.setattr(views, "CACHE_SECONDS", 0.05)
        patch.setattr(logservice, "BATCH", 7)
        patch.setattr(logservice, "SETTLE_SECONDS", 0.6)
        yield


@pytest_asyncio.fixture(loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def matching(mongo_uri: str, members: Members) -> AsyncIterator[Service]:
    async with matching_service(mongo_uri, members) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def coordinator(members: Members) -> Who:
    return await members.account("coordinator")


async def shown(matching: Service, by: Who, **fields: Any) -> dict[str, str]:
    """English name by id."""
    answer = await matching("ListParticipants", by=by, page_size=200, **fields)
    assert answer.total_size == len(answer.participants)
    return {one.participant_id: one.display_name.en for one in answer.participants}


async def schools(members: Members, coordinator: Who, count: int) -> dict[str, str]:
    """So many new members, named by a number."""
    made = {}
    for number in range(count):
        profile = {**SCHOOL, "display_name": {"en": f"School {number}"}}
        approved = await members.approved(coordinator, organization=profile)
        made[approved.member_id] = f"School {number}"
    return made


async def rename(members: Members, coordinator: Who, member_id: str, name: str) -> None:
    changed = {"organization_id": member_id, "profile": {"display_name": {"en": name}}}
    mask = {"paths": ["profile.display_name"]}
    await members("UpdateOrganization", by=coordinator, organization=changed, update_mask=mask)


async def collections(matching: Service) -> list[str]:
    return sorted(name for name in await matching.db.list_collection_names() if name.startswith(f"{VIEW}."))


# -- from events ---------------------------------------------------------------------------------------------------
async def test_a_new_member_is_shown_as_it_was_announced(members: Members, matching: Service, coordinator: Who) -> None:
    school = await members.approved(coordinator, organization=SCHOOL)
    person = await members.approved(coordinator)
    assert await shown(matching, coordinator) == {}
    await deliver(matching, ParticipantsWorker, *await relayed(members))
    found = await matching("GetParticipant", by=coordinator, participant_id=school.member_id)
    assert (found.kind, found.organization_type_code, found.place_code) == (found.ORGANIZATION, "441", "SY0203")
    assert (found.display_name, found.join_time) == (school.organization.display_name, school.decide_time)
    both = {school.member_id: "Hope School", person.member_id: "Amal Haddad"}
    assert await shown(matching, coordinator) == both
    assert list(await shown(matching, coordinator)) == [school.member_id, person.member_id]  # as they joined
    assert await shown(matching, coordinator, kind="PERSON") == {person.member_id: "Amal Haddad"}
    assert await shown(matching, coordinator, place_code="SY02") == {school.member_id: "Hope School"}
    assert await shown(matching, coordinator, place_code="SY0204") == {}


async def test_who_is_not_shown_yet_is_not_found(matching: Service, coordinator: Who) -> None:
    refused = await refusal(matching("GetParticipant", by=coordinator, participant_id=NO_ID, language="ar"))
    assert (refused.code, refused.reason, refused.text) == ("NOT_FOUND", "PARTICIPANT_NOT_FOUND", "لا يوجد مشارك كهذا")


async def test_a_view_never_goes_back_and_takes_each_event_once(
    members: Members, matching: Service, coordinator: Who
) -> None:
    made = await schools(members, coordinator, 3)
    for member_id in made:
        for number in range(4):
            await rename(members, coordinator, member_id, f"Name {number}")
    arrived = [event for event in await relayed(members) if event.type in handlers(ParticipantsWorker)]
    for seed in range(3):
        random.Random(seed).shuffle(arrived)
        await deliver(matching, ParticipantsWorker, *arrived, *arrived[:5])
    assert await shown(matching, coordinator) == dict.fromkeys(made, "Name 3")
    assert await matching.db.inbox.count_documents({}) == len(arrived) == 15


# -- from nothing --------------------------------------------------------------------------------------------------
async def test_a_view_is_built_from_nothing(
    members: Members, matching: Service, coordinator: Who, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await schools(members, coordinator, 12)
    await rename(members, coordinator, min(made), "Renamed")
    await relayed(members)
    assert await shown(matching, coordinator) == {}  # matching was never told
    await rebuild.rebuild_views(matching.app.settings)  # type: ignore[arg-type]
    assert await shown(matching, coordinator) == {**made, min(made): "Renamed"}
    assert await shown(matching, coordinator, query="renamed") == {min(made): "Renamed"}
    said = capsys.readouterr()
    assert "participants: rebuilt from 13 events" in said.out
    assert "(100 %)" in said.err
    assert await collections(matching) == ["participants.2"]
    indexes = await matching.db["participants.2"].index_information()
    assert set(indexes) == {"_id_", "place_code_1__id_1", "kind_1__id_1", "account_id_1_kind_1", "tokens_1__id_1"}


async def test_readers_and_new_events_go_on_while_a_view_is_built(
    members: Members, matching: Service, coordinator: Who
) -> None:
    made = await schools(members, coordinator, 20)
    await deliver(matching, ParticipantsWorker, *await relayed(members))
    row = await matching.db[f"{VIEW}.1"].find_one()
    await matching.db[f"{VIEW}.1"].insert_one({**row, "_id": NO_ID})  # no event accounts for it: it has to be gone
    lost: list[Any] = []

    async def read() -> None:
        while True:
            seen = await shown(matching, coordinator)
            lost.extend(member_id for member_id in made if member_id not in seen)

    async def change() -> dict[str, str]:
        changed = {}
        for number, member_id in enumerate(made):
            await rename(members, coordinator, member_id, f"Newer {number}")
            changed[member_id] = f"Newer {number}"
            arrived = await relayed(members)
            await asyncio.sleep(random.uniform(0, 0.02))
            await deliver(matching, ParticipantsWorker, *arrived)
        return changed | await more()

    async def more() -> dict[str, str]:
        joined = await schools(members, coordinator, 5)
        await deliver(matching, ParticipantsWorker, *await relayed(members))
        return joined

    reading = asyncio.create_task(read())
    changing = asyncio.create_task(change())
    for _ in range(2):
        await asyncio.sleep(0.05)
        await rebuild.rebuild_views(matching.app.settings)  # type: ignore[arg-type]
    expected = made | await changing
    await asyncio.sleep(0.1)
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    assert lost == []
    assert await shown(matching, coordinator) == expected
    assert await collections(matching) == ["participants.3"]
    assert (await matching.db.views.find_one({"_id": VIEW}))["building"] is None


async def test_what_is_on_its_way_when_a_build_begins_is_in_the_new_view(
    members: Members, matching: Service, coordinator: Who
) -> None:
    """An entry of the outbox is waited for; one that was delivered before but not logged yet is one of those."""
    made = await schools(members, coordinator, 3)
    await deliver(matching, ParticipantsWorker, *await relayed(members))
    late = await schools(members, coordinator, 2)

    async def relay_late() -> None:
        await asyncio.sleep(0.25)
        await relayed(members)

    relaying = asyncio.create_task(relay_late())
    await rebuild.rebuild_views(matching.app.settings)  # type: ignore[arg-type]
    await relaying
    assert await shown(matching, coordinator) == made | late


async def test_a_build_that_fails_or_is_interrupted_leaves_nothing(
    members: Members, matching: Service, coordinator: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await schools(members, coordinator, 20)
    await deliver(matching, ParticipantsWorker, *await relayed(members))
    halfway = asyncio.Event()

    def stop_halfway(view: str, applied: int, position: int, end: int) -> None:
        if applied >= 10:
            halfway.set()

    with monkeypatch.context() as patch:
        patch.setattr(chassis.rebuild, "_progress", stop_halfway)
        build = asyncio.create_task(rebuild.rebuild_views(matching.app.settings))  # type: ignore[arg-type]
        await halfway.wait()
        build.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await build
    assert await shown(matching, coordinator) == made  # the old one
    assert await collections(matching) == ["participants.1"]
    elsewhere = msgspec.structs.replace(matching.app.settings, members_address="127.0.0.1:9")
    with pytest.raises(chassis.rebuild.Failed, match="cannot be read"):
        await rebuild.rebuild_views(elsewhere)  # type: ignore[arg-type]
    assert await collections(matching) == ["participants.1"]
    assert (await matching.db.views.find_one({"_id": VIEW}))["building"] is None


async def test_a_build_that_was_killed_is_begun_anew(members: Members, matching: Service, coordinator: Who) -> None:
    made = await schools(members, coordinator, 20)
    await deliver(matching, ParticipantsWorker, *await relayed(members))
    assert await views.begin(matching.db, VIEW, store.index_participants) == 2
    await rename(members, coordinator, min(made), "While half built")
    await deliver(matching, ParticipantsWorker, *await relayed(members))
    await rebuild.rebuild_views(matching.app.settings)  # type: ignore[arg-type]
    assert await shown(matching, coordinator) == {**made, min(made): "While half built"}
    assert await collections(matching) == ["participants.3"]


async def test_of_two_builds_at_once_one_takes_over(members: Members, matching: Service, coordinator: Who) -> None:
    made = await schools(members, coordinator, 10)
    await relayed(members)
    builds = [rebuild.rebuild_views(matching.app.settings) for _ in range(2)]  # type: ignore[arg-type]
    outcomes = await asyncio.gather(*builds, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert [type(one) for one in outcomes if one is not None] == [chassis.rebuild.Superseded]
    assert await shown(matching, coordinator) == made
    assert len(await collections(matching)) == 1


async def test_a_log_that_does_not_become_whole_builds_nothing(
    members: Members, matching: Service, coordinator: Who
) -> None:
    """The broker is away: what was announced last is not in the log."""
    made = await schools(members, coordinator, 2)
    await deliver(matching, ParticipantsWorker, *await relayed(members))
    await schools(members, coordinator, 1)
    refused = await refusal(members("ReadEvents", metadata=SERVICE_METADATA, language="ar"))
    assert (refused.code, refused.reason) == ("UNAVAILABLE", "LOG_STUCK")
    assert refused.text == "أحداث تنتظر الإعلان: ٣؛ السجل غير مكتمل بعد"
    with pytest.raises(chassis.rebuild.Failed, match="3 events wait to be announced"):
        await rebuild.rebuild_views(matching.app.settings)  # type: ignore[arg-type]
    assert await shown(matching, coordinator) == made
    assert (await matching.db.views.find_one({"_id": VIEW}))["live"] == 1


async def test_a_log_is_read_from_anywhere_in_its_order(members: Members, coordinator: Who) -> None:
    await schools(members, coordinator, 6)
    await relayed(members)

    async def read(**fields: Any) -> list[tuple[int, str]]:
        parts = await members("ReadEvents", metadata=SERVICE_METADATA, **fields)
        assert [part.complete for part in parts] == [False] * (len(parts) - 1) + [True]
        return [(entry.position, events.decode(entry.cloud_event).type) for part in parts for entry in part.entries]

    whole = await read()
    assert [position for position, _ in whole] == list(range(1, 19))
    assert await read(after_position=11) == whole[11:]
    assert await read(after_position=18) == await read(after_position=99) == []
    joined = "org.wasl.members.member.joined.v1"
    assert await read(event_types=[joined], after_position=5) == [one for one in whole[5:] if one[1] == joined]
    assert (await refusal(members("ReadEvents", metadata=SERVICE_METADATA, after_position=-1))).violations == {
        "after_position": "INT64_GTE"
    }


@pytest.mark.parametrize("kind", [0, 99])
async def test_a_member_of_no_kind_that_is_known_is_no_event(matching: Service, kind: int) -> None:
    member = of(events_pb2.Member, member_id=NO_ID, display_name=SCHOOL["display_name"], join_time={"seconds": 1})
    member.kind = kind  # type: ignore[assignment]
    with pytest.raises(events.Invalid):
        await matching.app.run(usecases.show_participant, member=member, version=1)


@pytest.mark.parametrize("missing", ["affiliation_id", "organization_id", "account_id", "role", "state"])
async def test_an_affiliation_without_what_it_is_about_is_no_event(matching: Service, missing: str) -> None:
    known = {"affiliation_id": NO_ID, "organization_id": NO_ID, "account_id": NO_ID, "role": "STAFF"}
    affiliation = of(events_pb2.AffiliationSummary, **known, state="CONFIRMED")
    affiliation.ClearField(missing)  # type: ignore[arg-type]  # by any name
    with pytest.raises(events.Invalid):
        await matching.app.run(usecases.show_affiliation, affiliation=affiliation, version=1)


# -- who acts for whom ---------------------------------------------------------------------------------------------
async def test_nobody_acts_for_a_member_without_an_account(matching: Service) -> None:
    member = of(
        events_pb2.Member,
        member_id=NO_ID,
        display_name=SCHOOL["display_name"],
        join_time={"seconds": 1},
    )
    member.kind = events_pb2.ORGANIZATION
    await matching.app.run(usecases.show_participant, member=member, version=1)
    assert not await usecases.acts_for(Tx(matching.db, None), by=Caller(), participant_id=NO_ID)


async def test_who_may_act_for_an_organization(members: Members, matching: Service, coordinator: Who) -> None:
    async def joins(**application: Any) -> tuple[Who, str]:
        who = await members.account("member")
        submitted = await members.submitted(who, **application)
        approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
        return who, approved.member_id

    async def acting(who: Who, organization_id: str = "") -> str:
        await deliver(matching, ParticipantsWorker, *await relayed(members))
        by = Caller(who.account_id, frozenset({"member"}))
        found = await usecases.acting_for(Tx(matching.db, None), by=by, organization_id=organization_id)
        return found.participant_id

    owner, school = await joins(organization=SCHOOL)
    amal, person = await joins(person=PERSON)
    assert await acting(owner, school) == school
    assert await acting(amal) == person
    with pytest.raises(model.NoParticipant):
        await acting(owner)
    with pytest.raises(model.NotActingFor):
        await acting(amal, school)
    with pytest.raises(model.NotActingFor):
        await acting(amal, person)
    with pytest.raises(model.ParticipantNotFound):
        await acting(amal, NO_ID)
    tie = {"person_id": person, "organization_id": school, "role": "REPRESENTATIVE"}
    asked = await members("CreateAffiliation", by=amal, affiliation=tie)
    with pytest.raises(model.NotActingFor):
        await acting(amal, school)
    await members("ConfirmAffiliation", by=coordinator, affiliation_id=asked.affiliation_id)
    assert await acting(amal, school) == school
    await rebuild.rebuild_views(matching.app.settings)  # type: ignore[arg-type]
    assert await acting(amal, school) == school
    await members("EndAffiliation", by=amal, affiliation_id=asked.affiliation_id)
    with pytest.raises(model.NotActingFor):
        await acting(amal, school)
