"""Accounts, sessions, applications, people, organizations and figures: their states, transitions and errors. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from chassis import errors
from chassis.call import Caller
from chassis.ids import time_of
from chassis.values import LocalizedText
from participants.model import COORDINATOR

KEPT_TOKENS = 200  # exchanged refresh tokens that a session still recognises when they come back


# -- errors --------------------------------------------------------------------------------------------------------
class EmailTaken(errors.AlreadyExists):
    """There is an account with this e-mail."""

    field = "account.email"
    en, ar = (
        "There is an account with this e-mail: sign in",
        "لهذا البريد حساب قائم: سجّل الدخول",
    )


class CredentialsWrong(errors.Unauthenticated):
    """E-mail or password; which of them is not told."""

    en, ar = "E-mail or password is wrong", "البريد أو كلمة المرور غير صحيحة"


class SessionEnded(errors.Unauthenticated):
    """The refresh token is unknown, used, revoked or has run out."""

    en, ar = "Your session has ended, sign in again", "انتهت جلستك، سجّل الدخول من جديد"


class SessionNotFound(errors.NotFound):
    """No such session, or not the caller's."""

    en, ar = "There is no such session", "لا توجد جلسة كهذه"


class AccountNotFound(errors.NotFound):
    """No such account, or not the caller's."""

    en, ar = "There is no such account", "لا يوجد حساب كهذا"


class OwnRole(errors.FailedPrecondition):
    """Nobody takes a role from himself or herself: the last coordinator would lock the network."""

    en = "You cannot take a role from yourself: ask another coordinator"
    ar = "لا يمكنك سحب دور من نفسك: اطلب ذلك من منسّق آخر"


class PersonAlready(errors.AlreadyExists):
    """The account has joined as a person before; it may still apply for organizations."""

    en = "This account has joined as a person already"
    ar = "انضم صاحب هذا الحساب من قبل"


class ApplicationNotFound(errors.NotFound):
    """No such application, or not the caller's."""

    en, ar = "There is no such application", "لا يوجد طلب كهذا"


class PersonNotFound(errors.NotFound):
    """No such person."""

    en, ar = "There is no such person", "لا يوجد شخص كهذا"


class OrganizationNotFound(errors.NotFound):
    """No such organization."""

    en, ar = "There is no such organization", "لا توجد منظمة كهذه"


class NotYours(errors.PermissionDenied):
    """Only the owner or a coordinator may change it."""

    en, ar = (
        "Only its owner or a coordinator may change this",
        "التعديل لصاحبه أو لمنسّق فقط",
    )


class ApplicationInOtherState(errors.FailedPrecondition):
    """The application is not in a state from which this can be done."""

    en, ar = (
        "This is not possible while the application is {state_en}",
        "لا يمكن ذلك والطلب {state_ar}",
    )


# -- accounts and sessions -----------------------------------------------------------------------------------------
class Account(Struct, frozen=True, kw_only=True):
    """`email` is in lower case; `password_hash` is argon2id's encoded form."""

    account_id: str
    email: str
    password_hash: str
    create_time: datetime
    roles: tuple[str, ...] = ()
    version: int = 0

    def with_role(self, role: str) -> "Account":
        return self if role in self.roles else replace(self, roles=(*self.roles, role))

    def without_role(self, role: str, *, by: Caller) -> "Account":
        """Raises OwnRole."""
        if by.subject == self.account_id:
            raise OwnRole
        return replace(self, roles=tuple(one for one in self.roles if one != role))


class Session(Struct, frozen=True, kw_only=True):
    """A chain of refresh tokens from one sign-in. Only digests are kept; `used` are those that were exchanged."""

    session_id: str
    account_id: str
    current: str
    expire_time: datetime
    refresh_time: datetime | None = None
    client: str = ""
    used: tuple[str, ...] = ()
    revoked: bool = False
    version: int = 0

    @property
    def create_time(self) -> datetime:
        return time_of(self.session_id)

    def refresh(self, digest: str, following: str, *, at: datetime, life: timedelta) -> "Session":
        """The next link of the chain. An exchanged token that comes back was stolen, here or there: the chain ends."""
        if digest != self.current:
            return self.revoke()
        return replace(
            self,
            current=following,
            used=(*self.used, digest)[-KEPT_TOKENS:],
            refresh_time=at,
            expire_time=at + life,
        )

    def revoke(self) -> "Session":
        return replace(self, revoked=True)

    def alive(self, at: datetime) -> bool:
        return not self.revoked and at < self.expire_time


# -- applications --------------------------------------------------------------------------------------------------
class Occupation(StrEnum):
    TEACHER = "TEACHER"
    EXPERT = "EXPERT"
    STUDENT = "STUDENT"
    OTHER = "OTHER"


class PersonProfile(Struct, frozen=True, kw_only=True):
    """`place_code` is a P-code (OCHA COD-AB) or empty; the contract takes no `of_age` but true."""

    display_name: LocalizedText
    of_age: bool
    occupation: Occupation | None = None
    place_code: str = ""


class OrganizationProfile(Struct, frozen=True, kw_only=True):
    """`type_code` is an OCHA organisation type; `place_code` a P-code or empty."""

    display_name: LocalizedText
    type_code: str
    place_code: str = ""
    homepage_uri: str = ""


class ApplicationState(StrEnum):
    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    UNDER_REVIEW = "UNDER_REVIEW"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"


_SAID = {
    ApplicationState.DRAFT: ("a draft", "مسودة"),
    ApplicationState.SUBMITTED: ("submitted", "مقدَّم"),
    ApplicationState.UNDER_REVIEW: ("under review", "قيد المراجعة"),
    ApplicationState.APPROVED: ("approved", "مقبول"),
    ApplicationState.REJECTED: ("rejected", "مرفوض"),
    ApplicationState.WITHDRAWN: ("withdrawn", "مسحوب"),
}
UNDECIDED = (ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW)


class Application(Struct, frozen=True, kw_only=True):
    """A wish to join; exactly one of `person` and `organization` is there."""

    application_id: str
    account_id: str
    state: ApplicationState
    create_time: datetime
    person: PersonProfile | None = None
    organization: OrganizationProfile | None = None
    statement: LocalizedText | None = None
    reject_reason: LocalizedText | None = None
    member_id: str = ""
    submit_time: datetime | None = None
    decide_time: datetime | None = None
    version: int = 0

    def seen_by(self, caller: Caller) -> "Application":
        """The application, if the caller may know of it: its applicant, or a coordinator once it is no draft.

        Raises ApplicationNotFound, so that nobody learns from the answer which ids exist.
        """
        open_to_coordinators = self.state is not ApplicationState.DRAFT and COORDINATOR in caller.roles
        if caller.subject == self.account_id or open_to_coordinators:
            return self
        raise ApplicationNotFound

    def owned_by(self, caller: Caller) -> "Application":
        """The application, if the caller is its applicant. Raises ApplicationNotFound or NotYours."""
        if self.seen_by(caller).account_id != caller.subject:
            raise NotYours
        return self

    def change(self, **changes: object) -> "Application":
        """Raises ApplicationInOtherState unless it is a draft."""
        self._expect(ApplicationState.DRAFT)
        return replace(self, **changes)

    def submit(self, *, at: datetime) -> "Application":
        """Raises ApplicationInOtherState."""
        self._expect(ApplicationState.DRAFT)
        return replace(self, state=ApplicationState.SUBMITTED, submit_time=at)

    def review(self) -> "Application":
        """Raises ApplicationInOtherState."""
        self._expect(ApplicationState.SUBMITTED)
        return replace(self, state=ApplicationState.UNDER_REVIEW)

    def approve(self, *, member_id: str, at: datetime) -> "Application":
        """Raises ApplicationInOtherState."""
        self._expect(*UNDECIDED)
        return replace(self, state=ApplicationState.APPROVED, member_id=member_id, decide_time=at)

    def member(self) -> "Person | Organization":
        """Whom an approved application makes a member. Raises ApplicationInOtherState."""
        self._expect(ApplicationState.APPROVED)
        joined: Any = {"account_id": self.account_id, "join_time": self.decide_time, "update_time": self.decide_time}
        if self.person is not None:
            return Person(person_id=self.member_id, profile=self.person, **joined)
        profile = cast("OrganizationProfile", self.organization)  # exactly one is there
        return Organization(organization_id=self.member_id, profile=profile, **joined)

    def reject(self, *, reason: LocalizedText, at: datetime) -> "Application":
        """Raises ApplicationInOtherState."""
        self._expect(*UNDECIDED)
        return replace(self, state=ApplicationState.REJECTED, reject_reason=reason, decide_time=at)

    def withdraw(self) -> "Application":
        """Raises ApplicationInOtherState."""
        self._expect(ApplicationState.DRAFT, *UNDECIDED)
        return replace(self, state=ApplicationState.WITHDRAWN)

    def _expect(self, *states: ApplicationState) -> None:
        if self.state not in states:
            english, arabic = _SAID[self.state]
            raise ApplicationInOtherState(state=self.state.name, state_en=english, state_ar=arabic)


# -- members -------------------------------------------------------------------------------------------------------
class Person(Struct, frozen=True, kw_only=True):
    """A person of the network; `tokens` are what it is found by (store.py)."""

    person_id: str
    account_id: str
    profile: PersonProfile
    join_time: datetime
    update_time: datetime
    tokens: tuple[str, ...] = ()
    version: int = 0


class Organization(Struct, frozen=True, kw_only=True):
    """An organization of the network; `account_id` applied for it. `tokens` are what it is found by (store.py)."""

    organization_id: str
    account_id: str
    profile: OrganizationProfile
    join_time: datetime
    update_time: datetime
    tokens: tuple[str, ...] = ()
    version: int = 0


def check_owner(member: Person | Organization, caller: Caller) -> None:
    """Raises NotYours unless the caller is the member's account or a coordinator."""
    if member.account_id != caller.subject and COORDINATOR not in caller.roles:
        raise NotYours


# -- figures -------------------------------------------------------------------------------------------------------
class Statistics(Struct, frozen=True, kw_only=True):
    """The network in figures."""

    people_count: int
    organization_count: int
    governorate_count: int
    open_application_count: int


class Month(Struct, frozen=True, kw_only=True):
    """How many joined in the month that begins at `start_time`."""

    start_time: datetime
    people_count: int
    organization_count: int


class Growth(Struct, frozen=True, kw_only=True):
    """`months` follow each other without a gap."""

    months: tuple[Month, ...]


def last_months(count: int, *, until: datetime) -> list[datetime]:
    """The beginnings of `count` months, that of `until` last."""
    last = until.year * 12 + until.month - 1
    return [datetime(at // 12, at % 12 + 1, 1, tzinfo=until.tzinfo) for at in range(last - count + 1, last + 1)]
