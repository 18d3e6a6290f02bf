"""Convenings as iCalendar (RFC 5545). Pure; the library escapes, and folds lines by octets."""

import functools
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar

import vocabularies
from chassis.values import LocalizedText
from services.events.model import Convening, ConveningState, Session

CONTENT_TYPE = "text/calendar; charset=utf-8"
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SHOWN = (ConveningState.PUBLISHED, ConveningState.CANCELLED, ConveningState.HELD)


def write(convenings: Sequence[Convening], language: str) -> bytes:
    """One VEVENT for each session. Its UID stays for ever, its SEQUENCE is the convening's: an update replaces it.

    A session that was removed is still written, as cancelled (RFC 5546, 3.2.5): what is left out stays in calendars.
    """
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Wasl//Convenings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    years: dict[str, set[int]] = {}  # of sessions in each zone
    for convening in convenings:
        if convening.state in _SHOWN:
            for session in _all_sessions(convening):
                calendar.add_component(_event(convening, session, language))
                years.setdefault(convening.time_zone, set()).add(session.start_time.year)
    for name in sorted(calendar.get_missing_tzids(), reverse=True):
        calendar.subcomponents.insert(0, _zone(name, min(years[name]) - 1, max(years[name]) + 2))
    return bytes(calendar.to_ical())


def _all_sessions(convening: Convening) -> tuple[Session, ...]:
    return convening.sessions + convening.removed_sessions


def _event(convening: Convening, session: Session, language: str) -> icalendar.Event:
    zone = ZoneInfo(convening.time_zone)
    cancelled = convening.state is ConveningState.CANCELLED or session in convening.removed_sessions
    event = icalendar.Event()
    event.add("uid", f"{session.session_id}@wasl")
    event.add("sequence", convening.sequence)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("dtstamp", convening.update_time)
    event.add("last-modified", convening.update_time)
    times = [moment.astimezone(zone) for moment in (session.start_time, session.end_time)]
    if any(_is_repeated(moment) for moment in times):
        times = [moment.astimezone(UTC) for moment in times]
    for name, moment in zip(("dtstart", "dtend"), times, strict=True):
        event.add(name, moment)
    event.add("summary", _said(convening.title, language))
    if convening.description:
        event.add("description", _said(convening.description, language))
    place = vocabularies.find("places", convening.place_code)
    where = [_said(text, language) for text in (convening.address, place and place.label) if text]
    if where:
        event.add("location", ", ".join(where))
    if convening.online_uri:
        event.add("url", convening.online_uri)
    return event


@functools.lru_cache(maxsize=256)
def _zone(name: str, first: int, until: int) -> icalendar.Timezone:
    """A zone's offset as the year `first` begins, and each change before the year `until`, by itself.

    The library's own zones step over changes that are taken back within weeks (Morocco's), and have many dates in one
    RDATE, of which ical.js reads the first.
    """
    zone, day = ZoneInfo(name), datetime(first, 1, 1, tzinfo=UTC)
    described = icalendar.Timezone()
    described.add("tzid", name)
    described.add_component(_observance(zone, day, day))
    while day.year < until:
        if (day + _DAY).astimezone(zone).utcoffset() != day.astimezone(zone).utcoffset():
            before, after = day, day + _DAY
            while after - before > _MINUTE:
                middle = before + (after - before) / 2
                if middle.astimezone(zone).utcoffset() == day.astimezone(zone).utcoffset():
                    before = middle
                else:
                    after = middle
            described.add_component(_observance(zone, before, after.replace(second=0, microsecond=0)))
        day += _DAY
    return described


def _observance(zone: ZoneInfo, before: datetime, onset: datetime) -> icalendar.Component:
    """From `onset` on; its time is that of the clocks `before` (RFC 5545, 3.6.5)."""
    ahead, since = before.astimezone(zone).utcoffset() or timedelta(), onset.astimezone(zone)
    found = icalendar.TimezoneDaylight() if since.dst() else icalendar.TimezoneStandard()
    found.DTSTART = (onset + ahead).replace(tzinfo=None)
    found.TZOFFSETFROM, found.TZOFFSETTO = ahead, since.utcoffset()
    found.add("tzname", since.tzname())
    return found


def _is_repeated(moment: datetime) -> bool:
    """Do the clocks show it twice, as they are put back? A local time in a file does not say which of them it is."""
    return moment.utcoffset() != moment.replace(fold=1 - moment.fold).utcoffset()


def _said(text: LocalizedText, language: str) -> str:
    """In the language that was asked for, if it is there; without the control characters that a TEXT may not have."""
    said = (text.ar or text.en) if language == "ar" else (text.en or text.ar)
    return _CONTROL.sub("", said).replace("\\N", "\\\u2060N")  # icalendar would take the two for the end of a line
