"""Registrations: those for a convening, for its organizer, and the visitor's own."""

import functools
from collections.abc import Awaitable, Callable, Iterable

from starlette.responses import Response

from services.portal.acting import acts_for
from services.portal.forms import Form
from services.portal.names import people_named
from services.portal.pages.convenings import chosen, convening_of, nearest_sessions
from services.portal.refusals import Refused
from services.portal.visit import Visit
from wasl.events.v1 import convenings_pb2 as m
from wasl.events.v1 import registrations_pb2 as r


async def registrations(visit: Visit) -> Response:
    """Who registered for a convening, in order, for its organizer and for coordinators."""
    return await _registrations_page(visit, visit.form())


async def _registrations_page(visit: Visit, form: Form) -> Response:
    visit.signed_in()
    visit.path = f"/convenings/{visit.argument('convening_id')}/registrations"
    one = await convening_of(visit)
    own = await acts_for(visit, one.organizer_id)
    if not own and not visit.may("coordinator"):
        raise Refused(404)  # to others the service lists their own, which are on /registrations
    request = r.ListRegistrationsRequest(
        convening_id=one.convening_id,
        state=chosen(r.Registration.State, visit.query("state")),
        page_token=visit.query("page_token"),
        page_size=20,
    )
    found = await visit.call(visit.events.ListRegistrations, request)
    named = await visit.unless_away(people_named(visit, [each.participant_id for each in found.registrations])) or {}
    states = visit.language.words(r.Registration.State)
    return visit.page(
        "convenings/registrations.html", form=form, convening=one, found=found, named=named, states=states, own=own
    )


async def decide(verb: str, notice: str, visit: Visit) -> Response:
    """The organizer's answer to a registration: a seat or the waiting list, or no."""
    form = visit.form()
    with form.refusals():
        kind = getattr(r, f"{verb}RegistrationRequest")
        request = form.message(kind, registration_id=visit.argument("registration_id"))
        await visit.call(getattr(visit.events, f"{verb}Registration"), request)
        return visit.to(f"/convenings/{visit.argument('convening_id')}/registrations", notice)
    return await _registrations_page(visit, form)


async def my_registrations(visit: Visit) -> Response:
    """The visitor's registrations, newest first."""
    visit.signed_in()
    request = r.ListRegistrationsRequest(own=True, page_token=visit.query("page_token"), page_size=20)
    found = await visit.call(visit.events.ListRegistrations, request)
    convenings = await _convenings_of(visit, found.registrations)
    nearest = nearest_sessions(convenings.values())
    return visit.page("convenings/mine.html", found=found, convenings=convenings, nearest=nearest)


async def _convenings_of(visit: Visit, items: Iterable[r.Registration]) -> dict[str, m.Convening]:
    """By id, those that the visitor may still see."""
    asked = {one.convening_id: m.GetConveningRequest(convening_id=one.convening_id) for one in items}
    return await visit.each(visit.events.GetConvening, asked)


Page = Callable[[Visit], Awaitable[Response]]
_of = functools.partial
_REGISTRATION = "/convenings/{convening_id}/registrations/{registration_id}"
PAGES: list[tuple[str, Page, str]] = [
    ("/convenings/{convening_id}/registrations", registrations, "GET"),
    (f"{_REGISTRATION}/approve", _of(decide, "Approve", "notice.registration.approved"), "POST"),
    (f"{_REGISTRATION}/decline", _of(decide, "Decline", "notice.registration.declined"), "POST"),
    ("/registrations", my_registrations, "GET"),
]
