"""People who apply and a coordinator who approves, through the gateway, whatever happens to the servers behind it.

Beside them others go their journeys, until the last applicant is approved.
"""

import asyncio
import functools
import uuid
from collections import Counter

import httpx

from tests.chaos.account import Account
from tests.chaos.journeys import Journeys

PASSWORD = "a long chaos password"


class Load:
    """`users` people who have applied and been approved `wanted` times in all when `run` returns, and the journeys."""

    def __init__(self, url: str, coordinator: dict[str, str], *, wanted: int, seed: int, users: int = 8) -> None:
        self._url, self._coordinator, self._users = url, coordinator, users
        self._numbers = iter(range(wanted))
        self.errors: Counter[str] = Counter()
        self.approved: list[str] = []  # the member ids that were answered
        self.journeys = Journeys(seed)

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=15.0, trust_env=False) as http:
            coordinator = Account(http, self._coordinator["email"], self._coordinator["password"], self.errors)
            await coordinator.sign_in()
            somebody = functools.partial(self._somebody, http)
            joins = functools.partial(self._joins, coordinator)
            await self.journeys.begin(coordinator, somebody, joins)
            async with asyncio.TaskGroup() as beside:
                beside.create_task(self.journeys.run())
                await asyncio.gather(*(self._user(http, coordinator) for _ in range(self._users)))
                self.journeys.ending = True

    async def _somebody(self, http: httpx.AsyncClient) -> Account:
        somebody = Account(http, f"{uuid.uuid4().hex}@wasl.example", PASSWORD, self.errors)
        await somebody.open()
        await somebody.sign_in()
        return somebody

    async def _user(self, http: httpx.AsyncClient, coordinator: Account) -> None:
        somebody = await self._somebody(http)
        for number in self._numbers:
            await self._joins(coordinator, somebody, f"Organization {number}")

    async def _joins(self, coordinator: Account, somebody: Account, name: str) -> str:
        profile = {"displayName": {"en": name}, "typeCode": "441", "placeCode": "SY07"}
        draft = await somebody.post("/v1/applications", {"organization": profile})
        path = f"/v1/applications/{draft['applicationId']}"
        await somebody.post(f"{path}:submit")
        member_id: str = (await coordinator.post(f"{path}:approve"))["memberId"]
        self.approved.append(member_id)
        return member_id
