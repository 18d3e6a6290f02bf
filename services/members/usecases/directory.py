"""People and organizations, and the network in figures."""

from typing import Any

import msgspec
from msgspec.structs import replace

import vocabularies
from chassis import errors, pb
from chassis.call import Caller
from chassis.paging import Page
from chassis.tx import Tx
from services.members import store
from services.members.model import (
    Organization,
    OrganizationProfile,
    Person,
    PersonProfile,
    Statistics,
    check_owner,
)
from wasl.members.v1 import events_pb2
from wasl.type.v1 import localized_text_pb2


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
    tx: Tx, *, page_size: int, page_token: str, place_code: str, query: str
) -> Page[Organization]:
    """In the order in which they joined."""
    return await store.list_organizations(
        tx, page_size=page_size, page_token=page_token, place_code=place_code, query=query
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


def _changed(noun: str, profile: Any, given: dict[str, Any], mask: tuple[str, ...]) -> Any:
    """`profile` with what the mask names of `given`; an empty mask is all of it.

    Raises FieldNotChangeable, CodeUnknown.
    """
    kind = type(profile)
    fields = {"profile", *(f"profile.{name}" for name in kind.__struct_fields__)}
    for path in mask:
        if path not in fields:
            raise errors.FieldNotChangeable(path=path)
    if mask and "profile" not in mask:
        named = {path.partition(".")[2] for path in mask}
        kept = {name: value for name, value in msgspec.to_builtins(profile).items() if name not in named}
        given = {**kept, **{name: given[name] for name in named if name in given}}
    after = msgspec.convert(given, kind)
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
    if not any(tie.lets_act(tx.now) for tie in ties):
        check_owner(organization, by)


async def get_statistics(tx: Tx) -> Statistics:
    """Count the network."""
    return await store.count_network(tx)


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
