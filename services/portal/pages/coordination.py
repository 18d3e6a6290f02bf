"""What coordinators do: decide on applications and affiliations, give roles, watch the network grow."""

import functools
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from chassis import pb
from services.portal.forms import Form
from services.portal.names import organizations_named, people_named
from services.portal.visit import Visit
from wasl.members.v1 import affiliations_pb2 as a
from wasl.members.v1 import members_pb2 as m
from wasl.resources.v1 import resources_pb2 as r
from wasl.type.v1.localized_text_pb2 import LocalizedText

DUE = timedelta(days=14)  # in which the network wants to answer an applicant
ENDED = ("APPROVED", "REJECTED", "WITHDRAWN")  # states in which an application waits no more
ROLES = ("curator", "coordinator")  # that are given and taken by hand
PERIODS = (12, 24)  # months of the figures


# -- queues --------------------------------------------------------------------------------------------------------
async def queues(visit: Visit) -> Response:
    """What waits in each queue."""
    await visit.require("coordinator", "curator")
    return visit.page("coordination/queues.html", counts=await counts(visit))


async def counts(visit: Visit) -> dict[str, int | None]:
    """How many wait in each queue that is the visitor's; None: not known now."""
    asked: dict[str, tuple[Callable[..., Awaitable[Any]], Any]] = {}
    if visit.may("coordinator"):
        undecided = m.ListApplicationsRequest(undecided=True, page_size=1)
        asked["applications"] = visit.members.ListApplications, undecided
        requested = a.ListAffiliationsRequest(state=a.Affiliation.REQUESTED, page_size=1)
        asked["affiliations"] = visit.members.ListAffiliations, requested
    if visit.may("curator"):
        submitted = r.ListRecordsRequest(state=r.Record.SUBMITTED, page_size=1)
        asked["records"] = visit.resources.ListRecords, submitted
    answers = await visit.parts(*asked.values())
    return {name: None if one is None else one.total_size for name, one in zip(asked, answers, strict=True)}


# -- applications --------------------------------------------------------------------------------------------------
class Waiting(msgspec.Struct, frozen=True):
    """An application, and how long its applicant has waited; `late`: longer than he or she should."""

    application: m.Application
    days: int
    due: Timestamp
    late: bool


def _waiting(applications: Iterable[m.Application]) -> list[Waiting]:
    now, found = datetime.now(UTC), []
    for one in applications:
        submitted = pb.moment(one.submit_time)
        found.append(Waiting(one, (now - submitted).days, pb.timestamp(submitted + DUE), now > submitted + DUE))
    return found


async def applications(visit: Visit) -> Response:
    """Applications that wait for a decision, who has waited longest first; or those in one state, newest first."""
    await visit.require("coordinator")
    chosen = visit.query("state") if visit.query("state") in ENDED else ""
    request = m.ListApplicationsRequest(
        state=m.Application.State.Value(chosen or "STATE_UNSPECIFIED"),
        undecided=not chosen,
        page_token=visit.query("page_token"),
        page_size=20,
    )
    found = await visit.call(visit.members.ListApplications, request)
    return visit.page(
        "coordination/applications.html",
        found=found,
        waiting=_waiting(found.applications) if not chosen else [],
        chosen=chosen,
        ended=ENDED,
        counts=await counts(visit),
    )


async def application(visit: Visit) -> Response:
    """One application with its history, and what else its account has applied for."""
    await visit.require("coordinator")
    return await _application_page(visit, visit.form())


async def _application_page(visit: Visit, form: Form) -> Response:
    request = m.GetApplicationRequest(application_id=visit.argument("application_id"))
    found = await visit.call(visit.members.GetApplication, request)
    same = m.ListApplicationsRequest(account_id=found.account_id, page_size=20)
    others = await visit.part(visit.members.ListApplications, same)
    return visit.page(
        "coordination/application.html",
        form=form,
        application=found,
        waiting=_waiting([found])[0] if found.state in (m.Application.SUBMITTED, m.Application.UNDER_REVIEW) else None,
        others=others,
    )


async def decide(verb: str, notice: str, visit: Visit) -> Response:
    """One step of an application: review, approve, reject."""
    await visit.require("coordinator")
    form, known = visit.form(), {"application_id": visit.argument("application_id")}
    with form.refusals():
        request = form.message(getattr(m, f"{verb}ApplicationRequest"), **known)
        await visit.call(getattr(visit.members, f"{verb}Application"), request)
        return visit.to(f"/queues/applications/{known['application_id']}", notice)
    return await _application_page(visit, form)


# -- affiliations --------------------------------------------------------------------------------------------------
async def affiliations(visit: Visit) -> Response:
    """Affiliations that wait to be confirmed, the oldest first."""
    await visit.require("coordinator")
    request = a.ListAffiliationsRequest(
        state=a.Affiliation.REQUESTED, page_token=visit.query("page_token"), page_size=20
    )
    found = await visit.call(visit.members.ListAffiliations, request)
    named = await _named(visit, found.affiliations)
    return visit.page("coordination/affiliations.html", found=found, named=named, counts=await counts(visit))


async def _named(visit: Visit, found: Iterable[a.Affiliation]) -> dict[str, LocalizedText]:
    """The people and organizations of these affiliations, by id."""
    people = await people_named(visit, [one.person_id for one in found])
    return people | await organizations_named(visit, [one.organization_id for one in found])


async def affiliation(visit: Visit) -> Response:
    """One affiliation, with the organization's others."""
    await visit.require("coordinator")
    return await _affiliation_page(visit, visit.form())


async def _affiliation_page(visit: Visit, form: Form) -> Response:
    request = a.GetAffiliationRequest(affiliation_id=visit.argument("affiliation_id"))
    found = await visit.call(visit.members.GetAffiliation, request)
    same = a.ListAffiliationsRequest(organization_id=found.organization_id, state=a.Affiliation.CONFIRMED, page_size=20)
    others = (await visit.call(visit.members.ListAffiliations, same)).affiliations
    named = await _named(visit, [found, *others])
    return visit.page("coordination/affiliation.html", form=form, affiliation=found, others=others, named=named)


async def settle(verb: str, notice: str, visit: Visit) -> Response:
    """Confirms or declines an affiliation."""
    await visit.require("coordinator")
    form, known = visit.form(), {"affiliation_id": visit.argument("affiliation_id")}
    with form.refusals():
        request = form.message(getattr(a, f"{verb}AffiliationRequest"), **known)
        await visit.call(getattr(visit.members, f"{verb}Affiliation"), request)
        return visit.to("/queues/affiliations", notice)
    return await _affiliation_page(visit, form)


# -- roles ---------------------------------------------------------------------------------------------------------
async def roles(visit: Visit) -> Response:
    """The roles of an account."""
    await visit.require("coordinator")
    return await _roles_page(visit, visit.form())


async def _roles_page(visit: Visit, form: Form) -> Response:
    account_id = visit.argument("account_id")
    account = await visit.call(visit.members.GetAccount, m.GetAccountRequest(account_id=account_id))
    own = m.ListApplicationsRequest(account_id=account_id, state=m.Application.APPROVED, page_size=20)
    joined = await visit.part(visit.members.ListApplications, own)
    return visit.page("coordination/roles.html", form=form, account=account, joined=joined, roles=ROLES)


async def change_roles(verb: str, notice: str, visit: Visit) -> Response:
    """Grants or revokes a role."""
    await visit.require("coordinator")
    form, known = visit.form(), {"account_id": visit.argument("account_id")}
    with form.refusals():
        request = form.message(getattr(m, f"{verb}RoleRequest"), **known)
        await visit.call(getattr(visit.members, f"{verb}Role"), request)
        return visit.to(f"/accounts/{known['account_id']}/roles", notice)
    return await _roles_page(visit, form)


# -- figures -------------------------------------------------------------------------------------------------------
class Bar(msgspec.Struct, frozen=True):
    """In the units of the chart; `kind` is what it counts."""

    kind: str
    x: float
    y: float
    width: float
    height: float


class Chart(msgspec.Struct, frozen=True):
    """Bars, two for each month. `lines`: height and number of each line across; `labels`: place, anchor, month."""

    width: int
    height: int
    bars: list[Bar]
    lines: list[tuple[float, int]]
    labels: list[tuple[float, str, Timestamp]]


WIDTH, HEIGHT = 480, 200


async def figures(visit: Visit) -> Response:
    """How many joined in each month, drawn and as a table."""
    visit.signed_in()
    months = int(visit.query("months")) if visit.query("months") in map(str, PERIODS) else PERIODS[0]
    growth = await visit.call(visit.members.GetGrowth, m.GetGrowthRequest(months=months))
    chart = draw(list(growth.months), mirrored=visit.language.direction == "rtl")
    return visit.page("coordination/figures.html", growth=growth, chart=chart, months=months, periods=PERIODS)


def draw(months: list[m.Growth.Month], *, mirrored: bool) -> Chart:
    """Time goes as the language is read."""
    highest = max(1, *(max(one.people_count, one.organization_count) for one in months))
    step = _step(highest)
    top = -(-highest // step) * step
    slot = WIDTH / len(months)
    thick = slot * 0.38

    def at(x: float, width: float = 0) -> float:
        return round(WIDTH - x - width if mirrored else x, 2)

    bars = []
    for number, one in enumerate(months):
        counted = (("people", one.people_count), ("organizations", one.organization_count))
        for place, (kind, count) in enumerate(counted):
            height = round(HEIGHT * count / top, 2)
            x = at(slot * number + slot * 0.1 + thick * place, thick)
            bars.append(Bar(kind, x, round(HEIGHT - height, 2), round(thick, 2), height))
    lines = [(round(HEIGHT - HEIGHT * count / top, 2), count) for count in range(0, top + 1, step)]
    first, last = ("end", "start") if mirrored else ("start", "end")
    labels = [(at(0), first, months[0].start_time), (at(WIDTH), last, months[-1].start_time)]
    return Chart(WIDTH, HEIGHT, bars, lines, labels)


def _step(highest: int) -> int:
    """Between two lines, so that five are enough: 1, 2, 5, 10, 20, 50 …"""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if highest <= 4 * step:
                return step
        power *= 10


Page = Callable[[Visit], Awaitable[Response]]
_of = functools.partial
_APPLICATION, _AFFILIATION = "/queues/applications/{application_id}", "/queues/affiliations/{affiliation_id}"
PAGES: list[tuple[str, Page, str]] = [
    ("/queues", queues, "GET"),
    ("/queues/applications", applications, "GET"),
    (_APPLICATION, application, "GET"),
    (f"{_APPLICATION}/review", _of(decide, "Review", "notice.review"), "POST"),
    (f"{_APPLICATION}/approve", _of(decide, "Approve", "notice.approved"), "POST"),
    (f"{_APPLICATION}/reject", _of(decide, "Reject", "notice.rejected"), "POST"),
    ("/queues/affiliations", affiliations, "GET"),
    (_AFFILIATION, affiliation, "GET"),
    (f"{_AFFILIATION}/confirm", _of(settle, "Confirm", "notice.affiliation.confirmed"), "POST"),
    (f"{_AFFILIATION}/decline", _of(settle, "Decline", "notice.affiliation.declined"), "POST"),
    ("/accounts/{account_id}/roles", roles, "GET"),
    ("/accounts/{account_id}/roles/grant", _of(change_roles, "Grant", "notice.role.granted"), "POST"),
    ("/accounts/{account_id}/roles/revoke", _of(change_roles, "Revoke", "notice.role.revoked"), "POST"),
    ("/figures", figures, "GET"),
]
