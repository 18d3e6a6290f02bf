"""What the network says of itself: who it is, its rules, privacy, accessibility, help."""

from starlette.responses import Response

import vocabularies
from services.portal.visit import Visit
from wasl.matching.v1 import suggestions_pb2 as s

# The contract's fields about people, by the row of /privacy that tells of them; a test compares with the contract.
PERSONAL = {
    "account": ("members.v1.Account.email",),
    "person": (
        "members.v1.PersonProfile.display_name",
        "members.v1.PersonProfile.occupation",
        "members.v1.PersonProfile.place_code",
        "members.v1.Member.display_name",
        "members.v1.Member.place_code",
        "matching.v1.Participant.display_name",
        "matching.v1.Participant.place_code",
    ),
    "application": (
        "members.v1.Application.statement",
        "members.v1.Application.reject_reason",
        "members.v1.ApplicationSummary.place_code",
    ),
    "affiliation": ("members.v1.Affiliation.decline_reason",),
    "match": ("matching.v1.Match.note", "matching.v1.Match.reason"),
    "calendar": ("events.v1.CalendarFeed.label",),
    "creators": ("resources.v1.Record.creators", "resources.v1.RecordSummary.creators"),
    "sessions": ("members.v1.SessionSummary.client",),
    "notes": ("resources.v1.Record.return_note", "resources.v1.Record.withdraw_reason"),
}


async def about(visit: Visit) -> Response:
    """What the network is for, who decides, and the sources of its lists."""
    return visit.page("texts/about.html", lists=[vocabularies.load(name) for name in vocabularies.names()])


async def rules(visit: Visit) -> Response:
    """The network's own rules, with the weights of suggestions as they are now."""
    weights = await visit.part(visit.matching.GetWeights, s.GetWeightsRequest())
    return visit.page("texts/rules.html", weights=weights, name=s.Criterion.Code.Name)


async def privacy(visit: Visit) -> Response:
    """What is stored about people, who sees it, and for how long."""
    return visit.page("texts/privacy.html", personal=PERSONAL)


async def accessibility(visit: Visit) -> Response:
    """How accessible the portal is, how that is tested, and where to report what is not."""
    return visit.page("texts/accessibility.html")


async def help_(visit: Visit) -> Response:
    """The main journeys in steps."""
    return visit.page("texts/help.html")


PAGES = [
    ("/about", about, "GET"),
    ("/rules", rules, "GET"),
    ("/privacy", privacy, "GET"),
    ("/accessibility", accessibility, "GET"),
    ("/help", help_, "GET"),
]
