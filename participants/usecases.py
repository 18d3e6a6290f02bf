"""What a service does with the participants: keep them, show them, and ask whom a caller acts for."""

from typing import Any

from chassis import events, pb
from chassis.call import Caller
from chassis.paging import Page
from chassis.tx import Tx
from chassis.values import LocalizedText
from participants import store
from participants.model import (
    COORDINATOR,
    MEMBER,
    Affiliation,
    NoParticipant,
    NotActingFor,
    Participant,
    ParticipantKind,
    lets_act,
)
from wasl.members.v1 import affiliations_pb2, events_pb2


async def show_participant(tx: Tx, *, member: events_pb2.Member, version: int) -> None:
    """Keep the newest public state of a member. Raises events.Invalid for what is none."""
    named = member.display_name.ar or member.display_name.en
    if not (member.member_id and named and member.kind and member.HasField("join_time")):
        raise events.Invalid("a member without id, name, kind or time")
    store.show_participant(
        tx,
        Participant(
            participant_id=member.member_id,
            kind=ParticipantKind(_name_of(events_pb2.MemberKind, member.kind)),
            display_name=LocalizedText(ar=member.display_name.ar, en=member.display_name.en),
            account_id=member.account_id,
            place_code=member.place_code,
            organization_type_code=member.organization_type_code,
            join_time=pb.moment(member.join_time),
            version=version,
        ),
    )


async def show_affiliation(tx: Tx, *, affiliation: events_pb2.AffiliationSummary, version: int) -> None:
    """Keep the newest public state of an affiliation. Raises events.Invalid for what is none."""
    known = affiliation.affiliation_id and affiliation.organization_id and affiliation.account_id
    if not (known and affiliation.role and affiliation.state):
        raise events.Invalid("an affiliation without id, organization, account, role or state")
    store.show_affiliation(
        tx,
        Affiliation(
            affiliation_id=affiliation.affiliation_id,
            organization_id=affiliation.organization_id,
            account_id=affiliation.account_id,
            role=_name_of(affiliations_pb2.Affiliation.Role, affiliation.role),
            state=_name_of(affiliations_pb2.Affiliation.State, affiliation.state),
            start_time=pb.moment(affiliation.start_time) if affiliation.HasField("start_time") else None,
            end_time=pb.moment(affiliation.end_time) if affiliation.HasField("end_time") else None,
            version=version,
        ),
    )


def _name_of(enum: Any, number: int) -> str:
    try:
        return str(enum.Name(number))
    except ValueError as error:  # a number that this process does not know: no retry helps
        raise events.Invalid(str(error)) from error


async def get_participant(tx: Tx, *, participant_id: str) -> Participant:
    """Raises ParticipantNotFound."""
    return await store.get_participant(tx, participant_id)


async def list_participants(
    tx: Tx, *, page_size: int, page_token: str, place_code: str, query: str, kind: str | None = None
) -> Page[Participant]:
    """In the order in which they joined the network."""
    return await store.list_participants(
        tx, kind=kind, place_code=place_code, query=query, page_size=page_size, page_token=page_token
    )


async def acting_for(tx: Tx, *, by: Caller, organization_id: str = "") -> Participant:
    """Whom the caller acts for: the organization if one is named, else himself or herself, as an independent.

    An organization's own account acts for it, and so do its confirmed representatives while their affiliation holds.
    Raises ParticipantNotFound, NotActingFor, NoParticipant.
    """
    if organization_id:
        organization = await store.get_participant(tx, organization_id)
        if organization.kind is ParticipantKind.ORGANIZATION and await _acts_for(tx, organization, by):
            return organization
        raise NotActingFor
    if person := await store.find_person(tx, by.subject):
        return person
    raise NoParticipant


def is_member(by: Caller) -> bool:
    """Does the caller see what is for members?"""
    return not by.roles.isdisjoint({MEMBER, COORDINATOR})


async def find_person(tx: Tx, *, by: Caller) -> Participant | None:
    """The caller as a person of the network."""
    return await store.find_person(tx, by.subject)


async def acts_for(tx: Tx, *, by: Caller, participant_id: str) -> bool:
    """Does the caller act for this participant, be it himself or herself or an organization?"""
    found = await store.find_participant(tx, participant_id)
    return found is not None and await _acts_for(tx, found, by)


async def _acts_for(tx: Tx, participant: Participant, by: Caller) -> bool:
    if not by.subject:
        return False  # nobody is signed in: no match for a member without an account
    if participant.account_id == by.subject:
        return True
    if participant.kind is ParticipantKind.PERSON:
        return False
    ties = await store.list_affiliations(tx, account_id=by.subject, organization_id=participant.participant_id)
    return any(lets_act(tie, tx.now) for tie in ties)
