"""The home page and the API's reference."""

import functools

from markupsafe import Markup
from starlette.responses import Response

from services.portal import reference
from services.portal.language import Language
from services.portal.visit import Visit
from wasl.members.v1 import members_pb2 as m


async def home(visit: Visit) -> Response:
    """What the network does, and its live figures."""
    return visit.page("home.html", figures=await visit.part(visit.members.GetStatistics, m.GetStatisticsRequest()))


async def docs(visit: Visit) -> Response:
    """The reference of the gateway's API, as the contract has it."""
    return visit.page("docs.html", contents=_reference(visit.language))


@functools.cache
def _reference(language: Language) -> Markup:
    return Markup(language.render("reference.html", reference=reference.load()))  # noqa: S704 - a template of ours


PAGES = [("", home, "GET"), ("/docs", docs, "GET")]
