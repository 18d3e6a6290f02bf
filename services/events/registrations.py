"""Seats, registrations and the waiting list: states, transitions and their errors. Pure."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chassis import errors


# -- errors --------------------------------------------------------------------------------------------------------
class RegistrationNotFound(errors.NotFound):
    """No such registration, or not the caller's."""

    en, ar = "There is no such registration", "لا يوجد تسجيل كهذا"


class RegistrationInOtherState(errors.FailedPrecondition):
    """The registration is not in a state in which this can be done."""

    en, ar = "This is not possible while the registration is {state_en}", "لا يمكن ذلك والتسجيل {state_ar}"


class RegistrationExists(errors.AlreadyExists):
    """The caller is registered already."""

    en, ar = "You are registered for this already", "أنت مسجّل في هذه الفعالية"


class BelowSeatsTaken(errors.FailedPrecondition):
    """There cannot be fewer seats than are taken."""

    field = "convening.capacity"
    en, ar = "Seats that are taken: {taken}", "المقاعد المشغولة: {taken}"


# -- seats and registrations ---------------------------------------------------------------------------------------
class Seats(Struct, frozen=True, kw_only=True):
    """The seats of a convening: `taken` never passes its capacity; `entries` is the number of the last who registered.

    Everything that gives or frees a seat, or changes the waiting list, saves this: so one goes after the other.
    """

    convening_id: str
    taken: int = 0
    entries: int = 0
    version: int = 0

    def has_room(self, capacity: int) -> bool:
        return self.taken < capacity

    def check_fits(self, capacity: int) -> None:
        """Raises BelowSeatsTaken."""
        if capacity < self.taken:
            raise BelowSeatsTaken(taken=self.taken)

    def enter(self) -> "Seats":
        return replace(self, entries=self.entries + 1)

    def take(self) -> "Seats":
        return replace(self, taken=self.taken + 1)

    def free(self) -> "Seats":
        return replace(self, taken=self.taken - 1)


class RegistrationState(StrEnum):
    REQUESTED = "REQUESTED"
    WAITING = "WAITING"
    OFFERED = "OFFERED"
    ADMITTED = "ADMITTED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    LAPSED = "LAPSED"


HAS_SEAT = (RegistrationState.OFFERED, RegistrationState.ADMITTED)
LIVE = (RegistrationState.REQUESTED, RegistrationState.WAITING, *HAS_SEAT)
_REGISTRATION_SAID = {
    RegistrationState.REQUESTED: ("waiting for the organizer", "بانتظار المنظِّم"),
    RegistrationState.WAITING: ("on the waiting list", "في قائمة الانتظار"),
    RegistrationState.OFFERED: ("an offered seat", "مقعد معروض"),
    RegistrationState.ADMITTED: ("a seat", "مقعد محجوز"),
    RegistrationState.DECLINED: ("declined", "مرفوض"),
    RegistrationState.WITHDRAWN: ("withdrawn", "مسحوب"),
    RegistrationState.LAPSED: ("lapsed", "منتهي المهلة"),
}


class Registration(Struct, frozen=True, kw_only=True):
    """Somebody's wish to come; `entry` is its place in the order of all."""

    registration_id: str
    convening_id: str
    account_id: str
    entry: int
    state: RegistrationState
    create_time: datetime
    update_time: datetime
    accept_by_time: datetime | None = None
    participant_id: str = ""
    version: int = 0

    def admit(self, *, at: datetime) -> "Registration":
        """Raises RegistrationInOtherState."""
        return self._to(RegistrationState.ADMITTED, RegistrationState.REQUESTED, at=at)

    def queue(self, *, at: datetime) -> "Registration":
        """Raises RegistrationInOtherState."""
        return self._to(RegistrationState.WAITING, RegistrationState.REQUESTED, at=at)

    def offer(self, *, accept_by: datetime, at: datetime) -> "Registration":
        """Raises RegistrationInOtherState."""
        return replace(self._to(RegistrationState.OFFERED, RegistrationState.WAITING, at=at), accept_by_time=accept_by)

    def accept(self, *, at: datetime) -> "Registration":
        """Raises RegistrationInOtherState."""
        return self._to(RegistrationState.ADMITTED, RegistrationState.OFFERED, at=at)

    def decline(self, *, at: datetime) -> "Registration":
        """Raises RegistrationInOtherState."""
        return self._to(RegistrationState.DECLINED, RegistrationState.REQUESTED, at=at)

    def withdraw(self, *, at: datetime) -> "Registration":
        """Raises RegistrationInOtherState."""
        return self._to(RegistrationState.WITHDRAWN, *LIVE, at=at)

    def lapse(self, *, at: datetime) -> "Registration":
        """Raises RegistrationInOtherState."""
        return self._to(RegistrationState.LAPSED, RegistrationState.OFFERED, at=at)

    def _to(self, target: RegistrationState, *states: RegistrationState, at: datetime) -> "Registration":
        if self.state not in states:
            english, arabic = _REGISTRATION_SAID[self.state]
            raise RegistrationInOtherState(state=self.state.name, state_en=english, state_ar=arabic)
        return replace(self, state=target, update_time=at)
