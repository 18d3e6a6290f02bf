"""Whom the visitor acts for: himself or herself as a member, and the organizations that he or she represents."""

import msgspec

from services.portal.names import organizations_named
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
        organizations |= await organizations_named(visit, represented)
    return Acting(person_id, organizations)


async def acts_for(visit: Visit, member_id: str) -> bool:
    """Does the visitor act for this member? Not as long as members is away. Raises as `visit.call`."""
    known = await visit.unless_away(acting(visit)) if visit.session else None
    return known is not None and member_id in known.ids
