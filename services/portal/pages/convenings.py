"""Convenings: what comes, one of them, organizing; calendars.

Times are those of a convening's own zone, and the zone is named beside them.
"""

import asyncio
import calendar
import datetime
import functools
import zoneinfo
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import Response

from chassis import pb
from services.portal import sessions
from services.portal.acting import acting, acts_for
from services.portal.forms import ZONE, Form
from services.portal.names import members_named
from services.portal.refusals import Refused
from services.portal.visit import Visit
from wasl.events.v1 import calendars_pb2 as c
from wasl.events.v1 import convenings_pb2 as m
from wasl.events.v1 import registrations_pb2 as r
from wasl.type.v1.localized_text_pb2 import LocalizedText

EDITED = (
    *("kind", "title", "description", "sessions", "time_zone", "place_code", "address", "online_uri"),
    *("capacity", "audience", "approval_required", "accept_seconds"),
)
SESSIONS = 3  # that a form shows, at least
ZONES = (  # that a form offers: where people of the network live
    *(ZONE, "Asia/Beirut", "Asia/Amman", "Asia/Baghdad", "Europe/Istanbul", "Africa/Cairo", "Asia/Riyadh"),
    *("Asia/Dubai", "Europe/Athens", "Europe/Berlin", "Europe/Paris", "Europe/Stockholm", "Europe/London"),
    *("America/New_York", "America/Toronto"),
)
ACCEPT_HOURS = (2, 6, 12, 24, 48, 72, 168)  # that a form offers for accepting a seat
A_DAY = datetime.timedelta(days=1)


# -- lists ---------------------------------------------------------------------------------------------------------
async def convenings(visit: Visit) -> Response:
    """What comes, the next one first, by words, kind and place."""
    request = m.ListConveningsRequest(
        query=visit.query("q"),
        kind=chosen(m.Convening.Kind, visit.query("kind")),
        place_code=visit.query("place"),
        state=m.Convening.PUBLISHED,
        from_time=pb.timestamp(datetime.datetime.now(datetime.UTC)),
        page_token=visit.query("page_token"),
        page_size=20,
    )
    found = await visit.call(visit.events.ListConvenings, request)
    named = await _organizers(visit, [one.organizer_id for one in found.convenings])
    kinds = visit.language.words(m.Convening.Kind)
    return visit.page(
        "convenings/list.html", found=found, named=named, kinds=kinds, nearest=nearest_sessions(found.convenings)
    )


async def month(visit: Visit) -> Response:
    """A month as a table of its weeks; without `month`, this one."""
    first = _month(visit.query("month"))
    following = (first + 31 * A_DAY).replace(day=1)
    midnight = datetime.datetime.combine(first, datetime.time(), datetime.UTC)
    request = m.ListConveningsRequest(  # with a day on both sides: it begins earlier and ends later elsewhere
        from_time=pb.timestamp(midnight - A_DAY),
        until_time=pb.timestamp(midnight + (following - first) + A_DAY),
        page_token=visit.query("page_token"),
        page_size=200,
    )
    found = await visit.call(visit.events.ListConvenings, request)
    days: dict[datetime.date, list[tuple[m.Convening, m.Session]]] = {}
    for one in found.convenings:
        for session in one.sessions:
            days.setdefault(_local(session.start_time, one.time_zone).date(), []).append((one, session))
    for on_day in days.values():
        on_day.sort(key=lambda pair: pb.moment(pair[1].start_time))
    weeks = calendar.Calendar(visit.language.locale.first_week_day).monthdatescalendar(first.year, first.month)
    return visit.page(
        "convenings/month.html",
        found=found,
        days=days,
        filled=any((day.year, day.month) == (first.year, first.month) for day in days),
        weeks=weeks,
        month=first,
        zone=ZONE,
        today=datetime.datetime.now(zoneinfo.ZoneInfo(ZONE)).date(),
        previous=f"{first - A_DAY:%Y-%m}",
        following=f"{following:%Y-%m}",
    )


async def organized(visit: Visit) -> Response:
    """What the visitor organizes, for himself or herself or for an organization; drafts too, newest first."""
    visit.signed_in()
    mine = await acting(visit)
    organizer = visit.query("organizer") if visit.query("organizer") in mine.ids else next(iter(mine.ids), "")
    found = None
    if organizer:
        request = m.ListConveningsRequest(organizer_id=organizer, page_token=visit.query("page_token"), page_size=20)
        found = await visit.call(visit.events.ListConvenings, request)
    nearest = nearest_sessions(found.convenings if found else ())
    return visit.page("convenings/organized.html", mine=mine, organizer=organizer, found=found, nearest=nearest)


async def _organizers(visit: Visit, ids: Iterable[str]) -> dict[str, LocalizedText]:
    """Names by id; none while members is away."""
    return await visit.unless_away(members_named(visit, ids)) or {}


def chosen(enum: Any, name: str) -> Any:
    """The value of that name; unspecified when there is none."""
    return enum.Value(name) if name in enum.keys() else 0  # noqa: SIM118 - no mapping


def _month(text: str) -> datetime.date:
    """The first day of `2027-01`; of the present month for what is no month."""
    try:
        found = datetime.datetime.strptime(text, "%Y-%m").replace(tzinfo=datetime.UTC).date()
    except ValueError:
        found = datetime.date.min
    if 2000 <= found.year < 2100:  # what sessions lie between
        return found
    return datetime.datetime.now(zoneinfo.ZoneInfo(ZONE)).date().replace(day=1)


def _local(time: Any, zone: str) -> datetime.datetime:
    return pb.moment(time).astimezone(zoneinfo.ZoneInfo(zone))


def nearest_sessions(items: Iterable[m.Convening]) -> dict[str, m.Session]:
    """The session of each that goes on or comes next; the last one when all are over."""
    now = datetime.datetime.now(datetime.UTC)

    def nearest(one: m.Convening) -> m.Session:
        return next((each for each in one.sessions if pb.moment(each.end_time) > now), one.sessions[-1])

    return {one.convening_id: nearest(one) for one in items}


# -- one -----------------------------------------------------------------------------------------------------------
async def convening(visit: Visit) -> Response:
    """One convening, with what the visitor can do about it."""
    return await _convening_page(visit, visit.form())


async def _convening_page(visit: Visit, form: Form) -> Response:
    visit.path = f"/convenings/{visit.argument('convening_id')}"  # also of what a button could not do
    one = await convening_of(visit)
    request = r.ListRegistrationsRequest(convening_id=one.convening_id, own=True, page_size=1)
    mine = await visit.part(visit.events.ListRegistrations, request) if visit.session else None
    own, named = await asyncio.gather(acts_for(visit, one.organizer_id), _organizers(visit, [one.organizer_id]))
    return visit.page(
        "convenings/one.html",
        form=form,
        convening=one,
        registration=next(iter(mine.registrations), None) if mine else None,
        away=visit.session is not None and mine is None,
        own=own,
        named=named,
        begun=pb.moment(one.sessions[0].start_time) <= datetime.datetime.now(datetime.UTC),
    )


async def convening_of(visit: Visit) -> m.Convening:
    request = m.GetConveningRequest(convening_id=visit.argument("convening_id"))
    return await visit.call(visit.events.GetConvening, request)


async def calendar_file(visit: Visit) -> Response:
    """A convening as an iCalendar file, as the visitor may see it."""
    request = c.GetConveningCalendarRequest(convening_id=visit.argument("convening_id"))
    file = await visit.call(visit.events.GetConveningCalendar, request)
    return Response(
        file.data,
        media_type=file.content_type,
        headers={"content-disposition": 'attachment; filename="wasl.ics"', "cache-control": "no-store"},
    )


async def publish(visit: Visit) -> Response:
    """Opens a draft for registration."""
    known = {"convening_id": visit.argument("convening_id")}
    request = visit.form().message(m.PublishConveningRequest, **known)
    return await _done(visit, visit.events.PublishConvening, request, "notice.convening.published")


async def register(visit: Visit) -> Response:
    """Registers the visitor: a seat, the waiting list, or the organizer's decision."""
    wanted = r.Registration(convening_id=visit.argument("convening_id"))
    request = visit.form().message(r.CreateRegistrationRequest, registration=wanted)
    return await _done(visit, visit.events.CreateRegistration, request, "notice.registration.made")


async def move(verb: str, notice: str, visit: Visit) -> Response:
    """Takes the seat that is offered, or gives the registration back."""
    request = visit.form().message(getattr(r, f"{verb}RegistrationRequest"))
    return await _done(visit, getattr(visit.events, f"{verb}Registration"), request, notice)


async def _done(visit: Visit, rpc: Any, request: Any, notice: str) -> Response:
    """Back to the page of the convening, with the notice or with what was refused."""
    form = visit.form()
    with form.refusals():
        await visit.call(rpc, request)
        return visit.to(f"/convenings/{visit.argument('convening_id')}", notice)
    return await _convening_page(visit, form)


# -- organizing ----------------------------------------------------------------------------------------------------
async def create(visit: Visit) -> Response:
    """A new one: saved as a draft, or published at once."""
    form, known = visit.form(), await acting(visit)
    form.fill("convening", m.Convening(time_zone=ZONE, audience=m.Convening.EVERYBODY))
    if form.sent:
        try:
            made = await visit.call(visit.events.CreateConvening, _typed(form, m.CreateConveningRequest))
        except Refused as refused:
            form.refuse(refused)
        else:
            return await _saved(visit, form, made)
    return _form_page(visit, form, acting=known)


async def change(visit: Visit) -> Response:
    """Changes one that is a draft or published; its sessions keep their identity by a hidden field."""
    visit.signed_in()
    one = await convening_of(visit)
    form = visit.form()
    form.fill("convening", one, one.time_zone)
    if form.sent:
        try:
            request = _typed(form, m.UpdateConveningRequest, update_mask=FieldMask(paths=EDITED))
            request.convening.convening_id = one.convening_id
            changed = await visit.call(visit.events.UpdateConvening, request)
        except Refused as refused:
            form.refuse(refused)
        else:
            return await _saved(visit, form, changed)
    return _form_page(visit, form, convening=one)


def _typed(form: Form, kind: Any, **known: Any) -> Any:
    """The sessions' times are those of the zone that the form names."""
    return form.message(kind, form.value("convening.time_zone"), **known)


async def _saved(visit: Visit, form: Form, one: m.Convening) -> Response:
    """Publishes it when asked to. What is refused then is mended in the draft that there is now."""
    if form.value("publish"):
        try:
            known = {"convening_id": one.convening_id, "etag": one.etag}
            request = m.PublishConveningRequest(**known, request_id=form.value("request_id"))
            await visit.call(visit.events.PublishConvening, request)
        except Refused as refused:
            form.refuse(refused, saved=True)
            visit.path = f"/convenings/{one.convening_id}/change"
            visit.typed["convening.etag"] = [one.etag]
            visit.typed |= {f"convening.sessions.{n}.session_id": [s.session_id] for n, s in enumerate(one.sessions)}
            visit.typed.pop("request_id", None)  # the next change is another one
            return _form_page(visit, form, convening=one)
    notice = "notice.convening.published" if form.value("publish") else "notice.saved"
    return visit.to(f"/convenings/{one.convening_id}", notice)


def _form_page(visit: Visit, form: Form, convening: m.Convening | None = None, acting: Any = None) -> Response:
    language = visit.language
    seconds = {hours * 3600 for hours in ACCEPT_HOURS} | {convening.accept_seconds if convening else 0} - {0}
    zone = form.value("convening.time_zone")
    return visit.page(
        "convenings/edit.html",
        form=form,
        convening=convening,
        acting=acting,
        least=len(convening.sessions) + 1 if convening else SESSIONS,
        kinds=language.words(m.Convening.Kind),
        audiences=language.words(m.Convening.Audience),
        zones=[(one, language.zone(one)) for one in ZONES] + ([(zone, zone)] if zone and zone not in ZONES else []),
        seconds=sorted(seconds),
    )


async def cancel(visit: Visit) -> Response:
    """Cancels one, with the reason that those who registered read."""
    visit.signed_in()
    form, one = visit.form(), await convening_of(visit)
    if form.sent:
        with form.refusals():
            request = form.message(m.CancelConveningRequest, convening_id=one.convening_id)
            await visit.call(visit.events.CancelConvening, request)
            return visit.to(f"/convenings/{one.convening_id}", "notice.convening.cancelled")
    return visit.page("convenings/cancel.html", form=form, convening=one)


# -- calendars -----------------------------------------------------------------------------------------------------
async def calendar_feeds(visit: Visit) -> Response:
    """The visitor's secret addresses for calendar programs; a new one is shown once, when it is made."""
    visit.signed_in()
    form, made = visit.form(), None
    if form.sent:
        try:
            made = await visit.call(visit.events.IssueCalendarFeed, form.message(c.IssueCalendarFeedRequest))
        except Refused as refused:
            form.refuse(refused)
        else:
            visit.typed.clear()
    request = c.ListCalendarFeedsRequest(page_token=visit.query("page_token"), page_size=20)
    found = await visit.call(visit.events.ListCalendarFeeds, request)
    address = f"{visit.request.url.netloc}/v1/calendars/{made.token}" if made else ""
    scheme = sessions.scheme(visit.request)
    return visit.page("convenings/feeds.html", form=form, found=found, address=address, scheme=scheme)


async def revoke_feed(visit: Visit) -> Response:
    """Makes a secret address worthless."""
    request = c.RevokeCalendarFeedRequest(calendar_feed_id=visit.argument("calendar_feed_id"))
    await visit.call(visit.events.RevokeCalendarFeed, request)
    return visit.to("/calendar-feeds", "notice.feed.revoked")


Page = Callable[[Visit], Awaitable[Response]]
_of = functools.partial
PAGES: list[tuple[str, Page, str]] = [
    ("/convenings", convenings, "GET"),
    ("/convenings/month", month, "GET"),
    ("/convenings/organized", organized, "GET"),
    ("/convenings/new", create, "GET POST"),
    ("/convenings/{convening_id}", convening, "GET"),
    ("/convenings/{convening_id}/calendar", calendar_file, "GET"),
    ("/convenings/{convening_id}/change", change, "GET POST"),
    ("/convenings/{convening_id}/cancel", cancel, "GET POST"),
    ("/convenings/{convening_id}/publish", publish, "POST"),
    ("/convenings/{convening_id}/register", register, "POST"),
    ("/convenings/{convening_id}/accept", _of(move, "Accept", "notice.registration.accepted"), "POST"),
    ("/convenings/{convening_id}/withdraw", _of(move, "Withdraw", "notice.registration.withdrawn"), "POST"),
    ("/calendar-feeds", calendar_feeds, "GET POST"),
    ("/calendar-feeds/{calendar_feed_id}/revoke", revoke_feed, "POST"),
]
