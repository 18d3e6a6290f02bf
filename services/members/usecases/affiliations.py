"""Affiliations: who belongs to which organization."""

from collections.abc import Sequence
from typing import Any

import msgspec

from chassis import errors, pb
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from chassis.values import LocalizedText
from participants.model import COORDINATOR
from services.members import store
from services.members.affiliations import Affiliation, AffiliationExists, AffiliationRole, AffiliationState
from services.members.model import NotYours, Organization, Person
from services.members.usecases.directory import check_acts_for
from wasl.members.v1 import events_pb2


async def create_affiliation(tx: Tx, *, affiliation: dict[str, Any], by: Caller) -> Affiliation:
    """Ask for an affiliation, as one of its two sides or as a coordinator, and announce it.

    Raises PersonNotFound, OrganizationNotFound, NotYours, AffiliationExists, EndsBeforeItStarts.
    """
    person = await store.get(tx, Person, affiliation["person_id"])
    organization = await store.get(tx, Organization, affiliation["organization_id"])
    if person.account_id != by.subject:
        await check_acts_for(tx, organization, by)
    if await store.find_open_affiliation(tx, person_id=person.person_id, organization_id=organization.organization_id):
        raise AffiliationExists
    asked = Affiliation(
        affiliation_id=new_id(),
        person_id=person.person_id,
        organization_id=organization.organization_id,
        account_id=person.account_id,
        role=AffiliationRole(affiliation["role"]),
        state=AffiliationState.REQUESTED,
        create_time=tx.now,
        start_time=affiliation.get("start_time"),
        end_time=affiliation.get("end_time"),
    )
    asked.check_times()
    made = await store.add(tx, asked)
    _announce_affiliation(tx, events_pb2.AffiliationRequested, made)
    return made


async def get_affiliation(tx: Tx, *, affiliation_id: str, by: Caller) -> Affiliation:
    """As the caller may see it. Raises AffiliationNotFound."""
    return (await _seen(tx, [await store.get(tx, Affiliation, affiliation_id)], by))[0]


async def list_affiliations(
    tx: Tx,
    *,
    page_size: int,
    page_token: str,
    person_id: str,
    organization_id: str,
    by: Caller,
    state: str | None = None,
) -> Page[Affiliation]:
    """In the order in which they were asked for, as the caller may see them."""
    found = await store.list_affiliations(
        tx,
        person_id=person_id,
        organization_id=organization_id,
        state=state,
        page_size=page_size,
        page_token=page_token,
    )
    return msgspec.structs.replace(found, items=await _seen(tx, found.items, by))


async def _seen(tx: Tx, affiliations: Sequence[Affiliation], by: Caller) -> list[Affiliation]:
    """Why one was declined is for its two sides and for coordinators."""
    seen = []
    for one in affiliations:
        if one.decline_reason and one.account_id != by.subject and COORDINATOR not in by.roles:
            try:
                await check_acts_for(tx, await store.get(tx, Organization, one.organization_id), by)
            except NotYours:
                one = msgspec.structs.replace(one, decline_reason=None)  # noqa: PLW2901
        seen.append(one)
    return seen


async def confirm_affiliation(tx: Tx, *, affiliation_id: str, etag: str) -> Affiliation:
    """Let it hold, and announce it. Raises AffiliationInOtherState, AffiliationOver."""
    before = await store.get(tx, Affiliation, affiliation_id)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.confirm(at=tx.now))
    _announce_affiliation(tx, events_pb2.AffiliationConfirmed, after)
    return after


async def decline_affiliation(tx: Tx, *, affiliation_id: str, decline_reason: dict[str, str], etag: str) -> Affiliation:
    """Do not confirm it, with a reason, and announce that (without the reason)."""
    before = await store.get(tx, Affiliation, affiliation_id)
    errors.check_etag(before.version, etag)
    reason = msgspec.convert(decline_reason, LocalizedText)
    after = await store.save(tx, before.decline(reason=reason))
    _announce_affiliation(tx, events_pb2.AffiliationDeclined, after)
    return after


async def end_affiliation(tx: Tx, *, affiliation_id: str, etag: str, by: Caller) -> Affiliation:
    """End it, or take it back, and announce that. Raises NotYours."""
    before = await store.get(tx, Affiliation, affiliation_id)
    if before.account_id != by.subject:
        await check_acts_for(tx, await store.get(tx, Organization, before.organization_id), by)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.end())
    _announce_affiliation(tx, events_pb2.AffiliationEnded, after)
    return after


AffiliationEvent = (
    type[events_pb2.AffiliationRequested]
    | type[events_pb2.AffiliationConfirmed]
    | type[events_pb2.AffiliationDeclined]
    | type[events_pb2.AffiliationEnded]
)


def _announce_affiliation(tx: Tx, kind: AffiliationEvent, affiliation: Affiliation) -> None:
    summary = pb.to_pb(events_pb2.AffiliationSummary, affiliation)
    tx.emit(kind(affiliation=summary), subject=affiliation.affiliation_id, sequence=affiliation.version)
