"""A client that repeats each request, with the same request_id, until it is answered: the API promises to bear that."""

import asyncio
import uuid
from collections import Counter
from typing import Any

import httpx


class Refused(Exception):
    """An answer that no repetition changes."""


class Account:
    """Somebody who signs in, and again whenever the token has run out."""

    def __init__(self, http: httpx.AsyncClient, email: str, password: str, errors: Counter[str]) -> None:
        self._http, self._credentials, self._errors = http, {"email": email, "password": password}, errors
        self._token, self.account_id = "", ""

    async def open(self) -> None:
        await self.post("/v1/accounts", self._credentials)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Repeats until there is an answer. Raises Refused on 4xx, but for those that pass."""
        found: dict[str, Any] = (await self.send(method, path, json=body)).json()
        return found

    async def post(self, path: str, body: dict[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """With a request_id, in the query where the body is the resource itself. Raises Refused."""
        request_id = str(uuid.uuid4())
        if ":" in path:
            return await self.call("POST", path, {**(body or {}), "requestId": request_id})
        return await self.call("POST", f"{path}?{httpx.QueryParams({**query, 'requestId': request_id})}", body)

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The same for what is not JSON."""
        while (answer := await self.attempt(method, path, **options)) is None:
            await asyncio.sleep(0.1)
        return answer

    async def attempt(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response | None:
        """None: ask again. Raises Refused on 4xx, but for 401, 409 and 429, which pass."""
        bearer = {"authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            answer = await self._http.request(method, path, headers={**bearer, **(headers or {})}, **options)
        except httpx.TransportError as error:
            self._errors[type(error).__name__] += 1
            return None
        if answer.is_success:
            return answer
        self._errors[str(answer.status_code)] += 1
        if answer.status_code == 401:
            await self.sign_in()
        elif answer.status_code < 500 and answer.status_code not in (409, 429):
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text}")
        return None

    async def sign_in(self) -> None:
        self._token = ""
        session = await self.call("POST", "/v1/sessions:signIn", self._credentials)
        self._token, self.account_id = session["accessToken"], session["accountId"]
