"""The portal's pages about convenings, before real services in this process, in both languages."""

import contextlib
import datetime
import html
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from services.events.worker import EventsWorker
from services.portal import app, language
from services.portal.config import Config
from tests.integration.test_convenings import Organizer, register
from tests.integration.test_portal import Text, plain
from tests.support import (
    NO_ID,
    NOBODY,
    PASSWORD,
    PERSON,
    REASON,
    SCHOOL,
    Members,
    Service,
    Who,
    deliver,
    events_service,
    members_service,
    new_uuid,
    refusal,
    relayed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
LANGUAGES = language.load()
AWAY = "127.0.0.1:1"  # nothing listens there
FIELDS = {
    "convening.kind": "WORKSHOP",
    "convening.title.ar": "ورشة الحساب",
    "convening.time_zone": "Europe/Berlin",
    "convening.sessions.0.start_time": "2027-07-15T10:00",
    "convening.sessions.0.end_time": "2027-07-15T12:00",
    "convening.sessions.1.start_time": "",
    "convening.sessions.1.end_time": "",
    "convening.capacity": "٢٠",
    "convening.audience": "EVERYBODY",
    "convening.accept_seconds": "21600",
}


class Visitor:
    """A browser of somebody who is signed in, or of nobody."""

    def __init__(self, http: httpx.AsyncClient, code: str) -> None:
        self._http, self.code, self.text = http, code, ""

    async def get(self, path: str) -> httpx.Response:
        return self._on(await self._http.get(f"/{self.code}{path}"))

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """A form or a button of the page that was seen last."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.text)
        known = {"csrf": token[1] if token else "", "request_id": new_uuid()}
        return self._on(await self._http.post(f"/{self.code}{path}", data={**known, **fields}))

    def _on(self, answer: httpx.Response) -> httpx.Response:
        self.text = answer.text
        return answer

    @property
    def said(self) -> str:
        return html.unescape(plain(self.text))

    def wrong(self) -> dict[str, str]:
        """What stands at the fields."""
        found = re.findall(r'class="wrong" id="([^"]*)-wrong">([^<]*)<', self.text)
        return {name: html.unescape(text) for name, text in found}

    def word(self, key: str) -> str:
        return str(LANGUAGES[self.code].gettext(key))


Come = Callable[..., contextlib.AbstractAsyncContextManager[Visitor]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def events(mongo_uri: str, members: Members) -> AsyncIterator[Service]:
    async with events_service(mongo_uri, members) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def organizer(members: Members, events: Service) -> Organizer:
    coordinator, who = await members.account("coordinator"), await members.account("member")
    submitted = await members.submitted(who, organization=SCHOOL)
    approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
    await deliver(events, EventsWorker, *await relayed(members))
    return Organizer(events, who, approved.member_id)


@pytest.fixture(scope="module")
def come(members: Members, events: Service) -> Come:
    """Somebody's browser, in Arabic or in the language that is named, before a portal of these services."""

    @contextlib.asynccontextmanager
    async def one(who: Who = NOBODY, code: str = "ar", **changed: Any) -> AsyncIterator[Visitor]:
        known = {"members_address": members.address, "events_address": events.address, **changed}
        application = app.application(Config(service="portal", **known))
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        cookies = {}
        if who.token:
            session = await members("SignIn", email=who.email, password=PASSWORD)
            cookies = {"wasl_access": who.token, "wasl_refresh": session.refresh_token}
        async with (
            application.router.lifespan_context(application),
            httpx.AsyncClient(
                transport=transport, base_url="http://portal", cookies=cookies, follow_redirects=True
            ) as http,
        ):
            yield Visitor(http, code)

    return one


BOTH = pytest.mark.parametrize("code", ["ar", "en"])


# -- what comes ----------------------------------------------------------------------------------------------------
@BOTH
async def test_what_comes_is_for_everybody_the_next_first(come: Come, organizer: Organizer, code: str) -> None:
    soon: dict[str, Any] = {"title": {"ar": "الأقرب", "en": "The sooner"}, "sessions": [session(2027, 1, 4)]}
    later: dict[str, Any] = {"title": {"ar": "الأبعد", "en": "The later"}, "sessions": [session(2027, 1, 5)]}
    await organizer.published(**later, place_code="SY02", kind="SEMINAR")
    await organizer.published(**soon, place_code="SY02", kind="SEMINAR")
    draft = await organizer.draft(place_code="SY02")
    async with come(code=code) as visitor:
        answer = await visitor.get("/convenings?place=SY02&kind=SEMINAR")
        assert answer.status_code == 200
        first, second = (visitor.said.find(one["title"][code]) for one in (soon, later))
        assert 0 < first < second
        assert draft.convening_id not in visitor.text
        assert {"ar": "مدرسة الأمل", "en": "Hope School"}[code] in visitor.said
        assert {"ar": "بتوقيت دمشق", "en": "Damascus time"}[code] in visitor.said
        await visitor.get("/convenings?place=SY02&kind=COURSE")
        assert visitor.word("list.none") in visitor.said
        await visitor.get("/convenings?q=nothingofthekind&kind=NO_KIND")
        assert visitor.word("list.none") in visitor.said


@pytest.mark.parametrize(("code", "first_day"), [("ar", "السبت"), ("en", "Monday")])
async def test_a_month_is_a_table_whose_weeks_begin_as_the_language_has_it(
    come: Come, organizer: Organizer, code: str, first_day: str
) -> None:
    """At 23:30 in New York it is the next day in Damascus: each stands on the day that it has where it is."""
    late = datetime.datetime(2031, 2, 1, 4, 30, tzinfo=datetime.UTC)  # 31 January, 23:30
    there = {"start_time": late, "end_time": late + datetime.timedelta(hours=1)}
    made = await organizer.published(
        title={"ar": "في نيويورك", "en": "In New York"}, sessions=[there], time_zone="America/New_York", place_code=""
    )
    async with come(code=code) as visitor:
        await visitor.get("/convenings/month?month=2031-01")
        days = re.findall(r'<th scope="col">([^<]*)</th>', visitor.text)
        assert (days[0], len(days)) == (first_day, 7)
        cell = visitor.text.partition('datetime="2031-01-31"')[2].partition("</td>")[0]
        assert f"/{code}/convenings/{made.convening_id}" in cell
        assert {"ar": "١١:٣٠ م", "en": "11:30"}[code] in cell
        assert {"ar": "نيويورك", "en": "New York"}[code] in cell
        assert f'href="/{code}/convenings/month?month=2030-12"' in visitor.text
        assert f'href="/{code}/convenings/month?month=2031-02"' in visitor.text
        await visitor.get("/convenings/month?month=2031-02")
        assert made.convening_id not in visitor.text
        assert visitor.word("convenings.none_in_month") in visitor.said


@pytest.mark.parametrize("month", ["", "2027-13", "1066-01", "x", "2099-12", "2000-01"])
async def test_any_month_is_a_page(come: Come, month: str) -> None:
    async with come() as visitor:
        assert (await visitor.get(f"/convenings/month?month={month}")).status_code == 200


async def test_pages_say_nothing_in_the_other_language(come: Come, organizer: Organizer, members: Members) -> None:
    convening = await organizer.published(title={"ar": "ورشة"}, approval_required=True)
    one = f"/convenings/{convening.convening_id}"
    await register(organizer.events, await members.account(), convening)
    paths = ["/convenings", "/convenings/month?month=2027-01", "/convenings/organized", "/convenings/new", one]
    paths += [f"{one}/change", f"{one}/cancel", f"{one}/registrations", "/registrations", "/calendar-feeds"]
    for code, letters in (("ar", "[A-Za-z]{2,}"), ("en", "[\u0600-\u06ff]+")):
        async with come(organizer.who, code) as visitor:
            for path in paths:
                assert (await visitor.get(path)).status_code == 200, path
                told = " ".join(Text(f'<html lang="{code}">' + visitor.text.partition("</head>")[2]).said)
                assert re.findall(letters, told) == [], (path, code)
                assert visitor.text.count("<h1") == 1, path
                assert re.findall(r"<script|<style|\sstyle=|\son[a-z]+=", visitor.text) == [], path


# -- organizing ----------------------------------------------------------------------------------------------------
@BOTH
async def test_one_is_written_published_changed_and_cancelled(come: Come, organizer: Organizer, code: str) -> None:
    async with come(organizer.who, code) as visitor:
        await visitor.get("/convenings/new")
        made = await visitor.send("/convenings/new", organization_id=organizer.member_id, **FIELDS)
        path = made.url.path.removeprefix(f"/{code}")
        convening_id = path.rpartition("/")[2]
        kept = await organizer("GetConvening", convening_id=convening_id)
        (only,) = kept.sessions
        assert only.start_time.ToDatetime() == datetime.datetime(2027, 7, 15, 8)  # by the clocks of Berlin
        assert (kept.capacity, kept.accept_seconds, kept.approval_required) == (20, 21600, False)
        assert visitor.word("Convening.State.DRAFT") in visitor.said
        assert {"ar": "١٠:٠٠ ص", "en": "10:00"}[code] in visitor.said
        async with come(code=code) as stranger:
            assert (await stranger.get(path)).status_code == 404
        await visitor.send(f"{path}/publish")
        assert visitor.word("notice.convening.published") in visitor.said
        await visitor.get(f"{path}/change")
        assert 'value="2027-07-15T10:00"' in visitor.text
        changed = {**FIELDS, "convening.approval_required": "true", "convening.capacity": "30"}
        await visitor.send(f"{path}/change", **changed)
        kept = await organizer("GetConvening", convening_id=convening_id)
        assert (kept.capacity, kept.approval_required) == (30, True)
        await visitor.get(f"{path}/change")
        assert re.search(r'name="convening.approval_required"[^>]* checked', visitor.text)
        await visitor.get(f"{path}/cancel")
        refused = await visitor.send(f"{path}/cancel", **{"cancel_reason.ar": ""})
        assert refused.status_code == 400
        assert list(visitor.wrong()) == ["cancel_reason"]
        await visitor.send(f"{path}/cancel", **{f"cancel_reason.{code}": REASON[code]})
        assert visitor.word("notice.convening.cancelled") in visitor.said
        assert REASON[code] in visitor.said
        await visitor.get("/convenings/organized")
        assert convening_id in visitor.text


@BOTH
@pytest.mark.parametrize(
    ("changed", "field", "path"),
    [
        ({"convening.kind": ""}, "convening.kind", "convening.kind"),
        ({"convening.title.ar": "الرسم ٥٠٠ دولار"}, "convening.title", "convening.title"),
        ({"convening.time_zone": "Syria/Idleb"}, "convening.time_zone", "convening.time_zone"),
        (
            {"convening.sessions.0.end_time": "2027-07-15T09:00"},
            "convening.sessions.0.end_time",
            "convening.sessions[0].end_time",
        ),
        ({"convening.online_uri": "javascript:alert(1)"}, "convening.online_uri", "convening.online_uri"),
        ({"convening.capacity": "0"}, "convening.capacity", "convening.capacity"),
        ({"convening.place_code": "SY99"}, "convening.place_code", "convening.place_code"),
    ],
)
async def test_what_the_service_refuses_stands_at_its_field(
    come: Come, organizer: Organizer, code: str, changed: dict[str, str], field: str, path: str
) -> None:
    before = await organizer.events.db.convenings.count_documents({})
    async with come(organizer.who, code) as visitor:
        await visitor.get("/convenings/new")
        fields = {**FIELDS, **changed, "organization_id": organizer.member_id}
        answer = await visitor.send("/convenings/new", **fields)
        assert answer.status_code == 400
        assert list(visitor.wrong()) == [field]
        told = await told_by_the_service(organizer, code, fields)
        assert visitor.wrong()[field] == told[path]
        assert 'value="2027-07-15T10:00"' in visitor.text, "what was typed is kept"
        assert "ورشة الحساب" in visitor.text or "convening.title.ar" in changed
    assert await organizer.events.db.convenings.count_documents({}) == before


async def test_sessions_that_overlap_are_told_above_them(come: Come, organizer: Organizer) -> None:
    second = {
        "convening.sessions.1.start_time": "2027-07-15T11:00",
        "convening.sessions.1.end_time": "2027-07-15T13:00",
    }
    async with come(organizer.who) as visitor:
        await visitor.get("/convenings/new")
        await visitor.send("/convenings/new", organization_id=organizer.member_id, **{**FIELDS, **second})
        assert list(visitor.wrong()) == ["convening.sessions"]


async def test_a_session_keeps_its_identity_in_the_form_and_one_that_is_emptied_is_gone(
    come: Come, organizer: Organizer
) -> None:
    days = [session(2027, 3, day) for day in (1, 2, 3)]
    convening = await organizer.published(sessions=days)
    path = f"/convenings/{convening.convening_id}/change"
    async with come(organizer.who) as visitor:
        await visitor.get(path)
        hidden = dict(re.findall(r'name="(convening\.sessions\.\d\.session_id)" value="([^"]*)"', visitor.text))
        assert list(hidden.values()) == [*(one.session_id for one in convening.sessions), ""]
        times = {  # the second is emptied, the third is later
            "convening.sessions.0.start_time": "2027-03-01T10:00",
            "convening.sessions.0.end_time": "2027-03-01T12:00",
            "convening.sessions.2.start_time": "2027-03-04T10:00",
            "convening.sessions.2.end_time": "2027-03-04T12:00",
        }
        emptied = dict.fromkeys(("convening.sessions.1.start_time", "convening.sessions.1.end_time"), "")
        answer = await visitor.send(path, **{**FIELDS, **hidden, **times, **emptied})
        assert (answer.status_code, visitor.wrong()) == (200, {})
    kept = await organizer("GetConvening", convening_id=convening.convening_id)
    first, _, third = [one.session_id for one in convening.sessions]
    assert [one.session_id for one in kept.sessions] == [first, third]


async def test_one_that_goes_on_can_be_changed_though_its_times_have_seconds(come: Come, organizer: Organizer) -> None:
    moments = [
        datetime.datetime(2020, 3, 1, 9, 0, 20, tzinfo=datetime.UTC) + datetime.timedelta(days=n) for n in (0, 1)
    ]
    convening = await organizer.published(sessions=[session(2027, 3, 1), session(2027, 3, 2)])
    begun = {"$set": {"sessions.0.start_time": moments[0], "sessions.0.end_time": moments[1]}}
    await organizer.events.db.convenings.update_one({"_id": convening.convening_id}, begun)
    path = f"/convenings/{convening.convening_id}/change"
    async with come(organizer.who) as visitor:
        await visitor.get(path)
        shown = dict(re.findall(r'name="(convening\.sessions\.\d\.\w+)"[^>]* value="([^"]*)"', visitor.text))
        assert shown["convening.sessions.0.start_time"] == "2020-03-01T11:00:20"
        fields = {**FIELDS, **shown, "convening.time_zone": "Asia/Damascus", "convening.capacity": "31"}
        answer = await visitor.send(path, **fields)
        assert (answer.status_code, visitor.wrong()) == (200, {})
    assert (await organizer("GetConvening", convening_id=convening.convening_id)).capacity == 31


async def test_a_number_that_is_none_is_told_at_its_field(come: Come, organizer: Organizer) -> None:
    async with come(organizer.who) as visitor:
        await visitor.get("/convenings/new")
        await visitor.send("/convenings/new", **{**FIELDS, "convening.capacity": "many"})
        assert visitor.wrong() == {"convening.capacity": visitor.word("form.number")}


async def test_what_cannot_be_published_is_mended_in_its_draft(come: Come, organizer: Organizer) -> None:
    past = {"convening.sessions.0.start_time": "2020-07-15T10:00", "convening.sessions.0.end_time": "2020-07-15T12:00"}
    asked = {**FIELDS, "organization_id": organizer.member_id, "publish": "1", "convening.title.ar": "تُنشر بعد الإصلاح"}
    request_id = new_uuid()
    async with come(organizer.who) as visitor:
        await visitor.get("/convenings/new")
        answer = await visitor.send("/convenings/new", **{**asked, **past}, request_id=request_id)
        assert answer.status_code == 400
        assert 'id="convening.sessions.0.start_time-wrong">يجب أن يكون الوقت في المستقبل<' in visitor.text
        action = re.search(r'action="/ar(/convenings/[^"]+/change)"', visitor.text)
        assert action
        renewed = re.findall(r'name="request_id" value="([^"]*)"', visitor.text)
        assert request_id not in renewed
        await visitor.send(action[1], **asked)
        assert visitor.word("Convening.State.PUBLISHED") in visitor.said
    query = {"title.ar": "تُنشر بعد الإصلاح"}
    assert await organizer.events.db.convenings.count_documents(query) == 1


async def test_only_who_organizes_is_shown_how(come: Come, organizer: Organizer, members: Members) -> None:
    convening = await organizer.published()
    path = f"/convenings/{convening.convening_id}"
    async with come(await members.account("member")) as other:
        await other.get(path)
        for ending in ("change", "cancel", "registrations", "publish"):
            assert f"{path}/{ending}" not in other.text
        assert (await other.get(f"{path}/registrations")).status_code == 404
        await other.get(f"{path}/cancel")
        assert (await other.send(f"{path}/cancel", **{"cancel_reason.en": "no"})).status_code == 403
        await other.get(f"{path}/change")
        assert (await other.send(f"{path}/change", **FIELDS)).status_code == 403
    async with come(organizer.who) as own:
        await own.get(path)
        for ending in ("change", "cancel", "registrations"):
            assert f"{path}/{ending}" in own.text


# -- registering ---------------------------------------------------------------------------------------------------
@BOTH
async def test_one_registers_waits_is_offered_a_seat_and_accepts_it(
    come: Come, organizer: Organizer, members: Members, code: str
) -> None:
    convening = await organizer.published(capacity=1, place_code="")
    path = f"/convenings/{convening.convening_id}"
    first, second = await members.account(), await members.account()
    async with come(first, code) as holder, come(second, code) as waiter:
        await holder.get(path)
        assert "secret-room" not in holder.text
        assert holder.word("convening.online_uri.later") in holder.said
        await holder.send(f"{path}/register")
        assert holder.word("registration.admitted") in holder.said
        assert 'href="https://meet.example/secret-room"' in holder.text
        await waiter.get(path)
        await waiter.send(f"{path}/register")
        assert waiter.word("registration.waiting") in waiter.said
        again = await waiter.send(f"{path}/register")
        assert again.status_code == 409
        assert {"ar": "أنت مسجّل", "en": "You are registered for this already"}[code] in waiter.said
        await holder.send(f"{path}/withdraw", registration_id=hidden(holder))
        assert holder.word("notice.registration.withdrawn") in holder.said
        await waiter.get("/registrations")
        assert waiter.word("Registration.State.OFFERED") in waiter.said
        assert "secret-room" not in waiter.text
        await waiter.get(path)
        assert {"ar": "مقعد محجوز لك حتى", "en": "A seat is kept for you until"}[code] in waiter.said
        await waiter.send(f"{path}/accept", registration_id=hidden(waiter))
        assert waiter.word("registration.admitted") in waiter.said
        stolen = await holder.send(f"{path}/withdraw", registration_id=hidden(waiter))
        assert stolen.status_code == 404
        await waiter.get(path)
        assert waiter.word("registration.admitted") in waiter.said


async def test_the_organizer_decides_in_order_and_sees_names(
    come: Come, organizer: Organizer, members: Members, events: Service
) -> None:
    coordinator, amal = await members.account("coordinator"), await members.account("member")
    submitted = await members.submitted(amal, person=PERSON)
    await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
    await deliver(events, EventsWorker, *await relayed(members))
    other = await members.account()
    convening = await organizer.published(approval_required=True)
    path = f"/convenings/{convening.convening_id}/registrations"
    made = [await register(events, who, convening) for who in (amal, other)]
    async with come(organizer.who) as visitor:
        await visitor.get(path)
        assert 0 < visitor.said.find("١. أمل حداد") < visitor.said.find("٢. صاحب حساب")
        await visitor.send(f"{path}/{made[0].registration_id}/approve")
        assert visitor.word("notice.registration.approved") in visitor.said
        await visitor.send(f"{path}/{made[1].registration_id}/decline")
        again = await visitor.send(f"{path}/{made[1].registration_id}/approve")
        assert again.status_code == 400
        assert visitor.text.count("<h2>") == 2
        await visitor.get(f"{path}?state=ADMITTED")
        assert "أمل حداد" in visitor.said
        assert visitor.text.count("<h2>") == 1
    async with come(amal) as visitor:
        await visitor.get("/convenings")
        unasked = await visitor.send(f"{path}/{made[1].registration_id}/approve")
        assert unasked.status_code in (403, 404)
        await visitor.get(f"/convenings/{convening.convening_id}")
        assert visitor.word("registration.admitted") in visitor.said
    kept = await organizer("ListRegistrations", convening_id=convening.convening_id)
    assert [type(one).State.Name(one.state) for one in kept.registrations] == ["ADMITTED", "DECLINED"]


async def test_without_a_session_the_way_to_register_is_to_sign_in(come: Come, organizer: Organizer) -> None:
    convening = await organizer.published()
    path = f"/convenings/{convening.convening_id}"
    async with come() as visitor:
        await visitor.get(path)
        assert f"/ar/sign-in?next=%2Fconvenings%2F{convening.convening_id}" in visitor.text
        assert f"{path}/register" not in visitor.text
        for private in ("/registrations", "/calendar-feeds", "/convenings/organized", "/convenings/new"):
            assert (await visitor.get(private)).url.path == "/ar/sign-in", private
        assert (await visitor.get(f"/convenings/{NO_ID}")).status_code == 404


# -- calendars -----------------------------------------------------------------------------------------------------
async def test_a_calendar_file_shows_what_its_visitor_may_see(
    come: Come, organizer: Organizer, members: Members, events: Service
) -> None:
    convening = await organizer.published(audience="MEMBERS")
    path, amal = f"/convenings/{convening.convening_id}/calendar", await members.account("member")
    await register(events, amal, convening)
    async with come(amal) as visitor, come() as stranger:
        file = await visitor.get(path)
        assert file.headers["content-type"].startswith("text/calendar")
        assert "secret-room" in file.text
        assert (await stranger.get(path)).status_code == 404


@BOTH
async def test_a_secret_address_is_shown_once_and_can_be_revoked(
    come: Come, members: Members, events: Service, code: str
) -> None:
    async with come(await members.account(), code) as visitor:
        await visitor.get("/calendar-feeds")
        await visitor.send("/calendar-feeds", label="")
        assert list(visitor.wrong()) == ["label"]
        made = await visitor.send("/calendar-feeds", label="<b>phone</b>")
        assert made.headers["cache-control"] == "no-store"
        address = re.search(r"<code>http://portal/v1/calendars/([^<]+)</code>", visitor.text)
        assert address
        assert await events("GetCalendar", token=address[1])
        assert "&lt;b&gt;phone&lt;/b&gt;" in visitor.text
        await visitor.get("/calendar-feeds")
        assert address[1] not in visitor.text
        assert "&lt;b&gt;phone&lt;/b&gt;" in visitor.text
        revoke = re.search(r'action="/\w\w(/calendar-feeds/[^"]+/revoke)"', visitor.text)
        assert revoke
        await visitor.send(revoke[1])
        assert visitor.word("notice.feed.revoked") in visitor.said
        with pytest.raises(Exception, match="CALENDAR_NOT_FOUND"):
            await events("GetCalendar", token=address[1])


# -- what is away, what is hostile ---------------------------------------------------------------------------------
async def test_a_convening_is_shown_while_members_is_away(come: Come, organizer: Organizer, members: Members) -> None:
    convening = await organizer.published()
    who = await members.account("member")
    async with come(who, members_address=AWAY) as visitor:
        for path in ("/convenings", f"/convenings/{convening.convening_id}", "/registrations"):
            assert (await visitor.get(path)).status_code == 200, path


@BOTH
async def test_while_events_is_away_its_pages_say_so(come: Come, code: str) -> None:
    async with come(code=code, events_address=AWAY) as visitor:
        assert (await visitor.get("/convenings")).status_code == 503
        assert visitor.word("error.busy.title") in visitor.said


async def test_markup_in_what_people_wrote_stays_text(come: Come, organizer: Organizer) -> None:
    title = {"ar": "<script>alert(1)</script>", "en": '"><img src=x onerror=alert(1)>'}
    convening = await organizer.published(title=title, description=title, address=title)
    for code in ("ar", "en"):
        async with come(organizer.who, code) as visitor:
            for path in ("", "/change", "/cancel", "/registrations"):
                await visitor.get(f"/convenings/{convening.convening_id}{path}")
                assert "<script" not in visitor.text
                assert "<img" not in visitor.text


def session(*day: int) -> dict[str, datetime.datetime]:
    """An hour of that day."""
    start = datetime.datetime(*day, 9, tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]
    return {"start_time": start, "end_time": start + datetime.timedelta(hours=1)}


def hidden(visitor: Visitor) -> str:
    """The registration that a button of the page is about."""
    found = re.search(r'name="registration_id" value="([^"]+)"', visitor.text)
    assert found
    return found[1]


async def told_by_the_service(organizer: Organizer, code: str, fields: dict[str, str]) -> dict[str, str]:
    """Path and sentence of what is wrong with the same convening over gRPC."""
    given = {name.removeprefix("convening."): value for name, value in fields.items() if value}

    def moment(name: str) -> datetime.datetime:
        """By the clocks of Berlin."""
        local = datetime.datetime.fromisoformat(given[f"sessions.0.{name}"])
        return local.replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(datetime.UTC)

    convening: dict[str, Any] = {
        "title": {"ar": given["title.ar"]},
        "sessions": [{name: moment(name) for name in ("start_time", "end_time")}],
        "capacity": int(given["capacity"]),
        **{
            name: given[name] for name in ("kind", "time_zone", "audience", "place_code", "online_uri") if name in given
        },
    }
    rpc = organizer("CreateConvening", convening=convening, organization_id=organizer.member_id, language=code)
    return (await refusal(rpc)).descriptions
