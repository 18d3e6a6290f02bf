"""Participants and their affiliations. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from chassis import errors
from chassis.values import LocalizedText

MEMBER, COORDINATOR = "member", "coordinator"  # roles, as the contract names them


class ParticipantNotFound(errors.NotFound):
    """No such participant; a new member takes a moment to arrive."""

    en, ar = "There is no such participant", "لا يوجد مشارك كهذا"


class NoParticipant(errors.PermissionDenied):
    """The caller is no person of the network, and names no organization to act for."""

    en = "Only people of the network may do this in their own name; if you act for an organization, name it"
    ar = "هذا متاح لأشخاص الشبكة بأسمائهم؛ وإن كنت تمثّل منظمة فحدّدها"


class NotActingFor(errors.PermissionDenied):
    """The caller is no representative of the organization, at least not now."""

    en = "You do not act for this organization: a coordinator has to confirm you as its representative"
    ar = "لا تمثّل هذه المنظمة: يلزم أن يؤكّد منسّق أنك ممثل لها"


class ParticipantKind(StrEnum):
    PERSON = "PERSON"
    ORGANIZATION = "ORGANIZATION"


class Participant(Struct, frozen=True, kw_only=True):
    """A member of the network as others see it; `version` is the member's, `account_id` who signs in for it.

    `tokens` are what it is found by (store.py).
    """

    participant_id: str
    kind: ParticipantKind
    display_name: LocalizedText
    join_time: datetime
    account_id: str = ""
    place_code: str = ""
    organization_type_code: str = ""
    tokens: tuple[str, ...] = ()
    version: int = 0


class Affiliation(Struct, frozen=True, kw_only=True):
    """A person's tie to an organization; `account_id` is the person's, `version` the affiliation's."""

    affiliation_id: str
    organization_id: str
    account_id: str
    role: str
    state: str
    start_time: datetime | None = None
    end_time: datetime | None = None
    version: int = 0


class Tie(Protocol):
    """An affiliation, whoever keeps it."""

    @property
    def role(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def start_time(self) -> datetime | None: ...
    @property
    def end_time(self) -> datetime | None: ...


def lets_act(tie: Tie, at: datetime) -> bool:
    """Only a confirmed representative acts for the organization, from its start to its end."""
    return (
        (tie.role, tie.state) == ("REPRESENTATIVE", "CONFIRMED")
        and (tie.start_time is None or tie.start_time <= at)
        and (tie.end_time is None or at < tie.end_time)
    )
