"""The desk: what waits for the visitor, and what is coming. Each part may be away without the others."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from chassis import pb
from services.portal.acting import Acting, acting
from services.portal.names import participants_named
from services.portal.refusals import Refused
from services.portal.visit import Visit
from wasl.events.v1 import convenings_pb2 as c
from wasl.events.v1 import registrations_pb2 as g
from wasl.matching.v1 import matches_pb2 as matches_pb
from wasl.matching.v1 import postings_pb2 as p
from wasl.members.v1 import members_pb2 as m
from wasl.resources.v1 import resources_pb2 as r

MATCHES = (
    matches_pb.Match.PROPOSED,
    matches_pb.Match.ACCEPTED,
    matches_pb.Match.IN_DELIVERY,
    matches_pb.Match.DELIVERED,
)
SEATS = (g.Registration.OFFERED, g.Registration.ADMITTED, g.Registration.WAITING, g.Registration.REQUESTED)
SHOWN = 20  # of each kind
T = TypeVar("T")


class Matches(msgspec.Struct, frozen=True):
    """Those that wait for the visitor's answer, that are promised or on their way, that he or she is to confirm."""

    to_answer: list[matches_pb.Match]
    on_the_way: list[matches_pb.Match]
    to_confirm: list[matches_pb.Match]
    named: dict[str, Any]


class Seat(msgspec.Struct, frozen=True):
    """A registration and its convening."""

    registration: g.Registration
    convening: c.Convening


async def desk(visit: Visit) -> Response:
    """What waits for the visitor, and what is coming."""
    session = visit.signed_in()
    own = m.ListApplicationsRequest(account_id=session.account_id, page_size=SHOWN)
    mine, applications, seats = await asyncio.gather(
        visit.unless_away(acting(visit)),
        visit.part(visit.members.ListApplications, own),
        visit.unless_away(_seats(visit)),
    )
    matches = drafts = records = None
    if mine and mine.ids:
        matches, drafts, records = await asyncio.gather(
            _known(visit, _matches(visit, mine)),
            _known(visit, _drafts(visit, mine)),
            _known(visit, _returned(visit, mine)),
        )
    return visit.page(
        "desk.html",
        mine=mine,
        applications=applications,
        seats=seats,
        matches=matches,
        drafts=drafts,
        records=records,
    )


async def _known(visit: Visit, asked: Awaitable[T]) -> T | None:
    """None also from a service that has not heard yet that the visitor has joined, and so refuses."""
    try:
        return await visit.unless_away(asked)
    except Refused as refused:
        if refused.status not in (400, 403):
            raise
        return None


async def _matches(visit: Visit, mine: Acting) -> Matches:
    listed = await asyncio.gather(
        *(
            visit.call(
                visit.matching.ListMatches,
                matches_pb.ListMatchesRequest(participant_id=one, state=state, page_size=SHOWN),
            )
            for one, state in itertools.product(mine.ids, MATCHES)
        )
    )
    found = list({one.match_id: one for answer in listed for one in answer.matches}.values())

    def answers(one: matches_pb.Match) -> bool:
        other = one.offer_participant_id if one.proposed_by == matches_pb.NEED else one.need_participant_id
        return other in mine.ids

    ids = [one for each in found for one in (each.need_participant_id, each.offer_participant_id)]
    states = matches_pb.Match
    return Matches(
        to_answer=[one for one in found if one.state == states.PROPOSED and answers(one)],
        on_the_way=[one for one in found if one.state in (states.ACCEPTED, states.IN_DELIVERY)],
        to_confirm=[one for one in found if one.state == states.DELIVERED and one.need_participant_id in mine.ids],
        named=await participants_named(visit, ids),
    )


async def _drafts(visit: Visit, mine: Acting) -> list[tuple[str, Any]]:
    """Path and posting of each need and offer that is not published yet."""
    needs = await asyncio.gather(
        *(
            visit.call(visit.matching.ListNeeds, p.ListNeedsRequest(participant_id=one, state=p.DRAFT, page_size=SHOWN))
            for one in mine.ids
        )
    )
    offers = await asyncio.gather(
        *(
            visit.call(
                visit.matching.ListOffers, p.ListOffersRequest(participant_id=one, state=p.DRAFT, page_size=SHOWN)
            )
            for one in mine.ids
        )
    )
    return [
        *((f"/needs/{one.need_id}", one) for answer in needs for one in answer.needs),
        *((f"/offers/{one.offer_id}", one) for answer in offers for one in answer.offers),
    ]


async def _returned(visit: Visit, mine: Acting) -> list[r.Record]:
    """What curators gave back."""
    listed = await asyncio.gather(
        *(
            visit.call(
                visit.resources.ListRecords,
                r.ListRecordsRequest(publisher_id=one, state=r.Record.RETURNED, page_size=SHOWN),
            )
            for one in mine.ids
        )
    )
    return [one for answer in listed for one in answer.records]


async def _seats(visit: Visit) -> list[Seat]:
    """Registrations for what is not over, the next first."""
    listed = await asyncio.gather(
        *(
            visit.call(
                visit.events.ListRegistrations, g.ListRegistrationsRequest(own=True, state=state, page_size=SHOWN)
            )
            for state in SEATS
        )
    )
    registrations = [one for answer in listed for one in answer.registrations]
    asked = {one.convening_id: c.GetConveningRequest(convening_id=one.convening_id) for one in registrations}
    convenings = await visit.each(visit.events.GetConvening, asked)
    return sorted(_coming(registrations, convenings), key=lambda seat: pb.moment(seat.convening.sessions[0].start_time))


def _coming(registrations: Iterable[g.Registration], convenings: dict[str, c.Convening]) -> Iterable[Seat]:
    now = datetime.now(UTC)
    for one in registrations:
        convening = convenings.get(one.convening_id)
        if convening and convening.state == c.Convening.PUBLISHED and pb.moment(convening.sessions[-1].end_time) > now:
            yield Seat(one, convening)


PAGES = [("/desk", desk, "GET")]
