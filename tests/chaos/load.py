"""People who apply and a coordinator who approves, through the gateway, whatever happens to the servers behind it.

Each request is repeated with the same request_id until it is answered: that is what the API promises to bear.
"""

import asyncio
import uuid
from collections import Counter
from typing import Any

import httpx

PASSWORD = "a long chaos password"


class Refused(Exception):
    """An answer that no repetition changes."""


class Account:
    """Somebody who signs in, and again whenever the token has run out."""

    def __init__(self, http: httpx.AsyncClient, email: str, password: str, errors: Counter[str]) -> None:
        self._http, self._credentials, self._errors = http, {"email": email, "password": password}, errors
        self._token = ""

    async def open(self) -> None:
        await self.call("POST", f"/v1/accounts?requestId={uuid.uuid4()}", self._credentials)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Repeats until there is an answer. Raises Refused on 4xx, but for 401 and 409, which pass."""
        while True:
            headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
            try:
                answer = await self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                self._errors[type(error).__name__] += 1
                await asyncio.sleep(0.1)
                continue
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
            self._errors[str(answer.status_code)] += 1
            if answer.status_code == 401:
                await self.sign_in()
            elif answer.status_code < 500 and answer.status_code not in (409, 429):
                raise Refused(f"{method} {path}: {answer.status_code} {answer.text}")
            await asyncio.sleep(0.1)

    async def sign_in(self) -> None:
        self._token = ""
        self._token = (await self.call("POST", "/v1/sessions:signIn", self._credentials))["accessToken"]


class Load:
    """`users` people who have applied and been approved `wanted` times in all when `run` returns."""

    def __init__(self, url: str, coordinator: dict[str, str], *, wanted: int, users: int = 8) -> None:
        self._url, self._coordinator, self._users = url, coordinator, users
        self._numbers = iter(range(wanted))
        self.errors: Counter[str] = Counter()
        self.approved: list[str] = []  # the member ids that were answered

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=15.0, trust_env=False) as http:
            coordinator = Account(http, self._coordinator["email"], self._coordinator["password"], self.errors)
            await coordinator.sign_in()
            await asyncio.gather(*(self._user(http, coordinator) for _ in range(self._users)))

    async def _user(self, http: httpx.AsyncClient, coordinator: Account) -> None:
        somebody = Account(http, f"{uuid.uuid4().hex}@wasl.example", PASSWORD, self.errors)
        await somebody.open()
        await somebody.sign_in()
        for number in self._numbers:
            profile = {"displayName": {"en": f"Organization {number}"}, "typeCode": "441", "placeCode": "SY07"}
            path = f"/v1/applications?requestId={uuid.uuid4()}"
            draft = await somebody.call("POST", path, {"organization": profile})
            path = f"/v1/applications/{draft['applicationId']}"
            await somebody.call("POST", f"{path}:submit", {"requestId": str(uuid.uuid4())})
            answer = await coordinator.call("POST", f"{path}:approve", {"requestId": str(uuid.uuid4())})
            self.approved.append(answer["memberId"])
