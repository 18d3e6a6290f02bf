"""Convenings, registrations and calendars over gRPC: their stories, their races, and what they refuse."""

import asyncio
import datetime
import pathlib
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import pytest_asyncio

from chassis import timers
from chassis.call import Caller
from chassis.servers import Process, free_port
from chassis.tx import Tx
from services.events import store
from services.events.model import Convening, ConveningInOtherState
from services.events.registrations import RegistrationState
from services.events.usecases import seats
from services.events.worker import EventsWorker
from tests.support import (
    NO_ID,
    PERSON,
    REASON,
    SCHOOL,
    Members,
    Service,
    Who,
    all_at_once,
    deliver,
    environment,
    events_service,
    members_service,
    refusal,
    relayed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAMASCUS = ZoneInfo("Asia/Damascus")
TITLE = {"ar": "ورشة تدريب معلمي العلوم في إدلب", "en": "Workshop for science teachers in Idleb"}


def seconds(*when: int) -> dict[str, int]:
    """A moment in Damascus."""
    return {"seconds": int(datetime.datetime(*when, tzinfo=DAMASCUS).timestamp())}  # type: ignore[misc,arg-type]


SESSION = {"start_time": seconds(2027, 1, 15, 10), "end_time": seconds(2027, 1, 15, 12)}
CONVENING = {
    "kind": "WORKSHOP",
    "title": TITLE,
    "sessions": [SESSION],
    "time_zone": "Asia/Damascus",
    "place_code": "SY0700",
    "online_uri": "https://meet.example/secret-room",
    "capacity": 2,
    "audience": "EVERYBODY",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def events(mongo_uri: str, members: Members) -> AsyncIterator[Service]:
    async with events_service(mongo_uri, members) as service:
        yield service


class Organizer:
    """An organization that the events service knows, and who acts for it."""

    def __init__(self, events: Service, who: Who, member_id: str) -> None:
        self.events, self.who, self.member_id = events, who, member_id

    async def __call__(self, rpc: str, **fields: Any) -> Any:
        return await self.events(rpc, by=self.who, **fields)

    async def draft(self, **changed: Any) -> Any:
        convening = {**CONVENING, **changed}
        return await self("CreateConvening", convening=convening, organization_id=self.member_id)

    async def published(self, **changed: Any) -> Any:
        draft = await self.draft(**changed)
        return await self("PublishConvening", convening_id=draft.convening_id)

    async def seats_taken(self, convening: Any) -> int:
        return int((await self.events.db.seats.find_one({"_id": convening.convening_id}))["taken"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def organizer(members: Members, events: Service) -> Organizer:
    coordinator, who = await members.account("coordinator"), await members.account("member")
    submitted = await members.submitted(who, organization=SCHOOL)
    approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
    await deliver(events, EventsWorker, *await relayed(members))
    return Organizer(events, who, approved.member_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(members: Members) -> list[Who]:
    return [await members.account() for _ in range(4)]


async def register(events: Service, by: Who, convening: Any) -> Any:
    return await events("CreateRegistration", by=by, registration={"convening_id": convening.convening_id})


async def states(events: Service, organizer: Organizer, convening: Any) -> list[str]:
    listed = await organizer("ListRegistrations", convening_id=convening.convening_id, page_size=200)
    return [type(one).State.Name(one.state) for one in listed.registrations]


async def let_time_pass(events: Service) -> None:
    """Fires every timer of a seat as if its time had come."""
    async for found in events.db.timers.find({"name": "seat_lapses"}):
        taken = await events.db.timers.find_one_and_delete({"_id": found["_id"]})
        assert taken

        async def lapse(tx: Tx, *, registration_id: str = taken["subject"]) -> None:
            await seats.lapse_seat(tx, registration_id=registration_id)

        await events.app.run(lapse)


# -- the story -----------------------------------------------------------------------------------------------------
async def test_a_freed_seat_goes_to_who_waited_longest_and_on_when_it_is_not_accepted(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published()
    a, b, c, d = [await register(events, one, convening) for one in people]
    assert [one.entry for one in (a, b, c, d)] == [1, 2, 3, 4]
    assert await states(events, organizer, convening) == ["ADMITTED", "ADMITTED", "WAITING", "WAITING"]
    await events("WithdrawRegistration", by=people[1], registration_id=b.registration_id)
    assert await states(events, organizer, convening) == ["ADMITTED", "WITHDRAWN", "OFFERED", "WAITING"]
    offered = await events("GetRegistration", by=people[2], registration_id=c.registration_id)
    assert offered.HasField("accept_by_time")
    await let_time_pass(events)
    assert await states(events, organizer, convening) == ["ADMITTED", "WITHDRAWN", "LAPSED", "OFFERED"]
    accepted = await events("AcceptRegistration", by=people[3], registration_id=d.registration_id)
    assert accepted.state == accepted.ADMITTED
    assert await organizer.seats_taken(convening) == 2
    assert await events.db.timers.count_documents({"name": "seat_lapses"}) == 0
    late = await refusal(events("AcceptRegistration", by=people[2], registration_id=c.registration_id, language="ar"))
    assert (late.code, late.reason) == ("FAILED_PRECONDITION", "REGISTRATION_IN_OTHER_STATE")
    again = await register(events, people[1], convening)
    assert (again.state, again.entry) == (again.WAITING, 5)
    told = await events.db.outbox.find({"subject": d.registration_id}).sort("at", 1).to_list(None)
    assert [one["type"].split(".")[4] for one in told] == ["queued", "offered", "admitted"]


async def test_a_worker_lets_a_seat_lapse_at_its_time_and_offers_it_to_the_next(
    events: Service, organizer: Organizer, people: list[Who], mongo_uri: str, amqp_uri: str, tmp_path: pathlib.Path
) -> None:
    convening = await organizer.published(accept_seconds=2)
    _, b, c, d = [await register(events, one, convening) for one in people]
    known = environment(mongo_uri, events.db.name, tmp_path, amqp_uri=amqp_uri, http_port=str(free_port()))
    worker = Process([sys.executable, "-m", "services.events", "worker"], tmp_path / "worker.log", known)
    worker.start()
    try:
        await events("WithdrawRegistration", by=people[1], registration_id=b.registration_id)
        offered = await events("GetRegistration", by=people[2], registration_id=c.registration_id)
        for_a_day = {"convening_id": convening.convening_id, "accept_seconds": 0}  # the next one may be slow to accept
        await organizer("UpdateConvening", convening=for_a_day, update_mask={"paths": ["accept_seconds"]})
        deadline = time.monotonic() + 60
        while await states(events, organizer, convening) == ["ADMITTED", "WITHDRAWN", "OFFERED", "WAITING"]:
            assert worker.running, worker.output()
            assert time.monotonic() < deadline, worker.output()
            await asyncio.sleep(0.05)
        accepted = await events("AcceptRegistration", by=people[3], registration_id=d.registration_id)
    finally:
        worker.kill()
    assert accepted.update_time.ToDatetime() >= offered.accept_by_time.ToDatetime()
    assert await states(events, organizer, convening) == ["ADMITTED", "WITHDRAWN", "LAPSED", "ADMITTED"]
    assert await organizer.seats_taken(convening) == 2
    assert await events.db.timers.count_documents({"name": "seat_lapses"}) == 0


async def test_the_organizer_decides_where_it_is_asked_for(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published(capacity=1, approval_required=True)
    made = [await register(events, one, convening) for one in people[:3]]
    assert await states(events, organizer, convening) == ["REQUESTED"] * 3
    refused = await refusal(events("ApproveRegistration", by=people[0], registration_id=made[0].registration_id))
    assert refused.reason == "NOT_ACTING_FOR"
    for one in made[:2]:
        await organizer("ApproveRegistration", registration_id=one.registration_id)
    await organizer("DeclineRegistration", registration_id=made[2].registration_id)
    assert await states(events, organizer, convening) == ["ADMITTED", "WAITING", "DECLINED"]
    grown = {"convening_id": convening.convening_id, "capacity": 2}
    await organizer("UpdateConvening", convening=grown, update_mask={"paths": ["capacity"]})
    assert await states(events, organizer, convening) == ["ADMITTED", "OFFERED", "DECLINED"]
    shrunk = {"convening_id": convening.convening_id, "capacity": 1}
    refused = await refusal(organizer("UpdateConvening", convening=shrunk, update_mask={"paths": ["capacity"]}))
    assert (refused.code, refused.violations) == ("FAILED_PRECONDITION", {"convening.capacity": "BELOW_SEATS_TAKEN"})


# -- races ---------------------------------------------------------------------------------------------------------
async def test_200_at_once_fill_the_seats_exactly_and_the_rest_wait_in_order(
    mongo_uri: str, members: Members, events: Service, organizer: Organizer
) -> None:
    """At two apis, which know nothing of each other; nobody is told to try again."""
    convening = await organizer.published(capacity=5)
    crowd = [await members.account() for _ in range(200)]
    async with events_service(mongo_uri, members, database=events.db.name) as second:
        calls = [register((events, second)[number % 2], one, convening) for number, one in enumerate(crowd)]
        made, refused = await all_at_once(calls)
    assert refused == []
    by_entry = sorted(made, key=lambda one: one.entry)
    assert [one.entry for one in by_entry] == list(range(1, 201))
    assert [one.state for one in by_entry] == [made[0].ADMITTED] * 5 + [made[0].WAITING] * 195
    assert await organizer.seats_taken(convening) == 5
    leaving = {one.account_id: one for one in by_entry[:3]}
    whose = {one.account_id: one for one in crowd}
    await asyncio.gather(
        *(
            events("WithdrawRegistration", by=whose[key], registration_id=one.registration_id)
            for key, one in leaving.items()
        )
    )
    now = await states(events, organizer, convening)
    assert (now[:3], now[3:5], now[5:8]) == (["WITHDRAWN"] * 3, ["ADMITTED"] * 2, ["OFFERED"] * 3)
    assert set(now[8:]) == {"WAITING"}
    assert await organizer.seats_taken(convening) == 5


async def lapse_in_time(events: Service, registration_id: str) -> None:
    """As the timekeeper does it: the timer's end and its effect, or neither."""

    async def body(tx: Tx) -> None:
        timer = {"_id": timers.key(store.SEAT_LAPSES, registration_id)}
        if await tx.db.timers.find_one_and_delete(timer, session=tx.session):
            await seats.lapse_seat(tx, registration_id=registration_id)

    await events.app.run(body)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_at_once_nobody_is_overtaken_and_the_seats_are_never_more(
    members: Members, events: Service, organizer: Organizer, seed: int
) -> None:
    """People come, go, accept and let time pass while the capacity changes, in waves; counted after each."""
    chance = random.Random(seed)
    convening = await organizer.published(capacity=3)
    newcomers = [await members.account() for _ in range(40)]
    crowd = {who.account_id: who for who in newcomers}
    asked = {"convening_id": convening.convening_id}

    async def listed(*names: str) -> list[Any]:
        found = (await organizer("ListRegistrations", **asked, page_size=200)).registrations
        return [one for one in found if not names or type(one).State.Name(one.state) in names]

    def step(live: list[Any], offered: list[Any]) -> Awaitable[Any]:
        what = chance.choice(["come", "come", "go", "accept", "lapse", "resize"])
        if what == "resize":
            changed = {**asked, "capacity": chance.randint(1, 8)}
            return organizer("UpdateConvening", convening=changed, update_mask={"paths": ["capacity"]})
        one = chance.choice((live if what == "go" else offered) or [None])
        if what == "come" or one is None:
            return register(events, newcomers.pop(), convening) if newcomers else asyncio.sleep(0)
        if what == "lapse":
            return lapse_in_time(events, one.registration_id)
        rpc = "WithdrawRegistration" if what == "go" else "AcceptRegistration"
        return events(rpc, by=crowd[one.account_id], registration_id=one.registration_id)

    faster = {"REGISTRATION_IN_OTHER_STATE", "VERSION_CONFLICT", "BELOW_SEATS_TAKEN"}
    for _ in range(8):
        live, offered = await listed("WAITING", "OFFERED", "ADMITTED"), await listed("OFFERED")
        _, refused = await all_at_once([step(live, offered) for _ in range(8)])
        assert {one.reason for one in refused} <= faster
        seated, waiting = await listed("OFFERED", "ADMITTED"), await listed("WAITING")
        capacity = (await organizer("GetConvening", **asked)).capacity
        assert len(seated) == await organizer.seats_taken(convening) <= capacity
        assert len(seated) == capacity or not waiting
        assert max([one.entry for one in seated], default=0) < min([one.entry for one in waiting], default=99)
        assert sorted(one.entry for one in await listed()) == list(range(1, len(await listed()) + 1))


async def while_registering(events: Service, by: Who, convening: Any, meanwhile: Callable[[], Awaitable[Any]]) -> Any:
    """Registers, but `meanwhile` is done and committed after the registration has seen the convening."""
    began = 0

    async def body(tx: Tx) -> Any:
        nonlocal began
        began += 1
        await store.get(tx, Convening, convening.convening_id)
        if began == 1:
            await meanwhile()
        asked = {"convening_id": convening.convening_id}
        return await seats.create_registration(tx, registration=asked, by=Caller(by.account_id))

    return await events.app.run(body)


async def test_who_registers_while_it_is_cancelled_has_no_seat(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published()
    with pytest.raises(ConveningInOtherState):
        await while_registering(
            events,
            people[0],
            convening,
            lambda: organizer("CancelConvening", convening_id=convening.convening_id, cancel_reason=REASON),
        )
    assert await states(events, organizer, convening) == []


async def test_who_registers_while_the_capacity_sinks_waits(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published(capacity=5)
    await register(events, people[0], convening)
    smaller = {"convening_id": convening.convening_id, "capacity": 1}
    made = await while_registering(
        events,
        people[1],
        convening,
        lambda: organizer("UpdateConvening", convening=smaller, update_mask={"paths": ["capacity"]}),
    )
    assert made.state == RegistrationState.WAITING
    assert await organizer.seats_taken(convening) == 1


async def test_an_offer_means_nothing_once_it_is_cancelled(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published(capacity=1)
    first, second = [await register(events, one, convening) for one in people[:2]]
    await events("WithdrawRegistration", by=people[0], registration_id=first.registration_id)
    await organizer("CancelConvening", convening_id=convening.convening_id, cancel_reason=REASON)
    before = await events.announced(second.registration_id)
    await let_time_pass(events)
    accepted = events("AcceptRegistration", by=people[1], registration_id=second.registration_id)
    assert (await refusal(accepted)).reason == "CONVENING_IN_OTHER_STATE"
    for change in (
        events("WithdrawRegistration", by=people[1], registration_id=second.registration_id),
        organizer("DeclineRegistration", registration_id=second.registration_id),
    ):
        assert (await refusal(change)).reason == "CONVENING_IN_OTHER_STATE"
    assert await states(events, organizer, convening) == ["WITHDRAWN", "OFFERED"]
    assert await events.announced(second.registration_id) == before


async def test_who_has_registered_goes_on_seeing_what_is_for_members_from_then_on(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published(capacity=1)
    for who in people[:2]:
        await register(events, who, convening)
    changed = {"convening_id": convening.convening_id, "audience": "MEMBERS"}
    await organizer("UpdateConvening", convening=changed, update_mask={"paths": ["audience"]})
    seen = [await events("GetConvening", by=who, convening_id=convening.convening_id) for who in people[:2]]
    assert [bool(one.online_uri) for one in seen] == [True, False], "who waits has no seat yet"
    refused = await refusal(events("GetConvening", by=people[2], convening_id=convening.convening_id))
    assert refused.reason == "CONVENING_NOT_FOUND"


async def test_a_seat_that_was_freed_after_the_beginning_is_the_first_ones_when_the_beginning_moves(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published(capacity=1, sessions=[day(1), day(2)])
    first, second = [await register(events, one, convening) for one in people[:2]]
    begun = {"sessions.0.start_time": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}
    await events.db.convenings.update_one({"_id": convening.convening_id}, {"$set": begun})
    await events("WithdrawRegistration", by=people[0], registration_id=first.registration_id)
    assert await states(events, organizer, convening) == ["WITHDRAWN", "WAITING"]
    later = {"convening_id": convening.convening_id, "sessions": [day(2)]}
    await organizer("UpdateConvening", convening=later)
    await register(events, people[2], convening)
    assert await states(events, organizer, convening) == ["WITHDRAWN", "OFFERED", "WAITING"]
    await events.db.convenings.update_one({"_id": convening.convening_id}, {"$set": begun})
    accepted = events("AcceptRegistration", by=people[1], registration_id=second.registration_id)
    assert (await refusal(accepted)).reason == "CONVENING_BEGUN"


async def test_nobody_registers_twice(events: Service, organizer: Organizer, people: list[Who]) -> None:
    convening = await organizer.published(capacity=9)
    made, refused = await all_at_once([register(events, people[0], convening) for _ in range(10)])
    assert len(made) == 1
    assert {one.reason for one in refused} <= {"REGISTRATION_EXISTS", "ABORTED"}
    assert await organizer.seats_taken(convening) == 1


# -- calendars -----------------------------------------------------------------------------------------------------
async def calendar(events: Service, convening: Any, by: Who | None = None, language: str = "en") -> Any:
    asked = {"by": by} if by else {}
    body = await events(
        "GetConveningCalendar",
        convening_id=convening.convening_id,
        language=language,
        **asked,  # type: ignore[arg-type]
    )
    assert body.content_type == "text/calendar; charset=utf-8"
    assert all(len(line) <= 75 for line in body.data.split(b"\r\n"))
    body.data.decode()  # no character is cut
    (event,) = icalendar.Calendar.from_ical(body.data).walk("VEVENT")
    return event


async def test_a_move_and_a_cancellation_replace_what_is_in_calendars(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published()
    first = await calendar(events, convening)
    assert (first["sequence"], first["status"]) == (0, "CONFIRMED")
    assert first.decoded("dtstart").astimezone(datetime.UTC).hour == 7
    assert "url" not in first
    hour_later = [{"start_time": seconds(2027, 1, 15, 11), "end_time": seconds(2027, 1, 15, 13)}]
    changed = {"convening_id": convening.convening_id, "sessions": hour_later}
    await organizer("UpdateConvening", convening=changed, update_mask={"paths": ["sessions"]})
    moved = await calendar(events, convening)
    assert (moved["uid"], moved["sequence"]) == (first["uid"], 1)
    assert moved.decoded("dtstart") - first.decoded("dtstart") == datetime.timedelta(hours=1)
    await organizer("CancelConvening", convening_id=convening.convening_id, cancel_reason=REASON)
    cancelled = await calendar(events, convening)
    assert (cancelled["uid"], cancelled["sequence"], cancelled["status"]) == (first["uid"], 2, "CANCELLED")
    refused = await refusal(register(events, people[0], convening))
    assert refused.reason == "CONVENING_IN_OTHER_STATE"


def day(number: int) -> dict[str, Any]:
    """A session on that day of February."""
    return {"start_time": seconds(2027, 2, number, 10), "end_time": seconds(2027, 2, number, 12)}


async def told(events: Service, convening: Any) -> dict[str, tuple[int, int, str]]:
    """What its calendar says of each UID, without the convening's id: the day, SEQUENCE and STATUS."""
    body = await events("GetConveningCalendar", convening_id=convening.convening_id)
    found: list[Any] = icalendar.Calendar.from_ical(body.data).walk("VEVENT")
    return {
        str(one["uid"]).removeprefix(convening.convening_id): (one.start.day, one["sequence"], str(one["status"]))
        for one in found
    }


@pytest.mark.parametrize("named", [False, True])
async def test_a_session_that_is_taken_out_is_cancelled_in_calendars_and_the_others_keep_their_uid(
    events: Service, organizer: Organizer, named: bool
) -> None:
    convening = await organizer.published(sessions=[day(1), day(2), day(3)])
    assert await told(events, convening) == {
        "@wasl": (1, 0, "CONFIRMED"),
        ".2@wasl": (2, 0, "CONFIRMED"),
        ".3@wasl": (3, 0, "CONFIRMED"),
    }
    kept: list[Any] = list(convening.sessions[1:]) if named else [day(2), day(3)]
    changed = {"convening_id": convening.convening_id, "sessions": kept}
    after = await organizer("UpdateConvening", convening=changed, update_mask={"paths": ["sessions"]})
    assert list(after.sessions) == list(convening.sessions)[1:]
    assert await told(events, convening) == {
        "@wasl": (1, 1, "CANCELLED"),
        ".2@wasl": (2, 1, "CONFIRMED"),
        ".3@wasl": (3, 1, "CONFIRMED"),
    }
    changed["sessions"] = [*after.sessions, day(4)]
    assert (await organizer("UpdateConvening", convening=changed)).sessions[2].session_id.endswith(".4")
    assert set(await told(events, convening)) == {"@wasl", ".2@wasl", ".3@wasl", ".4@wasl"}
    changed["sessions"] = [{**day(5), "session_id": convening.sessions[0].session_id}]
    refused = await refusal(organizer("UpdateConvening", convening=changed))
    assert refused.violations == {"convening.sessions[0].session_id": "SESSION_UNKNOWN"}
    draft = {"convening": {**CONVENING, "sessions": changed["sessions"]}, "organization_id": organizer.member_id}
    refused = await refusal(organizer("CreateConvening", **draft))
    assert refused.violations == {"convening.sessions[0].session_id": "SESSION_UNKNOWN"}


async def test_sessions_that_were_stored_without_an_identity_keep_the_uid_of_their_position(
    events: Service, organizer: Organizer
) -> None:
    convening = await organizer.published(sessions=[day(1), day(2)])
    before = await told(events, convening)
    without = {"$unset": {"sessions.$[].session_id": "", "removed_sessions": ""}}
    await events.db.convenings.update_one({"_id": convening.convening_id}, without)
    assert await told(events, convening) == before
    seen = await events("GetConvening", convening_id=convening.convening_id)
    assert seen.sessions == convening.sessions
    changed = {"convening_id": convening.convening_id, "sessions": [day(2)]}
    await organizer("UpdateConvening", convening=changed)
    assert await told(events, convening) == {"@wasl": (1, 1, "CANCELLED"), ".2@wasl": (2, 1, "CONFIRMED")}


async def test_a_published_convening_is_not_moved_into_the_past_and_what_has_begun_blocks_nothing_else(
    events: Service, organizer: Organizer
) -> None:
    convening = await organizer.published(sessions=[day(1), day(2)])
    past = {"start_time": seconds(2020, 1, 15, 10), "end_time": seconds(2020, 1, 15, 12)}
    asked = {"convening_id": convening.convening_id}
    for sessions in ([past], [past, day(2)]):
        refused = await refusal(organizer("UpdateConvening", convening={**asked, "sessions": sessions}))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "TIME_PASSED")
        assert list(refused.violations) == ["convening.sessions[0].start_time"]
    begun = {name: datetime.datetime.fromtimestamp(at["seconds"], datetime.UTC) for name, at in past.items()}
    changed = {"$set": {f"sessions.0.{name}": at for name, at in begun.items()}}
    await events.db.convenings.update_one({"_id": convening.convening_id}, changed)
    await organizer("UpdateConvening", convening={**asked, "title": {"en": "As it goes on"}})
    for sessions in ([past, day(2)], [past, day(3)], [past, day(3), day(4)]):
        await organizer("UpdateConvening", convening={**asked, "sessions": sessions})
    draft = await organizer.draft(sessions=[past])  # may say what it likes, until it is published
    refused = await refusal(organizer("PublishConvening", convening_id=draft.convening_id))
    assert refused.violations == {"convening.sessions[0].start_time": "TIME_PASSED"}


async def test_ten_in_damascus_is_seven_by_utc_in_winter_and_summer(events: Service, organizer: Organizer) -> None:
    for month in (1, 7):
        session = {"start_time": seconds(2027, month, 15, 10), "end_time": seconds(2027, month, 15, 12)}
        event = await calendar(events, await organizer.published(sessions=[session]))
        assert event["dtstart"].params["TZID"] == "Asia/Damascus"
        assert event.decoded("dtstart").astimezone(datetime.UTC).hour == 7


async def test_a_long_arabic_title_is_folded_between_characters(events: Service, organizer: Organizer) -> None:
    title = "ورشة عمل في بناء قدرات معلمات رياض الأطفال في المخيمات والقرى كلها"
    assert len(title) >= 64
    event = await calendar(events, await organizer.published(title={"ar": title}), language="ar")
    assert event["summary"] == title


async def test_a_feed_has_what_its_account_has_a_seat_at_until_it_is_revoked(
    events: Service, organizer: Organizer, members: Members
) -> None:
    amal, other = await members.account(), await members.account()
    convening = await organizer.published()
    await register(events, amal, convening)
    feed = await events("IssueCalendarFeed", by=amal, label="my phone")
    body = await events("GetCalendar", token=feed.token)
    (event,) = icalendar.Calendar.from_ical(body.data).walk("VEVENT")
    assert str(event["uid"]).startswith(convening.convening_id)
    assert feed.token not in str(await events.dump())
    (known,) = (await events("ListCalendarFeeds", by=amal)).calendar_feeds
    full = await organizer.published(capacity=1)
    holder = await register(events, other, full)
    await register(events, amal, full)
    await events("WithdrawRegistration", by=other, registration_id=holder.registration_id)
    assert await states(events, organizer, full) == ["WITHDRAWN", "OFFERED"]
    assert full.convening_id not in (await events("GetCalendar", token=feed.token)).data.decode()
    assert (known.calendar_feed_id, known.label, known.token) == (feed.calendar_feed_id, "my phone", "")
    assert list((await events("ListCalendarFeeds", by=other)).calendar_feeds) == []
    hidden = await refusal(events("RevokeCalendarFeed", by=other, calendar_feed_id=feed.calendar_feed_id))
    assert hidden.reason == "CALENDAR_NOT_FOUND"
    await events("RevokeCalendarFeed", by=amal, calendar_feed_id=feed.calendar_feed_id)
    assert (await refusal(events("GetCalendar", token=feed.token))).code == "NOT_FOUND"


# -- who sees what -------------------------------------------------------------------------------------------------
async def test_where_to_join_online_is_for_those_with_a_seat(
    events: Service, organizer: Organizer, people: list[Who]
) -> None:
    convening = await organizer.published(capacity=1)
    await register(events, people[0], convening)
    await register(events, people[1], convening)
    address = CONVENING["online_uri"]
    for who, seen in ((people[0], address), (people[1], ""), (people[2], ""), (organizer.who, address)):
        found = await events("GetConvening", by=who, convening_id=convening.convening_id)
        assert found.online_uri == seen
    listed = await events("ListConvenings", page_size=200)
    assert {one.online_uri for one in listed.convenings} == {""}
    assert "secret-room" not in str(await events.db.outbox.find().to_list(None))


async def test_drafts_and_members_convenings_are_not_for_everybody(
    members: Members, events: Service, organizer: Organizer, people: list[Who]
) -> None:
    draft, inside = await organizer.draft(), await organizer.published(audience="MEMBERS")
    member = await members.account("member")
    for one, who, seen in (
        (draft, people[0], False),
        (draft, member, False),
        (draft, organizer.who, True),
        (inside, people[0], False),
        (inside, member, True),
    ):
        if seen:
            assert await events("GetConvening", by=who, convening_id=one.convening_id)
        else:
            refused = await refusal(events("GetConvening", by=who, convening_id=one.convening_id))
            assert refused.reason == "CONVENING_NOT_FOUND"
    assert (await refusal(register(events, people[0], inside))).reason == "MEMBERS_ONLY"
    assert (await refusal(register(events, member, draft))).reason == "CONVENING_NOT_FOUND"
    ids = {one.convening_id for one in (await events("ListConvenings", page_size=200)).convenings}
    assert ids.isdisjoint({draft.convening_id, inside.convening_id})


async def test_convenings_are_found_by_words_in_any_spelling(events: Service, organizer: Organizer) -> None:
    convening = await organizer.published(title={"ar": "ندوة في الحسكة", "en": "Seminar in Al-Hasakeh"})
    for query in ("الحسكه", "Hasakah", "ندوات", "seminars"):
        listed = await events("ListConvenings", query=query, page_size=200)
        assert convening.convening_id in {one.convening_id for one in listed.convenings}, query


async def test_convenings_of_a_time_come_by_their_first_session(events: Service, organizer: Organizer) -> None:
    def on(*days: int) -> list[dict[str, Any]]:
        """Sessions from ten to twelve on these days of March."""
        return [{"start_time": seconds(2031, 3, day, 10), "end_time": seconds(2031, 3, day, 12)} for day in days]

    made = [await organizer.published(sessions=on(*days), kind="COURSE") for days in ((5,), (1, 9), (3,), (3,), (7,))]
    name = {one.convening_id: number for number, one in enumerate(made)}

    async def listed(**asked: Any) -> list[int]:
        found = await events("ListConvenings", kind="COURSE", **asked)
        numbers = [name[one.convening_id] for one in found.convenings if one.convening_id in name]
        assert found.total_size >= len(numbers)
        if found.next_page_token:
            return numbers + await listed(**{**asked, "page_token": found.next_page_token})
        return numbers

    march: dict[str, Any] = {"from_time": seconds(2031, 3, 1), "until_time": seconds(2031, 4, 1)}
    for page_size in (1, 2, 3, 50):
        assert await listed(**march, page_size=page_size) == [1, 2, 3, 0, 4]
    assert await listed(from_time=seconds(2031, 3, 6)) == [1, 4]
    assert await listed(from_time=seconds(2031, 3, 5, 12)) == [1, 4]  # the one that ends just then is over
    assert await listed(from_time=seconds(2031, 3, 5, 11)) == [1, 0, 4]
    assert await listed(from_time=seconds(2031, 2, 1), until_time=seconds(2031, 3, 3, 10)) == [1]
    between = {"from_time": seconds(2031, 3, 6), "until_time": seconds(2031, 3, 7)}
    assert await listed(**between) == []  # what has a session before and one after has none then
    assert (await listed(until_time=seconds(2031, 3, 4)))[-3:] == [1, 2, 3]
    assert await listed(page_size=200) == [4, 3, 2, 1, 0]  # no time: newest first
    token = (await events("ListConvenings", page_size=1)).next_page_token
    refused = await refusal(events("ListConvenings", **march, page_token=token))
    assert refused.violations == {"page_token": "BAD_PAGE_TOKEN"}


async def test_a_search_by_time_goes_by_an_index(events: Service, organizer: Organizer) -> None:
    await organizer.published()
    now = datetime.datetime.now(datetime.UTC)
    during = {"end_time": {"$gt": now}, "start_time": {"$lt": now + datetime.timedelta(days=31)}}
    told = await events.db.convenings.find({"$and": [{"sessions": {"$elemMatch": during}}]}).explain()
    assert "sessions.end_time_1_sessions.start_time_1" in str(told["queryPlanner"]["winningPlan"])


async def test_an_organizer_sees_who_of_the_network_comes_and_finds_his_own_registration(
    members: Members, events: Service, organizer: Organizer, people: list[Who]
) -> None:
    coordinator, amal = await members.account("coordinator"), await members.account("member")
    submitted = await members.submitted(amal, person=PERSON)
    approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
    await deliver(events, EventsWorker, *await relayed(members))
    first, second = await organizer.published(capacity=9), await organizer.published()
    for who in (people[0], amal, organizer.who):
        await register(events, who, first)
    await register(events, organizer.who, second)
    listed = await organizer("ListRegistrations", convening_id=first.convening_id)
    assert [one.participant_id for one in listed.registrations] == ["", approved.member_id, ""]
    (own,) = (await organizer("ListRegistrations", convening_id=first.convening_id, own=True)).registrations
    assert own.account_id == organizer.who.account_id
    mine = [one.convening_id for one in (await organizer("ListRegistrations", own=True)).registrations]
    assert mine[:2] == [second.convening_id, first.convening_id]
    seen = await events("ListRegistrations", by=people[0], convening_id=first.convening_id)
    assert [one.account_id for one in seen.registrations] == [people[0].account_id]


# -- refused -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"time_zone": "Syria/Idleb"}, "convening.time_zone", "TIME_ZONE_UNKNOWN"),
        ({"sessions": []}, "convening.sessions", "REPEATED_MIN_ITEMS"),
        ({"sessions": [SESSION, SESSION]}, "convening.sessions", "SESSIONS_OVERLAP"),
        (
            {"sessions": [{"start_time": seconds(2027, 1, 1), "end_time": seconds(2027, 1, 1)}]},
            "convening.sessions[0].end_time",
            "ENDS_BEFORE_IT_STARTS",
        ),
        (
            {"sessions": [{**SESSION, "start_time": {"seconds": 9}}]},
            "convening.sessions[0].start_time",
            "TIME_OUT_OF_RANGE",
        ),
        (
            {"sessions": [{**SESSION, "end_time": {"seconds": 253402300799}}]},
            "convening.sessions[0].end_time",
            "TIME_OUT_OF_RANGE",
        ),
        ({"capacity": 0}, "convening.capacity", "INT32_GTE_LTE"),
        ({"online_uri": "http://meet.example"}, "convening.online_uri", "STRING_PREFIX"),
        ({"place_code": "SY0150"}, "convening.place_code", "CODE_UNKNOWN"),
        ({"title": {"en": "Fee: 20 USD"}}, "convening.title", "MONEY_REFUSED"),
        ({"kind": "KIND_UNSPECIFIED"}, "convening.kind", "REQUIRED"),
    ],
)
async def test_what_is_wrong_is_told_by_field_and_not_stored(
    events: Service, organizer: Organizer, fields: dict[str, Any], field: str, reason: str
) -> None:
    before = await events.dump()
    refused = await refusal(organizer.draft(**fields))
    assert (refused.code, refused.violations) == ("INVALID_ARGUMENT", {field: reason})
    assert await events.dump() == before


async def test_what_has_begun_takes_nobody_and_ends(events: Service, organizer: Organizer, people: list[Who]) -> None:
    past = [{"start_time": seconds(2026, 1, 15, 10), "end_time": seconds(2026, 1, 15, 12)}]
    draft = await organizer.draft(sessions=past)
    assert (await refusal(organizer("PublishConvening", convening_id=draft.convening_id))).reason == "TIME_PASSED"
    convening = await organizer.published()
    assert (await events.db.timers.find_one({"_id": f"convening_ends:{convening.convening_id}"}))["at"]
    assert timers.POLL_SECONDS <= 1
    assert (await refusal(events("GetRegistration", by=people[0], registration_id=NO_ID))).reason
