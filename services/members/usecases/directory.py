"""People and organizations, and the network in figures."""

from typing import Any

import msgspec
from msgspec.structs import replace

import vocabularies
from chassis import errors, masks, pb
from chassis.call import Caller
from chassis.paging import Page
from chassis.tx import Tx
from participants.model import lets_act
from services.members import store
from services.members.model import (
    Growth,
    Organization,
    OrganizationProfile,
    Person,
    PersonProfile,
    Statistics,
    check_owner,
    last_months,
)
from wasl.members.v1 import events_pb2
from wasl.type.v1 import localized_text_pb2

YEAR = 12  # months that a caller gets who names no number


async def get_person(tx: Tx, *, person_id: str) -> Person:
    """Raises PersonNotFound."""
    return await store.get(tx, Person, person_id)


async def list_people(tx: Tx, *, page_size: int, page_token: str, query: str) -> Page[Person]:
    """In the order in which they joined."""
    return await store.list_people(tx, page_size=page_size, page_token=page_token, query=query)


async def update_person(tx: Tx, *, person: dict[str, Any], by: Caller, update_mask: tuple[str, ...] = ()) -> Person:
    """Change a person's profile and announce it. Raises NotYours, FieldNotChangeable, VersionConflict, CodeUnknown."""
    before = await store.get(tx, Person, person["person_id"])
    check_owner(before, by)
    errors.check_etag(before.version, person["etag"])
    profile = _changed("person", before.profile, person.get("profile", {}), update_mask)
    after = await store.save(tx, store.searchable(replace(before, profile=profile, update_time=tx.now)))
    announce_member(tx, events_pb2.MemberUpdated, after)
    return after


async def get_organization(tx: Tx, *, organization_id: str) -> Organization:
    """Raises OrganizationNotFound."""
    return await store.get(tx, Organization, organization_id)


async def list_organizations(
    tx: Tx, *, page_size: int, page_token: str, place_code: str, type_code: str, query: str
) -> Page[Organization]:
    """In the order in which they joined."""
    return await store.list_organizations(
        tx, page_size=page_size, page_token=page_token, place_code=place_code, type_code=type_code, query=query
    )


async def update_organization(
    tx: Tx,
    *,
    organization: dict[str, Any],
    by: Caller,
    update_mask: tuple[str, ...] = (),
) -> Organization:
    """Change an organization's profile and announce it. Raises what update_person raises."""
    before = await store.get(tx, Organization, organization["organization_id"])
    await check_acts_for(tx, before, by)
    errors.check_etag(before.version, organization["etag"])
    profile = _changed("organization", before.profile, organization.get("profile", {}), update_mask)
    after = await store.save(tx, store.searchable(replace(before, profile=profile, update_time=tx.now)))
    announce_member(tx, events_pb2.MemberUpdated, after)
    return after


_REQUIRED = ("display_name", "of_age", "type_code")


def _changed(noun: str, profile: Any, given: dict[str, Any], mask: tuple[str, ...]) -> Any:
    """`profile` with what the mask names of `given`, or else what is given. Raises FieldNotChangeable, CodeUnknown."""
    kind = type(profile)
    fields = kind.__struct_fields__
    for path in mask:
        if path != "profile" and path.removeprefix("profile.") not in fields:
            raise errors.FieldNotChangeable(path=path)
    named = fields if "profile" in mask else tuple(path.removeprefix("profile.") for path in mask)
    changes = masks.chosen(given, named, of=fields, required=[name for name in _REQUIRED if name in fields])
    values = {**msgspec.to_builtins(profile), **changes}
    after = msgspec.convert({name: value for name, value in values.items() if value is not None}, kind)
    if after.place_code != profile.place_code:  # an older one stays as it is
        check_place(f"{noun}.profile", after)
    return after


def check_place(path: str, profile: PersonProfile | OrganizationProfile) -> None:
    """Raises CodeUnknown, which names the field in `path`."""
    if profile.place_code and vocabularies.find("places", profile.place_code) is None:
        raise errors.CodeUnknown(field=f"{path}.place_code", code=profile.place_code, vocabulary="places")


async def check_acts_for(tx: Tx, organization: Organization, by: Caller) -> None:
    """Raises NotYours unless the caller represents the organization, owns it or is a coordinator."""
    ties = await store.list_ties(tx, organization_id=organization.organization_id, account_id=by.subject)
    if not any(lets_act(tie, tx.now) for tie in ties):
        check_owner(organization, by)


async def get_statistics(tx: Tx) -> Statistics:
    """Count the network."""
    return await store.count_network(tx)


async def get_growth(tx: Tx, *, months: int) -> Growth:
    """Count who joined in each of the last months."""
    return await store.count_growth(tx, last_months(months or YEAR, until=tx.now))


def announce_member(
    tx: Tx, kind: type[events_pb2.MemberJoined | events_pb2.MemberUpdated], member: Person | Organization
) -> None:
    key, is_person = (member.person_id, True) if isinstance(member, Person) else (member.organization_id, False)
    announced = events_pb2.Member(
        member_id=key,
        kind=events_pb2.PERSON if is_person else events_pb2.ORGANIZATION,
        display_name=pb.to_pb(localized_text_pb2.LocalizedText, member.profile.display_name),
        place_code=member.profile.place_code,
        organization_type_code="" if isinstance(member, Person) else member.profile.type_code,
        join_time=pb.timestamp(member.join_time),
        update_time=pb.timestamp(member.update_time),
        account_id=member.account_id,
    )
    tx.emit(kind(member=announced), subject=key, sequence=member.version)
