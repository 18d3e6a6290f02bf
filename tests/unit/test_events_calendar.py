"""Calendar files, as two libraries of others read them: icalendar in Python, and ical.js in node."""

import json
import pathlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
from msgspec.structs import replace

from chassis.values import LocalizedText
from services.events import calendar
from services.events.model import Audience, Convening, ConveningState, Kind, Session

ROOT = pathlib.Path(__file__).parents[2]
WINTER = datetime(2026, 1, 15, 7, tzinfo=UTC)
SUMMER = datetime(2026, 7, 15, 7, tzinfo=UTC)
SUMMER_TIME, LATEST = datetime(2021, 7, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)  # Damascus had it till 2022
HOUR = timedelta(hours=1)
TITLE = "ورشة عملية لتعليم القراءة والكتابة في الصفوف الأولى، حلب وإدلب ٢"  # 64 characters, 118 octets
READ = """
    const ICAL = require("ical.js");
    const whole = new ICAL.Component(ICAL.parse(require("fs").readFileSync(0, "utf8")));
    for (const zone of whole.getAllSubcomponents("vtimezone")) ICAL.TimezoneService.register(zone);
    console.log(JSON.stringify(whole.getAllSubcomponents("vevent").map((one) => {
      const event = new ICAL.Event(one);
      const text = (name) => one.getFirstPropertyValue(name);
      return {
        uid: event.uid, summary: event.summary, sequence: event.sequence, status: text("status"),
        begin: event.startDate.toUnixTime(), end: event.endDate.toUnixTime(), zone: event.startDate.zone.tzid,
        hour: event.startDate.hour, location: text("location"), description: text("description"), url: text("url"),
      };
    })));
"""


def session(start: datetime) -> Session:
    return Session(start_time=start, end_time=start + HOUR)


COURSE = Convening(
    convening_id="c",
    organizer_id="o",
    kind=Kind.COURSE,
    audience=Audience.EVERYBODY,
    state=ConveningState.PUBLISHED,
    title=LocalizedText(ar=TITLE),
    description=LocalizedText(en='First; second, third\\ and "fourth"\nBEGIN:VEVENT'),
    sessions=(session(WINTER), session(SUMMER)),
    time_zone="Asia/Damascus",
    place_code="SY07",
    address=LocalizedText(ar="القاعة ٣", en="Room 3"),
    online_uri="https://meet.example/a?b=c&d",
    capacity=9,
    create_time=WINTER,
    update_time=WINTER,
)


def render(*convenings: Convening, language: str = "ar") -> bytes:
    return calendar.write(convenings, language)


def read_by_node(file: bytes) -> list[dict[str, Any]]:
    node = pathlib.Path(sys.executable).with_name("node")
    done = subprocess.run([node, "-e", READ], input=file, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, f"npm ci installs ical.js: {done.stderr[-500:].decode()}"
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def read_by_python(file: bytes) -> list[dict[str, Any]]:
    events: list[Any] = icalendar.Calendar.from_ical(file).walk("VEVENT")
    return [
        {
            "uid": str(one["UID"]),
            "summary": str(one["SUMMARY"]),
            "sequence": one["SEQUENCE"],
            "status": str(one["STATUS"]),
            "begin": one.start.timestamp(),
            "end": one.end.timestamp(),
            "zone": one["DTSTART"].params.get("TZID", "UTC"),
            "hour": one.start.hour,
            "location": str(one["LOCATION"]),
            "description": str(one["DESCRIPTION"]),
            "url": str(one["URL"]),
        }
        for one in events
    ]


def test_both_libraries_read_what_was_meant() -> None:
    file = render(COURSE)
    found = read_by_python(file)
    assert read_by_node(file) == found
    assert found == [
        {
            "uid": uid,
            "summary": TITLE,
            "sequence": 0,
            "status": "CONFIRMED",
            "begin": one.start_time.timestamp(),
            "end": one.end_time.timestamp(),
            "zone": "Asia/Damascus",
            "hour": 10,  # ten o'clock in Damascus is 07:00 UTC, in winter and in summer
            "location": "القاعة ٣, إدلب",
            "description": 'First; second, third\\ and "fourth"\nBEGIN:VEVENT',
            "url": "https://meet.example/a?b=c&d",
        }
        for uid, one in zip(("c@wasl", "c.2@wasl"), COURSE.sessions, strict=True)
    ]


@pytest.mark.parametrize("zone", ["Asia/Damascus", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "UTC"])
@pytest.mark.parametrize("start", [WINTER, SUMMER, SUMMER_TIME, LATEST])
def test_a_time_is_the_same_moment_in_every_zone(zone: str, start: datetime) -> None:
    file = render(replace(COURSE, time_zone=zone, sessions=(session(start),)))
    for found in (*read_by_python(file), *read_by_node(file)):
        assert (found["begin"], found["zone"]) == (start.timestamp(), zone)


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin"])
def test_each_change_of_the_clocks_is_in_a_file_of_years(zone: str) -> None:
    """Morocco's are taken back after a month; ical.js has nothing but the file to go by."""
    days = [datetime(2027, 1, 3, 7, tzinfo=UTC) + timedelta(days=20 * number) for number in range(60)]
    course = replace(COURSE, time_zone=zone, sessions=tuple(map(session, days)))
    begins = [one.timestamp() for one in days]
    for found in (read_by_python(render(course)), read_by_node(render(course))):
        assert [one["begin"] for one in found] == begins


@pytest.mark.parametrize("minutes", [-60, -15, 0, 15, 30, 60])
def test_an_hour_that_the_clocks_show_twice_is_no_other_moment(minutes: int) -> None:
    start = datetime(2027, 10, 31, 1, tzinfo=UTC) + timedelta(minutes=minutes)  # London puts its clocks back at one
    file = render(replace(COURSE, time_zone="Europe/London", sessions=(session(start),)))
    for found in (*read_by_python(file), *read_by_node(file)):
        assert (found["begin"], found["end"]) == (start.timestamp(), (start + HOUR).timestamp())


def test_lines_are_folded_by_octets_and_no_character_is_split() -> None:
    assert (len(TITLE), len(TITLE.encode())) == (64, 118)
    lines = render(COURSE).split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert sum(line.startswith(b" ") for line in lines) >= 2
    for line in lines:
        line.decode()  # raises where a character was split


def test_a_cancellation_is_told_and_what_has_not_changed_is_the_same_file() -> None:
    cancelled = COURSE.cancel(reason=LocalizedText(en="The storm"), at=SUMMER)
    for found in (*read_by_python(render(cancelled)), *read_by_node(render(cancelled))):
        assert (found["sequence"], found["status"]) == (1, "CANCELLED")
    assert render(COURSE) == render(COURSE)
    changed: Any = icalendar.Calendar.from_ical(render(cancelled)).walk("VEVENT")[0]
    assert changed["DTSTAMP"].dt == changed["LAST-MODIFIED"].dt == SUMMER


def test_a_session_that_was_removed_is_told_as_cancelled() -> None:
    after = COURSE.change(at=SUMMER, sessions=COURSE.sessions[1:])
    file = render(after)
    for found in (read_by_python(file), read_by_node(file)):
        told = {one["uid"]: (one["begin"], one["sequence"], one["status"]) for one in found}
        assert told == {
            "c@wasl": (WINTER.timestamp(), 1, "CANCELLED"),
            "c.2@wasl": (SUMMER.timestamp(), 1, "CONFIRMED"),
        }
    held = read_by_python(render(after.hold(at=SUMMER)))
    assert {one["uid"]: one["status"] for one in held} == {"c@wasl": "CANCELLED", "c.2@wasl": "CONFIRMED"}


def test_texts_are_in_the_readers_language_if_there_are_any() -> None:
    both = replace(COURSE, title=LocalizedText(ar="القراءة", en="Reading"))
    for language, title, place in (("ar", "القراءة", "القاعة ٣, إدلب"), ("en", "Reading", "Room 3, Idleb")):
        event: Any = icalendar.Calendar.from_ical(render(both, language=language)).walk("VEVENT")[0]
        assert (str(event["SUMMARY"]), str(event["LOCATION"])) == (title, place)
    event = icalendar.Calendar.from_ical(render(COURSE, language="en")).walk("VEVENT")[0]
    assert str(event["SUMMARY"]) == TITLE


def test_a_text_cannot_break_out_of_its_line() -> None:
    title = "a\rb\r\nEND:VCALENDAR\nc\x00\x0b\x1bd"
    file = render(replace(COURSE, title=LocalizedText(en=title)))
    assert {one["summary"] for one in read_by_node(file)} == {"a\nb\nEND:VCALENDAR\ncd"}
    assert file.count(b"\r\nEND:VCALENDAR") == 1


@pytest.mark.parametrize("text", [r"C:\New folder", r"\N", r"C:\new, C:\\N; x"])
def test_a_backslash_ends_no_line(text: str) -> None:
    file = render(replace(COURSE, title=LocalizedText(en=text)))
    (read, *_), (by_node, *_) = read_by_python(file), read_by_node(file)
    assert "\n" not in read["summary"] + by_node["summary"]
    assert by_node["summary"].replace("\u2060", "") == text


def test_an_empty_calendar_is_one() -> None:
    assert read_by_python(render()) == read_by_node(render()) == []
