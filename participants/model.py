"""Participants and their affiliations. Pure."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chassis import errors
from chassis.values import LocalizedText


class ParticipantNotFound(errors.NotFound):
    """No such participant; a new member takes a moment to arrive."""

    en, ar = "There is no such participant", "لا يوجد مشارك كهذا"


class NoParticipant(errors.PermissionDenied):
    """The caller is no person of the network, and names no organization to act for."""

    en = "Only people of the network may do this, or who acts for one of its organizations"
    ar = "هذا الإجراء لأشخاص الشبكة أو لمن يمثّل إحدى منظماتها"


class NotActingFor(errors.PermissionDenied):
    """The caller is no representative of the organization, at least not now."""

    en = "You do not act for this organization: a coordinator has to confirm you as its representative"
    ar = "لا تمثّل هذه المنظمة: يلزم أن يؤكّد منسّق أنك ممثل لها"


class ParticipantKind(StrEnum):
    PERSON = "PERSON"
    ORGANIZATION = "ORGANIZATION"


class Participant(Struct, frozen=True, kw_only=True):
    """A member of the network as others see it; `version` is the member's, `account_id` who signs in for it."""

    participant_id: str
    kind: ParticipantKind
    display_name: LocalizedText
    join_time: datetime
    account_id: str = ""
    place_code: str = ""
    organization_type_code: str = ""
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

    def lets_act(self, at: datetime) -> bool:
        """May the person act for the organization at that moment?"""
        return (
            (self.role, self.state) == ("REPRESENTATIVE", "CONFIRMED")
            and (self.start_time is None or self.start_time <= at)
            and (self.end_time is None or at < self.end_time)
        )
