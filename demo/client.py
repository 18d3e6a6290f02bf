"""A client of the public REST API that behaves as a good one should: it waits when told to, and repeats safely."""

import asyncio
import base64
import uuid
from typing import Any

import httpx


class Refused(Exception):
    """An answer that is no success: `status` is the HTTP code, `error` google.rpc.Status in JSON."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{status} {error.get('message')}")
        self.status, self.error = status, error

    def text(self) -> str:
        """What a person reads, with the fields that are wrong."""
        details = {detail["@type"].rpartition(".")[2]: detail for detail in self.error["details"]}
        fields = details.get("BadRequest", {}).get("fieldViolations", [])
        wrong = "; ".join(f"{one['field']}: {one['description']}" for one in fields)
        return (
            f"{details['LocalizedMessage']['message']} ({wrong})" if wrong else details["LocalizedMessage"]["message"]
        )


class Client:
    """Calls as somebody: `token` is the access token, empty for nobody."""

    def __init__(self, http: httpx.AsyncClient, language: str, token: str = "", account_id: str = "") -> None:
        self._http, self.account_id = http, account_id
        self._headers = {"accept-language": language} | ({"authorization": f"Bearer {token}"} if token else {})

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Raises Refused."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Raises Refused."""
        return await self._call("POST", path, json=body or {})

    async def create(self, path: str, body: dict[str, Any], **query: str) -> dict[str, Any]:
        """A POST with a request_id, so that repeating it makes nothing twice. Raises Refused."""
        return await self._call("POST", path, json=body, params={"requestId": str(uuid.uuid4()), **query})

    async def patch(self, path: str, body: dict[str, Any], **query: str) -> dict[str, Any]:
        """Raises Refused."""
        return await self._call("PATCH", path, json=body, params=query)

    async def content(self, path: str) -> bytes:
        """A file. Raises httpx.HTTPStatusError."""
        answer = await self._http.get(path, headers=self._headers)
        return answer.raise_for_status().content

    async def upload(self, record_id: str, name: str, mime_type: str, language: str, data: bytes, pieces: int) -> str:
        """A file of a record, by tus; returns its id. Raises httpx.HTTPStatusError."""
        said = {"filename": name, "filetype": mime_type, "language": language}
        pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
        headers = {**self._headers, "tus-resumable": "1.0.0"}
        begun = await self._http.post(
            f"/v1/records/{record_id}/files",
            headers={**headers, "upload-length": str(len(data)), "upload-metadata": pairs},
        )
        created = begun.raise_for_status().json()
        headers["content-type"] = "application/offset+octet-stream"
        size = -(-len(data) // pieces)
        for offset in range(0, len(data), size):
            piece = {**headers, "upload-offset": str(offset)}
            sent = await self._http.patch(created["location"], headers=piece, content=data[offset : offset + size])
            sent.raise_for_status()
        return str(created["fileId"])

    def speaking(self, language: str) -> "Client":
        """The same caller in another language."""
        other = Client(self._http, language)
        other._headers = {**self._headers, "accept-language": language}
        return other

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        while True:
            answer = await self._http.request(method, path, headers=self._headers, **arguments)
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
                continue
            document: dict[str, Any] = answer.json()
            if answer.is_error:
                raise Refused(answer.status_code, document)
            return document


async def sign_in(http: httpx.AsyncClient, language: str, email: str, password: str) -> Client:
    """A client of the account. Raises Refused."""
    session = await Client(http, language).post("/v1/sessions:signIn", {"email": email, "password": password})
    return Client(http, language, session["accessToken"], session["accountId"])


async def sign_up(http: httpx.AsyncClient, language: str, email: str, password: str) -> Client:
    """Opens an account and signs in. Raises Refused."""
    await Client(http, language).create("/v1/accounts", {"email": email, "password": password})
    return await sign_in(http, language, email, password)
