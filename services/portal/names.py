"""Names by id, of those that are there and that the visitor may know. All raise as `Visit.call`."""

from collections.abc import Iterable

from services.portal.visit import Visit
from wasl.matching.v1 import matching_pb2 as participants_pb
from wasl.members.v1 import members_pb2 as m
from wasl.type.v1.localized_text_pb2 import LocalizedText


async def organizations_named(visit: Visit, ids: Iterable[str], seconds: float = 0) -> dict[str, LocalizedText]:
    asked = {one: m.GetOrganizationRequest(organization_id=one) for one in ids if one}
    found = await visit.each(visit.members.GetOrganization, asked, seconds)
    return {key: one.profile.display_name for key, one in found.items()}


async def people_named(visit: Visit, ids: Iterable[str]) -> dict[str, LocalizedText]:
    """Members see people."""
    if not visit.may("member", "coordinator"):
        return {}
    asked = {one: m.GetPersonRequest(person_id=one) for one in ids if one}
    found = await visit.each(visit.members.GetPerson, asked)
    return {key: one.profile.display_name for key, one in found.items()}


async def members_named(visit: Visit, ids: Iterable[str]) -> dict[str, LocalizedText]:
    """Organizations and people."""
    wanted = set(ids)
    named = await organizations_named(visit, wanted)
    return named | await people_named(visit, wanted - named.keys())


async def participants_named(visit: Visit, ids: Iterable[str]) -> dict[str, LocalizedText]:
    """The same as matching knows them; to who is no member only organizations, and none while members is away."""
    if not visit.may("member", "coordinator"):
        return await visit.unless_away(organizations_named(visit, ids, visit.services.config.part_seconds)) or {}
    asked = {one: participants_pb.GetParticipantRequest(participant_id=one) for one in ids if one}
    found = await visit.each(visit.matching.GetParticipant, asked)
    return {key: one.display_name for key, one in found.items()}
