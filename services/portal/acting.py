"""Whom the visitor acts for: himself or herself as a member, and the organizations that he or she represents."""

import msgspec

from services.portal.visit import Visit
from wasl.members.v1 import affiliations_pb2 as a
from wasl.members.v1 import members_pb2 as m
from wasl.type.v1.localized_text_pb2 import LocalizedText


class Acting(msgspec.Struct, frozen=True):
    """`person_id` is "" for who has not joined as a person; `organizations`: names by id."""

    person_id: str
    organizations: dict[str, LocalizedText]

    @property
    def ids(self) -> list[str]:
        return [one for one in (self.person_id, *self.organizations) if one]


async def acting(visit: Visit) -> Acting:
    """Raises SignInNeeded, Refused."""
    session = visit.signed_in()
    mine = await visit.call(
        visit.members.ListApplications,
        m.ListApplicationsRequest(account_id=session.account_id, state=m.Application.APPROVED, page_size=200),
    )
    person_id = next((one.member_id for one in mine.applications if one.HasField("person")), "")
    organizations = {
        one.member_id: one.organization.display_name for one in mine.applications if one.HasField("organization")
    }
    if person_id:
        request = a.ListAffiliationsRequest(person_id=person_id, page_size=200)
        found = (await visit.call(visit.members.ListAffiliations, request)).affiliations
        represented = [
            one.organization_id
            for one in found
            if (one.role, one.state) == (a.Affiliation.REPRESENTATIVE, a.Affiliation.CONFIRMED)
            and one.organization_id not in organizations
        ]
        organizations |= await names(visit, represented)
    return Acting(person_id, organizations)


async def names(visit: Visit, organization_ids: list[str]) -> dict[str, LocalizedText]:
    """Of these organizations, those that are there. Raises as `visit.call`."""
    asked = {one: m.GetOrganizationRequest(organization_id=one) for one in organization_ids}
    found = await visit.each(visit.members.GetOrganization, asked)
    return {key: one.profile.display_name for key, one in found.items()}
