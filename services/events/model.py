"""Convenings with their sessions, and calendar feeds: states, transitions and their errors. Pure."""

import functools
import itertools
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from chassis import errors
from chassis.values import LocalizedText

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)  # what sessions lie between
NO_PLACES = {"Factory", "localtime", "posixrules"}  # of the tz database: no zone yet, a machine's own, a rule's default
ACCEPT_LIFE = timedelta(days=1)  # in which an offered seat can be accepted, unless the convening says otherwise


# -- errors --------------------------------------------------------------------------------------------------------
class ConveningNotFound(errors.NotFound):
    """No such convening, or none that the caller may see."""

    en, ar = "There is no such convening", "لا توجد فعالية كهذه"


class CalendarNotFound(errors.NotFound):
    """No such address, or one that was revoked."""

    en, ar = "There is no such calendar", "لا توجد رزنامة كهذه"


class ConveningInOtherState(errors.FailedPrecondition):
    """The convening is not in a state in which this can be done."""

    en, ar = "This is not possible while the convening is {state_en}", "لا يمكن ذلك والفعالية {state_ar}"


class ConveningBegun(errors.FailedPrecondition):
    """The first session has begun."""

    en, ar = "The first session has begun", "بدأت الجلسة الأولى"


class TimePassed(errors.FailedPrecondition):
    """What is announced has to be to come, or people could not react to it."""

    en, ar = "The time has to be in the future", "يجب أن يكون الوقت في المستقبل"


class MembersOnly(errors.PermissionDenied):
    """The convening is for members of the network."""

    en, ar = "This is for members of the network", "هذه الفعالية لأعضاء الشبكة"


class TimeZoneUnknown(errors.InvalidArgument):
    """Not a zone of the IANA time zone database, or one that is at no place."""

    field = "convening.time_zone"
    en, ar = "{name} is no time zone", "{name} ليست منطقة زمنية"


class TimeOutOfRange(errors.InvalidArgument):
    """What no calendar of people is about; near the year 9999 the clocks of some zones have no time any more."""

    en, ar = "The time has to be from 2000 to 2099", "يجب أن يكون الوقت بين عامي ٢٠٠٠ و٢٠٩٩"


class SessionUnknown(errors.InvalidArgument):
    """The convening has no such session."""

    en, ar = "There is no session {session_id}", "لا توجد جلسة {session_id}"


class SessionsOverlap(errors.InvalidArgument):
    """The sessions are not one after the other."""

    field = "convening.sessions"
    en, ar = "Each session has to begin after the one before has ended", "يجب أن تبدأ كل جلسة بعد نهاية ما قبلها"


# -- convenings ----------------------------------------------------------------------------------------------------
class Kind(StrEnum):
    SEMINAR = "SEMINAR"
    WORKSHOP = "WORKSHOP"
    COURSE = "COURSE"
    CONFERENCE = "CONFERENCE"
    MEETING = "MEETING"


class Audience(StrEnum):
    EVERYBODY = "EVERYBODY"
    MEMBERS = "MEMBERS"


class ConveningState(StrEnum):
    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    CANCELLED = "CANCELLED"
    HELD = "HELD"


_CONVENING_SAID = {
    ConveningState.DRAFT: ("a draft", "مسودة"),
    ConveningState.PUBLISHED: ("published", "منشورة"),
    ConveningState.CANCELLED: ("cancelled", "ملغاة"),
    ConveningState.HELD: ("over", "منتهية"),
}


class Session(Struct, frozen=True, kw_only=True):
    """A time at which people come together. `session_id` names it in calendars, for ever."""

    start_time: datetime
    end_time: datetime
    session_id: str = ""


class Convening(Struct, frozen=True, kw_only=True):
    """`sequence` counts what calendars have to be told of since it was published; `tokens` are what it is found by.

    `removed_sessions`: those that were taken out since then, which are in people's calendars.
    """

    convening_id: str
    organizer_id: str
    kind: Kind
    state: ConveningState
    title: LocalizedText
    sessions: tuple[Session, ...]
    time_zone: str
    capacity: int
    audience: Audience
    create_time: datetime
    update_time: datetime
    description: LocalizedText | None = None
    place_code: str = ""
    address: LocalizedText | None = None
    online_uri: str = ""
    approval_required: bool = False
    accept_seconds: int = 0
    cancel_reason: LocalizedText | None = None
    sequence: int = 0
    publish_time: datetime | None = None
    removed_sessions: tuple[Session, ...] = ()
    tokens: tuple[str, ...] = ()
    version: int = 0

    def __post_init__(self) -> None:
        if not all(one.session_id for one in self.sessions):  # stored before they had ids, when a UID was a position
            ids = [_session_id(self.convening_id, number) for number in range(1, len(self.sessions) + 1)]
            named = (replace(one, session_id=name) for one, name in zip(self.sessions, ids, strict=True))
            force_setattr(self, "sessions", tuple(named))

    @property
    def start_time(self) -> datetime:
        return self.sessions[0].start_time

    @property
    def end_time(self) -> datetime:
        return self.sessions[-1].end_time

    def accept_by(self, at: datetime) -> datetime:
        """Until when a seat that is offered now can be accepted: never after the beginning."""
        life = timedelta(seconds=self.accept_seconds) if self.accept_seconds else ACCEPT_LIFE
        return min(at + life, self.start_time)

    def change(self, *, at: datetime, **changes: object) -> "Convening":
        """A published one whose times, place or title change has another sequence. Raises ConveningInOtherState."""
        self._expect(ConveningState.DRAFT, ConveningState.PUBLISHED)
        after = replace(self, update_time=at, **changes)
        if self.state is ConveningState.PUBLISHED and _in_calendars(after) != _in_calendars(self):
            kept = {one.session_id for one in after.sessions}
            removed = (*self.removed_sessions, *(one for one in self.sessions if one.session_id not in kept))
            after = replace(after, sequence=self.sequence + 1, removed_sessions=removed)
        return after

    def publish(self, *, at: datetime) -> "Convening":
        """Raises ConveningInOtherState, TimePassed."""
        self._expect(ConveningState.DRAFT)
        if at >= self.start_time:
            raise TimePassed(field="convening.sessions[0].start_time")
        return replace(self, state=ConveningState.PUBLISHED, publish_time=at, update_time=at)

    def cancel(self, *, reason: LocalizedText, at: datetime) -> "Convening":
        """Raises ConveningInOtherState."""
        self._expect(ConveningState.PUBLISHED)
        return replace(
            self,
            state=ConveningState.CANCELLED,
            cancel_reason=reason,
            sequence=self.sequence + 1,
            update_time=at,
        )

    def hold(self, *, at: datetime) -> "Convening":
        """Raises ConveningInOtherState."""
        self._expect(ConveningState.PUBLISHED)
        return replace(self, state=ConveningState.HELD, update_time=at)

    def check_published(self) -> None:
        """Registrations change only then. Raises ConveningInOtherState."""
        self._expect(ConveningState.PUBLISHED)

    def check_open(self, at: datetime) -> None:
        """Can people register? Raises ConveningInOtherState, ConveningBegun."""
        self._expect(ConveningState.PUBLISHED)
        if at >= self.start_time:
            raise ConveningBegun

    def _expect(self, *states: ConveningState) -> None:
        if self.state not in states:
            english, arabic = _CONVENING_SAID[self.state]
            raise ConveningInOtherState(state=self.state.name, state_en=english, state_ar=arabic)


def _in_calendars(one: Convening) -> tuple[object, ...]:
    return one.sessions, one.time_zone, one.title, one.place_code, one.address


def identified(convening_id: str, given: Sequence[Session], *, before: Convening | None = None) -> tuple[Session, ...]:
    """`given` in place of the sessions of `before`; one without id is new. An id is never the caller's choice.

    Where none has an id, one is known by its times; if they are as many as before, the others have moved, in their
    order. Raises SessionUnknown.
    """
    known = {one.session_id: _times(one) for one in before.sessions} if before else {}
    used = [*known, *(one.session_id for one in before.removed_sessions)] if before else []
    if not any(one.session_id for one in given):
        same = {times: session_id for session_id, times in known.items()}
        ids = [same.pop(_times(one), "") for one in given]
        moved = iter([one for one in known if one not in ids] if len(given) == len(known) else [])
        given = [replace(one, session_id=name or next(moved, "")) for one, name in zip(given, ids, strict=True)]
    numbers = itertools.count(max(map(_session_number, used), default=0) + 1)
    found = []
    for number, one in enumerate(given):
        if one.session_id and known.pop(one.session_id, None) is None:
            raise SessionUnknown(field=f"convening.sessions[{number}].session_id", session_id=one.session_id)
        found.append(one if one.session_id else replace(one, session_id=_session_id(convening_id, next(numbers))))
    return tuple(found)


def check_to_come(before: Sequence[Session], after: Sequence[Session], *, at: datetime) -> None:
    """Each time that changes has to be to come; what has begun may stay as it is. Raises TimePassed."""
    known = {one.session_id: one for one in before}
    for number, one in enumerate(after):
        was = known.get(one.session_id)
        for name in ("start_time", "end_time"):
            time = getattr(one, name)
            if time <= at and time != getattr(was, name, None):
                raise TimePassed(field=f"convening.sessions[{number}].{name}")


def _times(session: Session) -> tuple[datetime, datetime]:
    return session.start_time, session.end_time


def _session_id(convening_id: str, number: int) -> str:
    """`c`, `c.2`, `c.3` …: as the UIDs that calendars have had since the beginning, so it never changes."""
    return f"{convening_id}.{number}" if number > 1 else convening_id


def _session_number(session_id: str) -> int:
    return int(session_id.partition(".")[2] or 1)


def check_times(sessions: tuple[Session, ...], time_zone: str) -> None:
    """Raises TimeOutOfRange, SessionsOverlap, EndsBeforeItStarts, TimeZoneUnknown."""
    for number, session in enumerate(sessions):
        for name in ("start_time", "end_time"):
            if not EARLIEST <= getattr(session, name) < LATEST:
                raise TimeOutOfRange(field=f"convening.sessions[{number}].{name}")
        if session.end_time <= session.start_time:
            raise errors.EndsBeforeItStarts(field=f"convening.sessions[{number}].end_time")
        if number and session.start_time < sessions[number - 1].end_time:
            raise SessionsOverlap
    if time_zone not in _time_zones():
        raise TimeZoneUnknown(name=time_zone)


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - NO_PLACES  # looks through the folders of the database: 5 ms


# -- calendar feeds ------------------------------------------------------------------------------------------------
class CalendarFeed(Struct, frozen=True, kw_only=True):
    """A secret address of an account, which calls it `label`; only the digest of its token is kept."""

    calendar_feed_id: str
    account_id: str
    label: str
    digest: str
    create_time: datetime
    version: int = 0

    @property
    def token(self) -> str:
        """It was told once, and is not known any more."""
        return ""
