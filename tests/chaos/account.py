"""A client that repeats each request, with the same request_id, until it is answered: the API promises to bear that."""

import asyncio
import base64
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
PASSWORD = "a long chaos password"
LEARN_SECONDS = 60.0  # until every service knows a new member


class Refused(Exception):
    """An answer that no repetition changes."""


class Account:
    """Somebody who signs in, and again whenever the token has run out."""

    def __init__(self, http: httpx.AsyncClient, email: str, password: str, errors: Counter[str]) -> None:
        self._http, self._credentials, self._errors = http, {"email": email, "password": password}, errors
        self._token, self.account_id = "", ""

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"} if self._token else {}

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
        try:
            answer = await self._http.request(method, path, headers={**self.bearer, **(headers or {})}, **options)
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


async def new_account(http: httpx.AsyncClient, errors: Counter[str]) -> Account:
    """Somebody who has signed in."""
    somebody = Account(http, f"{uuid.uuid4().hex}@wasl.example", PASSWORD, errors)
    await somebody.open()
    await somebody.sign_in()
    return somebody


async def joined(coordinator: Account, somebody: Account, name: str) -> str:
    """An organization for which somebody applies; returns its id once it is approved."""
    profile = {"displayName": {"en": name}, "typeCode": "441", "placeCode": "SY07"}
    draft = await somebody.post("/v1/applications", {"organization": profile})
    path = f"/v1/applications/{draft['applicationId']}"
    await somebody.post(f"{path}:submit")
    member_id: str = (await coordinator.post(f"{path}:approve"))["memberId"]
    return member_id


async def once_known(call: Callable[[], Awaitable[T]]) -> T:
    """The services learn of a new member, and of a role, by events. Raises Refused when they do not."""
    until = time.monotonic() + LEARN_SECONDS
    while True:
        try:
            return await call()
        except Refused:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(0.2)


async def upload(account: Account, record_id: str, size: int, piece: Callable[[int], bytes]) -> str:
    """A PDF by tus, in pieces from an offset on: an error is no answer, so the server says where to go on.

    Returns the file's id.
    """
    said = {"filename": "atlas.pdf", "filetype": "application/pdf", "language": "en"}
    pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    tus = {"tus-resumable": "1.0.0"}
    announced = {**tus, "upload-length": str(size), "upload-metadata": pairs}
    begun = (await account.send("POST", f"/v1/records/{record_id}/files", headers=announced)).json()
    while (offset := await _offset(account, begun["location"], tus)) < size:
        headers = {**tus, "upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
        await account.attempt("PATCH", begun["location"], headers=headers, content=piece(offset))
    file_id: str = begun["fileId"]
    return file_id


async def _offset(account: Account, location: str, tus: dict[str, str]) -> int:
    return int((await account.send("HEAD", location, headers=tus)).headers["upload-offset"])
