"""The whole network in this process behind a portal, and browsers that visit it."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
from starlette.applications import Starlette

from services.events.worker import EventsWorker
from services.matching.worker import MatchingWorker
from services.portal import app
from services.portal.config import Config
from services.portal.visit import CSRF
from services.resources.worker import ResourcesWorker
from tests.integration.test_portal import Text
from tests.support import (
    PASSWORD,
    PERSON,
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


class Member(msgspec.Struct, frozen=True):
    """Who has joined, and as whom."""

    who: Who
    member_id: str


class Browser:
    """One visitor, with cookies."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, status: int = 200) -> str:
        """The page that it leads to."""
        answer = await self.client.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {words(answer.text)[:500]}"
        return answer.text

    async def post(self, path: str, fields: dict[str, Any] | None = None, status: int = 200) -> str:
        """Sends a form as a page of ours has it."""
        sent = {"csrf": self.client.cookies.get(CSRF, ""), **(fields or {})}
        answer = await self.client.post(path, data=sent)
        assert answer.status_code == status, f"{path}: {answer.status_code} {words(answer.text)[:500]}"
        return answer.text


class Network(msgspec.Struct):
    """The services, the portal before them, and a coordinator."""

    members: Members
    matching: Service
    events: Service
    resources: Service
    application: Starlette
    coordinator: Who

    async def joined(self, **application: Any) -> Member:
        """A new member whom all services know: a person, or what is given."""
        who = await self.members.account()
        approved = await self.approved(who, **application or {"person": PERSON})
        await self.heard()
        token = (await self.members("SignIn", email=who.email, password=PASSWORD)).access_token
        return Member(Who(who.account_id, who.email, token), approved.member_id)

    async def approved(self, who: Who, **application: Any) -> Any:
        submitted = await self.members.submitted(who, **application)
        known = {"application_id": submitted.application_id}
        return await self.members("ApproveApplication", by=self.coordinator, **known)

    async def heard(self) -> None:
        """All services hear what has happened in members."""
        arrived = await relayed(self.members)
        await deliver(self.matching, MatchingWorker, *arrived)
        await deliver(self.events, EventsWorker, *arrived)
        await deliver(self.resources, ResourcesWorker, *arrived)

    async def school(self) -> Member:
        return await self.joined(organization=SCHOOL)

    @contextlib.asynccontextmanager
    async def browser(self, who: Who | None = None, agent: str = "") -> AsyncIterator[Browser]:
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://portal.example", follow_redirects=True, timeout=30
        ) as client:
            client.headers["user-agent"] = agent
            browser = Browser(client)
            if who:
                await browser.get("/en/sign-in")
                await browser.post("/en/sign-in", {"email": who.email, "password": PASSWORD, "next": "/sessions"})
            yield browser


@contextlib.asynccontextmanager
async def network(mongo_uri: str, **changed: Any) -> AsyncIterator[Network]:
    """`changed`: settings of the portal, such as the address of a service that is to be away."""
    async with (
        members_service(mongo_uri) as members,
        matching_service(mongo_uri, members) as matching,
        events_service(mongo_uri, members) as events,
        resources_service(mongo_uri, members) as resources,
    ):
        known: dict[str, Any] = {
            "members_address": members.address,
            "matching_address": matching.address,
            "events_address": events.address,
            "resources_address": resources.address,
            "call_seconds": 20.0,  # this process does everybody's work
            "part_seconds": 20.0,
            **changed,
        }
        application = app.application(Config(service="portal", **known))
        async with application.router.lifespan_context(application):
            coordinator = await members.account("coordinator")
            yield Network(members, matching, events, resources, application, coordinator)


def words(page: str) -> str:
    """Of the page's own part: tags out, spaces joined."""
    main = page.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)).strip()


def said(page: str) -> str:
    """What a page says in its own language; its title may be a name, which has only one."""
    return " ".join(Text(re.sub("<title>[^<]*</title>", "", page)).said)


def wrong(page: str) -> list[str]:
    """What stands at the fields."""
    return re.findall(r'class="wrong"[^>]*>([^<]*)<', page)
