"""The home page, the map and the network's texts, before real services in this process."""

import contextlib
import datetime
import itertools
import pathlib
import re
from collections.abc import AsyncIterator
from typing import Any

import brotli  # type: ignore[import-untyped]
import httpx
import pytest
import pytest_asyncio

import vocabularies
from services.events.worker import EventsWorker
from services.matching import ranking
from services.matching.worker import MatchingWorker
from services.portal import app
from services.portal.config import Config
from services.portal.pages import map as map_
from services.portal.pages.texts import PERSONAL
from services.resources.worker import ResourcesWorker
from tests.support import (
    SCHOOL,
    Members,
    Service,
    Who,
    deliver,
    events_service,
    matching_service,
    members_service,
    relayed,
    resources_service,
)
from wasl.events.v1 import calendars_pb2, convenings_pb2, registrations_pb2
from wasl.matching.v1 import matches_pb2, matching_pb2, postings_pb2
from wasl.members.v1 import affiliations_pb2, members_pb2
from wasl.members.v1 import events_pb2 as members_events_pb2
from wasl.options.v1 import options_pb2
from wasl.resources.v1 import events_pb2 as resources_events_pb2
from wasl.resources.v1 import resources_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODY = "127.0.0.1:1"
TEXTS = ("/about", "/rules", "/privacy", "/accessibility", "/help")
KITS = {"help_code": "science-kits", "quantity": 500, "unit_code": "kit", "place_code": "SY0702"}
HOSTILE = {"ar": "<script>alert(1)</script>", "en": '"><img src=x>'}


class Network:
    """The services, with an organization that all of them know."""

    def __init__(self, members: Members, matching: Service, events: Service, resources: Service) -> None:
        self.members, self.matching, self.events, self.resources = members, matching, events, resources
        self.who, self.organization_id = Who(), ""

    @contextlib.asynccontextmanager
    async def visitor(self, **away: str) -> AsyncIterator[httpx.AsyncClient]:
        """A browser before a portal of these services; `away`: addresses in place of theirs."""
        known: Any = {
            "members_address": self.members.address,
            "matching_address": self.matching.address,
            "events_address": self.events.address,
            "resources_address": self.resources.address,
            "part_seconds": 20.0,  # this process does everybody's work
        }
        application = app.application(Config(service="portal", contact_email="us@net.example", **{**known, **away}))
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with (
            application.router.lifespan_context(application),
            httpx.AsyncClient(transport=transport, base_url="http://portal", timeout=20) as browser,
        ):
            yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(mongo_uri: str) -> AsyncIterator[Network]:
    async with (
        members_service(mongo_uri) as members,
        matching_service(mongo_uri, members) as matching,
        events_service(mongo_uri, members) as events,
        resources_service(mongo_uri, members) as resources,
    ):
        made = Network(members, matching, events, resources)
        made.who = await members.account("member")
        coordinator = await members.account("coordinator")
        submitted = await members.submitted(made.who, organization=SCHOOL)
        approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
        made.organization_id = approved.member_id
        told = await relayed(members)
        for service, worker in ((matching, MatchingWorker), (events, EventsWorker), (resources, ResourcesWorker)):
            await deliver(service, worker, *told)
        yield made


async def convening(network: Network, title: dict[str, str], days: int) -> str:
    """Published, in so many days from now."""
    begin = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    draft = await network.events(
        "CreateConvening",
        by=network.who,
        organization_id=network.organization_id,
        convening={
            "kind": "SEMINAR",
            "title": title,
            "sessions": [{"start_time": begin, "end_time": begin + datetime.timedelta(hours=1)}],
            "time_zone": "Asia/Damascus",
            "place_code": "SY07",
            "capacity": 5,
            "audience": "EVERYBODY",
        },
    )
    await network.events("PublishConvening", by=network.who, convening_id=draft.convening_id)
    return str(draft.convening_id)


async def record(network: Network, title: dict[str, str]) -> str:
    described = {"title": title, "licence": "CC0-1.0", "type": "GUIDE", "publisher_id": network.organization_id}
    draft = await network.resources("CreateRecord", by=network.who, record=described)
    await network.resources("SubmitRecord", by=network.who, record_id=draft.record_id)
    curator = await network.members.account("curator")
    await network.resources("PublishRecord", by=curator, record_id=draft.record_id)
    return str(draft.record_id)


# -- home ----------------------------------------------------------------------------------------------------------
async def test_home_shows_the_next_three_convenings_and_the_newest_three_records(network: Network) -> None:
    async with network.visitor() as browser:
        assert "No event is announced" in (await browser.get("/en")).text
        comes = {days: await convening(network, {"en": f"In {days} days"}, days) for days in (30, 2, 20, 10)}
        records = [await record(network, {"en": f"Record {number}"}) for number in range(4)]
        for code in ("ar", "en"):
            text = (await browser.get(f"/{code}")).text
            shown = re.findall(rf'href="/{code}/convenings/([0-9a-f-]+)"', text)
            assert shown == [comes[2], comes[10], comes[20]]
            assert re.findall(rf'href="/{code}/records/([0-9a-f-]+)"', text) == records[:0:-1]
            assert f'href="/{code}/sign-up"' in text


async def test_what_people_wrote_is_shown_and_never_run(network: Network) -> None:
    await convening(network, HOSTILE, 1)
    await record(network, HOSTILE)
    async with network.visitor() as browser:
        for code in ("ar", "en"):
            text = (await browser.get(f"/{code}")).text
            assert "<script" not in text
            assert "<img" not in text
            assert text.count("&lt;script&gt;alert(1)" if code == "ar" else "&lt;img src=x&gt;") == 2


@pytest.mark.parametrize("away", ["members_address", "events_address", "resources_address"])
async def test_a_service_that_is_down_darkens_its_own_part_only(network: Network, away: str) -> None:
    async with network.visitor(**{away: NOBODY}) as browser:
        answer = await browser.get("/en")
        assert answer.status_code == 200
        dark = {
            "members_address": "figures cannot be read" in answer.text,
            "events_address": "This part is not available" in answer.text.partition("Newest in the")[0],
            "resources_address": "This part is not available" in answer.text.partition("Newest in the")[2],
        }
        assert {name for name, is_dark in dark.items() if is_dark} == {away}


async def test_a_first_visit_with_news_is_light(network: Network) -> None:
    """As in test_portal.py, but of a page that is full: at most 60 KB over the wire, fonts included."""

    def weight(answer: httpx.Response) -> int:
        compressed = not answer.headers["content-type"].startswith("font/") and len(answer.content) > 1024
        body = brotli.compress(answer.content, quality=4) if compressed else answer.content
        return len(body) + len(str(answer.headers))

    async with network.visitor() as browser:
        for code, script in (("ar", "arabic"), ("en", "latin")):
            page = await browser.get(f"/{code}")
            assert page.text.count("/convenings/") == 3
            files = [await browser.get(path) for path in re.findall(r'href="(/static/[^"]+)"', page.text)]
            sheets = "".join(file.text for file in files if "css" in file.headers["content-type"])
            used = [path for path in re.findall(r'url\("(/[^"]+)"\)', sheets) if script in path or "svg" in path]
            files += [await browser.get(path) for path in used]
            assert sum(map(weight, [page, *files])) < 60_000


# -- the map -------------------------------------------------------------------------------------------------------
async def test_every_governorate_has_a_square_roughly_where_it_lies() -> None:
    terms = {term.code: term for term in vocabularies.load("places").terms if term.parent is None}
    assert set(map_.SQUARES) == set(terms)
    assert len(set(map_.SQUARES.values())) == len(terms)
    for one, (column, row) in map_.SQUARES.items():
        for other, (other_column, other_row) in map_.SQUARES.items():
            here, there = terms[one], terms[other]
            assert here.longitude
            assert there.longitude
            assert here.latitude
            assert there.latitude
            assert not (row == other_row and column < other_column) or here.longitude < there.longitude, (one, other)
            assert not (column == other_column and row < other_row) or here.latitude > there.latitude, (one, other)


async def test_the_map_and_its_table_say_the_same(network: Network) -> None:
    for number in range(3):
        need = {"title": {"en": "Kits"}, "lines": [{**KITS, "place_code": ("SY0702", "SY14", "SY07")[number]}]}
        draft = await network.matching("CreateNeed", by=network.who, organization_id=network.organization_id, need=need)
        await network.matching("PublishNeed", by=network.who, need_id=draft.need_id, etag=draft.etag)
    async with network.visitor() as browser:
        text = (await browser.get("/en/map")).text
        drawn = dict(re.findall(r'<a href="/en/needs\?place=(SY\d\d)" aria-label="[^"]*needs: (\d+)', text))
        rows = re.findall(r'needs\?place=(SY\d\d)">[^<]*</a></th>\s*<td>(\d+)</td>', text)
        assert dict(rows) == drawn
        assert len(drawn) == 14
        assert {code: count for code, count in drawn.items() if count != "0"} == {"SY07": "2", "SY14": "1"}
        assert re.findall(r'place=(SY\d\d)" aria-label="[^"]*" class="shade-([1-4])"', text) == [
            ("SY07", "4"),
            ("SY14", "2"),
        ]
        assert re.search(r"<title>Idleb 2 \(needs: 2, offers: 0, matches: 0\)</title>", text)
        arabic = (await browser.get("/ar/map")).text
        assert 'aria-label="إدلب ٢ (الاحتياجات: ٢، العروض: ٠، المواءمات: ٠)"' in arabic
        offers = (await browser.get("/en/map?show=offers")).text
        assert 'aria-current="page">Open offers' in offers
        assert offers.count('class="shade-0"') == 15, "all fourteen, and the legend"
        assert "/en/offers?place=SY07" in offers
        assert 'aria-current="page">Open needs' in (await browser.get("/en/map?show=nonsense")).text


async def test_the_map_is_dark_without_its_service(network: Network) -> None:
    async with network.visitor(matching_address=NOBODY) as browser:
        for path in ("/map", "/rules"):
            answer = await browser.get(f"/en{path}")
            assert (answer.status_code, "This part is not available" in answer.text) == (200, True)


# -- texts ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["", "/map", *TEXTS])
async def test_headings_go_down_step_by_step_and_ids_are_there_once(network: Network, path: str) -> None:
    async with network.visitor() as browser:
        for code in ("ar", "en"):
            answer = await browser.get(f"/{code}{path}")
            assert answer.status_code == 200
            levels = [int(level) for level in re.findall(r"<h([1-6])", answer.text)]
            assert levels[0] == 1
            assert levels.count(1) == 1
            assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels
            ids = re.findall(r'\sid="([^"]+)"', answer.text)
            assert len(ids) == len(set(ids))
            assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= set(ids)


async def test_the_rules_tell_the_weights_that_rank(network: Network) -> None:
    assert ranking.VERSION == "1", "texts.po tells what the criteria of version 1 mean"
    async with network.visitor() as browser:
        text = (await browser.get("/en/rules")).text
        told = [int(points) for points in re.findall(r"</th>\s*<td>(\d+)</td>", text)]
        assert told == list(ranking.POINTS.values())
        assert "at most 1,000" in text


async def test_the_privacy_page_names_every_field_about_people(network: Network) -> None:
    modules = (
        members_pb2,
        members_events_pb2,
        affiliations_pb2,
        matching_pb2,
        postings_pb2,
        matches_pb2,
        convenings_pb2,
        registrations_pb2,
        calendars_pb2,
        resources_pb2,
        resources_events_pb2,
    )
    personal = {
        field.full_name.removeprefix("wasl.")
        for module in modules
        for message in module.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if field.GetOptions().Extensions[options_pb2.personal] and not message.name.endswith("Request")
    }
    assert {field for fields in PERSONAL.values() for field in fields} == personal
    async with network.visitor() as browser:
        text = (await browser.get("/en/privacy")).text
        assert set(re.findall(r"<code>([^<]+)</code>", text)) == personal
        assert set(PERSONAL) <= set(re.findall(r'<tr id="(\w+)"', text))


async def test_the_texts_say_whom_to_write_to(network: Network) -> None:
    async with network.visitor() as browser:
        for path in ("/rules", "/privacy", "/accessibility", "/help"):
            assert 'href="mailto:us@net.example"' in (await browser.get(f"/ar{path}")).text


async def test_every_contract_of_people_was_looked_at() -> None:
    """The modules above are all that there are."""
    gen = pathlib.Path(members_pb2.__file__).parents[2]
    known = {path.stem for path in gen.glob("*/v1/*_pb2.py")}
    assert known == {
        *("members_pb2", "events_pb2", "affiliations_pb2", "matching_pb2", "postings_pb2", "matches_pb2"),
        *("suggestions_pb2", "convenings_pb2", "registrations_pb2", "calendars_pb2", "resources_pb2"),
        *("vocabularies_pb2", "options_pb2", "log_pb2", "localized_text_pb2"),
    }
