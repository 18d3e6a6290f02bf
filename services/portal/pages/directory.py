"""The directory: organizations for everybody, people for members; one's own profile and affiliations."""

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import Response

from services.portal.acting import Acting, acting
from services.portal.names import organizations_named, people_named
from services.portal.visit import Visit
from wasl.events.v1 import convenings_pb2 as c
from wasl.members.v1 import affiliations_pb2 as a
from wasl.members.v1 import members_pb2 as m
from wasl.resources.v1 import resources_pb2 as r

WHOLE = FieldMask(paths=["profile"])  # what a form left empty is to be empty


# -- organizations -------------------------------------------------------------------------------------------------
async def organizations(visit: Visit) -> Response:
    """The network's organizations, by words, type and place."""
    searchable, words = _words(visit, m.ListOrganizationsRequest)
    request = m.ListOrganizationsRequest(
        type_code=visit.query("type"),
        place_code=visit.query("place"),
        page_token=visit.query("page_token"),
        page_size=20,
        **words,
    )
    found = await visit.part(visit.members.ListOrganizations, request)
    return visit.page("directory/organizations.html", found=found, searchable=searchable)


def _words(visit: Visit, kind: Any) -> tuple[bool, dict[str, str]]:
    """Can this list be searched by words, and those that were typed."""
    searchable = "query" in kind.DESCRIPTOR.fields_by_name
    return searchable, {"query": visit.query("q")} if searchable else {}


async def organization(visit: Visit) -> Response:
    """One organization, with what it organizes and has published; to members also its people."""
    found = await _organization(visit, visit.argument("organization_id"))
    convenings, records = await _works(visit, found.organization_id)
    affiliations, named, known = None, {}, None
    member = visit.may("member", "coordinator")
    if member:
        known = await visit.unless_away(acting(visit))
        request = a.ListAffiliationsRequest(
            organization_id=found.organization_id,
            state=a.Affiliation.CONFIRMED,
            page_token=visit.query("page_token"),
            page_size=20,
        )
        affiliations = await visit.part(visit.members.ListAffiliations, request)
        asked = [one.person_id for one in _affiliations(affiliations)]
        named = await visit.unless_away(people_named(visit, asked)) or {}
    return visit.page(
        "directory/organization.html",
        organization=found,
        convenings=convenings,
        records=records,
        member=member,
        affiliations=affiliations,
        named=named,
        acts=visit.may("coordinator") or (known is not None and found.organization_id in known.organizations),
    )


async def change_organization(visit: Visit) -> Response:
    """Changes an organization's profile."""
    visit.signed_in()
    found = await _organization(visit, visit.argument("organization_id"))
    form = visit.form()
    form.fill("organization", found)
    if form.sent:
        with form.refusals():
            request = form.message(m.UpdateOrganizationRequest, update_mask=WHOLE)
            request.organization.organization_id = found.organization_id
            await visit.call(visit.members.UpdateOrganization, request)
            return visit.to(f"/organizations/{found.organization_id}", "notice.saved")
    return visit.page("directory/change.html", form=form, kind="organization", member_id=found.organization_id)


async def _organization(visit: Visit, organization_id: str) -> m.Organization:
    request = m.GetOrganizationRequest(organization_id=organization_id)
    return await visit.call(visit.members.GetOrganization, request)


async def _works(visit: Visit, member_id: str) -> list[Any]:
    """The convenings that a member organizes and the records that it has published."""
    published = c.ListConveningsRequest(organizer_id=member_id, state=c.Convening.PUBLISHED, page_size=20)
    return await visit.parts(
        (visit.events.ListConvenings, published),
        (visit.resources.ListRecords, r.ListRecordsRequest(publisher_id=member_id, page_size=20)),
    )


def _affiliations(answer: a.ListAffiliationsResponse | None) -> list[a.Affiliation]:
    return list(answer.affiliations) if answer else []


# -- people --------------------------------------------------------------------------------------------------------
async def people(visit: Visit) -> Response:
    """The network's people, by words."""
    visit.signed_in()
    searchable, words = _words(visit, m.ListPeopleRequest)
    request = m.ListPeopleRequest(page_token=visit.query("page_token"), page_size=20, **words)
    found = await visit.call(visit.members.ListPeople, request)
    return visit.page("directory/people.html", found=found, searchable=searchable)


async def person(visit: Visit) -> Response:
    """One person, with his or her organizations, convenings and records."""
    visit.signed_in()
    found = await _person(visit, visit.argument("person_id"))
    convenings, records = await _works(visit, found.person_id)
    request = a.ListAffiliationsRequest(person_id=found.person_id, state=a.Affiliation.CONFIRMED, page_size=20)
    affiliations = await visit.part(visit.members.ListAffiliations, request)
    asked = [one.organization_id for one in _affiliations(affiliations)]
    known = await visit.unless_away(acting(visit))
    return visit.page(
        "directory/person.html",
        person=found,
        convenings=convenings,
        records=records,
        affiliations=affiliations,
        named=await visit.unless_away(organizations_named(visit, asked)) or {},
        acts=visit.may("coordinator") or (known is not None and known.person_id == found.person_id),
    )


async def change_person(visit: Visit) -> Response:
    """Changes a person's profile."""
    visit.signed_in()
    found = await _person(visit, visit.argument("person_id"))
    form = visit.form()
    form.fill("person", found)
    if form.sent:
        with form.refusals():
            request = form.message(m.UpdatePersonRequest, update_mask=WHOLE)
            request.person.person_id = found.person_id
            await visit.call(visit.members.UpdatePerson, request)
            return visit.to(f"/people/{found.person_id}", "notice.saved")
    occupations = visit.language.words(m.PersonProfile.Occupation)
    context: Any = {"kind": "person", "member_id": found.person_id, "occupations": occupations}
    return visit.page("directory/change.html", form=form, **context)


async def _person(visit: Visit, person_id: str) -> m.Person:
    return await visit.call(visit.members.GetPerson, m.GetPersonRequest(person_id=person_id))


# -- one's own -----------------------------------------------------------------------------------------------------
async def profile(visit: Visit) -> Response:
    """The visitor as a member: the person, the organizations that he or she acts for, the affiliations."""
    mine = await acting(visit)
    found = await visit.unless_away(_person(visit, mine.person_id)) if mine.person_id else None
    affiliations = await _own_affiliations(visit, mine)
    asked = [one.organization_id for one in _affiliations(affiliations)]
    named = await visit.unless_away(organizations_named(visit, asked)) or {}
    return visit.page("directory/profile.html", mine=mine, person=found, affiliations=affiliations, named=named)


async def _own_affiliations(visit: Visit, mine: Acting) -> a.ListAffiliationsResponse | None:
    if not mine.person_id:
        return a.ListAffiliationsResponse()
    request = a.ListAffiliationsRequest(person_id=mine.person_id, page_token=visit.query("page_token"), page_size=20)
    return await visit.part(visit.members.ListAffiliations, request)


async def ask_for_affiliation(visit: Visit) -> Response:
    """Asks for an affiliation of the visitor with an organization, which is chosen in the directory."""
    mine, form = await acting(visit), visit.form()
    organization_id = form.value("affiliation.organization_id") or visit.query("organization_id")
    if not organization_id:
        return visit.to("/organizations", "notice.affiliation.choose")
    if form.sent:
        with form.refusals():
            await visit.call(visit.members.CreateAffiliation, form.message(a.CreateAffiliationRequest))
            return visit.to("/profile", "notice.affiliation.requested")
    return visit.page(
        "directory/affiliation.html",
        form=form,
        mine=mine,
        organization=await _organization(visit, organization_id),
        roles=visit.language.words(a.Affiliation.Role),
    )


async def end_affiliation(visit: Visit) -> Response:
    """Ends an affiliation, or takes one back that is not confirmed yet."""
    known = {"affiliation_id": visit.argument("affiliation_id")}
    await visit.call(visit.members.EndAffiliation, visit.form().message(a.EndAffiliationRequest, **known))
    return visit.to("/profile", "notice.affiliation.ended")


PAGES = [
    ("/organizations", organizations, "GET"),
    ("/organizations/{organization_id}", organization, "GET"),
    ("/organizations/{organization_id}/change", change_organization, "GET POST"),
    ("/people", people, "GET"),
    ("/people/{person_id}", person, "GET"),
    ("/people/{person_id}/change", change_person, "GET POST"),
    ("/profile", profile, "GET"),
    ("/affiliations/new", ask_for_affiliation, "GET POST"),
    ("/affiliations/{affiliation_id}/end", end_affiliation, "POST"),
]
