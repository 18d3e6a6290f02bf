"""`Tx` and `App`: one transaction, everything of it or nothing, once, whatever happens to it."""

import asyncio
import datetime
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from pymongo.errors import BulkWriteError, WriteError

from chassis import app as chassis_app
from chassis import errors, events, inbox, mongo, views
from chassis.tx import Tx
from tests.support import NO_ID, PASSWORD, PERSON, SCHOOL, Members, Who, id_of, members_service, of, refusal
from wasl.members.v1.events_pb2 import MemberJoined, MemberUpdated

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class Kettle(msgspec.Struct, frozen=True, kw_only=True):
    """An aggregate."""

    kettle_id: str
    litres: int
    filled: datetime.datetime | None = None
    version: int = 0


def joined(member_id: str) -> MemberJoined:
    return of(MemberJoined, member={"member_id": member_id})


# -- aggregates ----------------------------------------------------------------------------------------------------
async def test_an_aggregate_comes_back_as_it_was_saved(members: Members) -> None:
    async def work(tx: Tx) -> Kettle:
        first = await tx.insert("kettles", Kettle(kettle_id="k1", litres=1, filled=tx.now))
        return await tx.save("kettles", msgspec.structs.replace(first, litres=2))

    saved = await members.app.run(work)
    assert (saved.version, saved.litres) == (2, 2)
    assert await Tx(members.db, None).find("kettles", {"litres": 2}, Kettle) == saved
    document = await members.db.kettles.find_one({"_id": "k1"})
    assert set(document) == {"_id", "litres", "filled", "version", "at"}


async def test_who_saves_what_has_changed_meanwhile_is_told_so(members: Members) -> None:
    first = await members.app.run(lambda tx: tx.insert("kettles", Kettle(kettle_id="k2", litres=1)))
    await members.app.run(lambda tx: tx.save("kettles", first))
    with pytest.raises(errors.VersionConflict):
        await members.app.run(lambda tx: tx.save("kettles", first))
    with pytest.raises(errors.Aborted):
        await members.app.run(lambda tx: tx.insert("kettles", first))


async def test_the_clock_of_an_aggregate_never_stands_still(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it go back, when the machine's does: it orders the announcements."""
    monkeypatch.setattr("chassis.tx.time.time_ns", lambda: 1_000_000_000)

    async def work(tx: Tx) -> None:
        kettle = await tx.insert("kettles", Kettle(kettle_id="k3", litres=0))
        for version in (1, 2, 3):
            tx.emit(joined("k3"), subject="k3", sequence=version)
            kettle = await tx.save("kettles", kettle)

    await members.app.run(work)
    entries = await members.db.outbox.find({"subject": "k3"}).sort("at", 1).to_list(None)
    assert [(entry["sequence"], entry["at"]) for entry in entries] == [(1, 1_000_000), (2, 1_000_001), (3, 1_000_002)]
    assert len({entry["part"] for entry in entries}) == 1


async def test_one_version_is_announced_once(members: Members) -> None:
    async def work(tx: Tx) -> None:
        await tx.insert("kettles", Kettle(kettle_id="k4", litres=0))
        tx.emit(joined("k4"), subject="k4", sequence=1)
        tx.emit(of(MemberUpdated), subject="k4", sequence=1)

    with pytest.raises(ValueError, match="version 1 of k4 is announced twice"):
        await members.app.run(work)
    assert await members.db.kettles.find_one({"_id": "k4"}) is None


async def test_an_error_leaves_nothing(members: Members) -> None:
    before = await members.dump()

    async def work(tx: Tx) -> None:
        await tx.insert("kettles", Kettle(kettle_id="k5", litres=0))
        tx.emit(joined("k5"), subject="k5", sequence=1)
        await tx.flush()
        raise errors.FailedPrecondition

    with pytest.raises(errors.FailedPrecondition):
        await members.app.run(work)
    assert await members.dump() == before


# -- again and again -----------------------------------------------------------------------------------------------
async def test_two_that_change_the_same_both_happen(members: Members) -> None:
    await members.app.run(lambda tx: tx.insert("kettles", Kettle(kettle_id="k6", litres=0)))
    runs = 0

    async def add(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        kettle = await tx.find("kettles", {"_id": "k6"}, Kettle)
        assert kettle
        await asyncio.sleep(0.01)
        await tx.save("kettles", msgspec.structs.replace(kettle, litres=kettle.litres + 1))

    await asyncio.gather(*(members.app.run(add) for _ in range(8)))
    kettle = await Tx(members.db, None).find("kettles", {"_id": "k6"}, Kettle)
    assert kettle
    assert (kettle.litres, kettle.version) == (8, 9)
    assert runs > 8  # some had to begin anew


@pytest.fixture
def in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction is committed, and then run again as if the commit's result had stayed unknown."""

    async def twice(client: Any, body: Callable[[Any], Awaitable[Any]], *, give_up_after: float) -> Any:
        await mongo.run_transaction(client, body, give_up_after=give_up_after)
        return await mongo.run_transaction(client, body, give_up_after=give_up_after)

    monkeypatch.setattr(chassis_app, "run_transaction", twice)


async def test_a_commit_in_doubt_is_made_good_without_a_second_effect(members: Members, in_doubt: None) -> None:
    coordinator = await _coordinator(members)
    account = await members("CreateAccount", account={"email": "doubt@wasl.example", "password": PASSWORD})
    session = await members("SignIn", email=account.email, password=PASSWORD)
    amal = Who(account.account_id, account.email, session.access_token)
    session = await members("RefreshSession", refresh_token=session.refresh_token)
    draft = await members("CreateApplication", by=amal, application={"organization": SCHOOL})
    changed = {"application_id": draft.application_id, "person": PERSON}
    updated = await members("UpdateApplication", by=amal, application=changed)
    submitted = await members("SubmitApplication", by=amal, **id_of(draft))
    approved = await members("ApproveApplication", by=coordinator, **id_of(draft), etag=submitted.etag)
    person = {"person_id": approved.member_id, "profile": PERSON, "etag": "1"}
    assert (await members("UpdatePerson", by=amal, person=person)).etag == "2"
    await members("SignOut", refresh_token=session.refresh_token)

    assert [one.etag for one in (draft, updated, submitted, approved)] == ["1", "2", "3", "4"]
    assert await members.announced(draft.application_id) == [("application.submitted", 3), ("application.approved", 4)]
    assert await members.announced(approved.member_id) == [("member.joined", 1), ("member.updated", 2)]
    assert await members.db.sessions.count_documents({"account_id": amal.account_id}) == 1
    assert await members.db.people.count_documents({"account_id": amal.account_id}) == 1


async def _coordinator(members: Members) -> Who:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chassis_app, "run_transaction", mongo.run_transaction)
        return await members.account("coordinator")


async def test_a_refusal_is_not_remembered_under_its_request_id(members: Members) -> None:
    amal = await members.account()
    draft = await members.draft(amal)
    request_id = NO_ID.replace("8000", "8001")
    fields: dict[str, Any] = {**id_of(draft), "request_id": request_id}
    assert (await refusal(members("SubmitApplication", by=amal, **fields, etag="7"))).reason == "VERSION_CONFLICT"
    assert (await members("SubmitApplication", by=amal, **fields)).etag == "2"


# -- what is no duplicate ------------------------------------------------------------------------------------------
async def test_only_a_taken_key_counts_as_met_before(members: Members) -> None:
    """An event whose mark the database refuses for any other reason has had no effect, and must not be acked."""
    event = events.decode(
        events.encode(events.document(joined("m1"), event_id="e1", subject="m1", sequence=1, time=NOW))
    )
    effects: list[str] = []

    async def handle(tx: Tx, event: events.Event) -> None:
        effects.append(event.id)

    async def apply() -> Exception | None:
        (outcome,) = await inbox.apply(members.app.client, members.db, "h", [event], handle)
        return outcome

    async def refuse(**rule: Any) -> None:
        for name in ("inbox", "kettles"):
            await members.db.command("collMod", name, validator=rule)

    await mongo.ensure_collections(members.db, "inbox", "kettles")
    await refuse(never={"$exists": True})
    try:
        assert isinstance(await apply(), BulkWriteError)
        with pytest.raises(WriteError):
            await members.app.run(lambda tx: tx.insert("kettles", Kettle(kettle_id="k9", litres=1)))
    finally:
        await refuse()
    assert effects == []
    assert [await apply(), await apply()] == [None, None]
    assert effects == ["e1"]


# -- views ---------------------------------------------------------------------------------------------------------
async def test_a_view_keeps_the_newer_in_whatever_order_they_come(members: Members) -> None:
    await views.ensure(members.db, "shown")
    for number, order in enumerate(itertools.permutations([1, 2, 3])):
        for version in (*order, order[0]):  # the first once more
            row = {"name": f"v{version}", "odd": {"$set": "$name", "list": ["$$ROOT"]}}
            await members.app.run(_show(f"r{number}", version, row))
    rows = await members.db["shown.1"].find().to_list(None)
    assert len(rows) == 6
    assert {(row["version"], row["name"]) for row in rows} == {(3, "v3")}
    assert rows[0]["odd"] == {"$set": "$name", "list": ["$$ROOT"]}  # values are values, not operators


async def test_many_at_once_make_one_row(members: Members) -> None:
    await views.ensure(members.db, "crowd")
    await asyncio.gather(*(_show_until_done(members, version) for version in range(1, 21)))
    assert [row["version"] for row in await members.db["crowd.1"].find().to_list(None)] == [20]


async def _show_until_done(members: Members, version: int) -> None:
    while True:
        try:
            await members.app.run(_show("one", version, {}, "crowd"))
        except errors.Aborted:  # as a consumer would try again
            continue
        return


def _show(key: str, version: int, row: dict[str, Any], view: str = "shown") -> Callable[[Tx], Awaitable[None]]:
    async def show(tx: Tx) -> None:
        tx.upsert_newer(view, key, version, row)

    return show
