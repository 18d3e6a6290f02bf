"""Participants. Pure."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chassis import errors
from chassis.values import LocalizedText


class ParticipantNotFound(errors.NotFound):
    """No such participant; a new member takes a moment to arrive."""

    en, ar = "There is no such participant", "لا يوجد مشارك كهذا"


class ParticipantKind(StrEnum):
    PERSON = "PERSON"
    ORGANIZATION = "ORGANIZATION"


class Participant(Struct, frozen=True, kw_only=True):
    """A member of the network as matching sees it; `version` is the member's."""

    participant_id: str
    kind: ParticipantKind
    display_name: LocalizedText
    join_time: datetime
    place_code: str = ""
    organization_type_code: str = ""
    version: int = 0
