"""The home page and the API's reference."""

import datetime
import functools
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from chassis import pb
from services.portal import reference
from services.portal.language import Language
from services.portal.pages.convenings import nearest_sessions
from services.portal.visit import Visit
from wasl.events.v1 import convenings_pb2 as e
from wasl.members.v1 import members_pb2 as m
from wasl.resources.v1 import resources_pb2 as r

NEW = 3  # of each kind of thing


async def home(visit: Visit) -> Response:
    """What the network does, its live figures, and what is new; each of them comes or stays away by itself."""
    return await visit.same_for_all("home", functools.partial(_home, visit))


async def _home(visit: Visit) -> str:
    now = datetime.datetime.now(datetime.UTC)
    figures, convenings, records = await visit.parts(
        (visit.members.GetStatistics, m.GetStatisticsRequest()),
        (
            visit.events.ListConvenings,
            e.ListConveningsRequest(state=e.Convening.PUBLISHED, from_time=pb.timestamp(now), page_size=NEW),
        ),
        (visit.resources.ListRecords, r.ListRecordsRequest(page_size=NEW)),
    )
    nearest = nearest_sessions(convenings.convenings if convenings else ())
    return visit.rendered("home.html", figures=figures, convenings=convenings, nearest=nearest, records=records)


async def docs(visit: Visit) -> Response:
    """The reference of the gateway's API, as the contract has it."""
    return visit.page("docs.html", contents=_reference(visit.language, of_types=False), of_types=False)


async def types(visit: Visit) -> Response:
    """The types that the API's calls and events speak of."""
    return visit.page("docs.html", contents=_reference(visit.language, of_types=True), of_types=True)


@functools.cache
def _reference(language: Language, *, of_types: bool) -> Markup:
    known: Any = {"reference": reference.load(), "of_types": of_types}
    return Markup(language.render("reference.html", **known))  # noqa: S704 - a template of ours


PAGES = [("", home, "GET"), ("/docs", docs, "GET"), ("/docs/types", types, "GET")]
