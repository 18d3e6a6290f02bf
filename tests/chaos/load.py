"""People who apply and a coordinator who approves, through the gateway, whatever happens to the servers behind it.

Beside them others go their journeys, until the last applicant is approved.
"""

import asyncio
import functools
from collections import Counter

import httpx

from tests.chaos.account import Account, joined, new_account
from tests.chaos.journeys import Journeys


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
            await self.journeys.begin(
                coordinator,
                functools.partial(new_account, http, self.errors),
                functools.partial(self._joins, coordinator),
            )
            async with asyncio.TaskGroup() as beside:
                beside.create_task(self.journeys.run())
                await asyncio.gather(*(self._user(http, coordinator) for _ in range(self._users)))
                self.journeys.ending = True

    async def _user(self, http: httpx.AsyncClient, coordinator: Account) -> None:
        somebody = await new_account(http, self.errors)
        for number in self._numbers:
            await self._joins(coordinator, somebody, f"Organization {number}")

    async def _joins(self, coordinator: Account, somebody: Account, name: str) -> str:
        member_id = await joined(coordinator, somebody, name)
        self.approved.append(member_id)
        return member_id
