"""Files of records, passed on to and from resources' http process: tus 1.0 for what comes, with the visitor's token."""

import base64
import contextlib
import urllib.parse
from collections.abc import AsyncIterable, AsyncIterator

import httpx
from starlette.responses import Response, StreamingResponse

from chassis import log
from services.portal.multipart import File
from services.portal.refusals import Refused, SignInNeeded, refusal_over_http
from services.portal.visit import Visit

TUS = {"tus-resumable": "1.0.0"}
PIECE = {**TUS, "content-type": "application/offset+octet-stream"}
ASKED = ("range", "if-range", "if-none-match")  # of a download, passed on
ANSWERED = (
    "accept-ranges", "cache-control", "content-disposition", "content-language", "content-length", "content-range",
    "content-security-policy", "content-type", "etag", "repr-digest", "x-content-type-options",
)  # fmt: skip
FIELDS = {"Upload-Metadata.language": "language"}  # of the form; what else is wrong is wrong with the file


# -- uploads -------------------------------------------------------------------------------------------------------
async def begin(visit: Visit, record_id: str, *, name: str, mime_type: str, size: str, language: str) -> str:
    """Announces a file; its upload's id. Raises Refused, SignInNeeded."""
    if name.lower().endswith(".csv"):
        mime_type = "text/csv"  # where Excel is installed, browsers say that it is Excel's
    said = {"filename": name, "filetype": mime_type, "language": language}
    pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items() if value)
    headers = {**TUS, "upload-length": size, "upload-metadata": pairs}
    answer = await _ask(visit, "POST", f"/v1/records/{_quoted(record_id)}/files", headers)
    return str(answer.json()["uploadId"])


async def append(visit: Visit, upload_id: str, *, offset: str, size: str, content: AsyncIterable[bytes]) -> str:
    """Sends a piece as it comes; where it ends. Raises Refused, SignInNeeded, and what `content` raises."""
    headers = {**PIECE, "upload-offset": offset, "content-length": size}
    answer = await _ask(visit, "PATCH", f"/v1/uploads/{_quoted(upload_id)}", headers, content)
    return answer.headers["upload-offset"]


async def offset(visit: Visit, upload_id: str) -> str:
    """How much has come. Raises Refused, SignInNeeded."""
    return (await _ask(visit, "HEAD", f"/v1/uploads/{_quoted(upload_id)}", TUS)).headers["upload-offset"]


async def add(visit: Visit, record_id: str, file: File, language: str) -> None:
    """A whole file at once. Raises Refused, SignInNeeded, HTTPException, ClientDisconnect."""
    size = str(file.size)
    upload_id = await begin(visit, record_id, name=file.name, mime_type=file.mime_type, size=size, language=language)
    try:
        await append(visit, upload_id, offset="0", size=size, content=file)
    except Exception:
        await _forget(visit, upload_id)
        raise


async def _forget(visit: Visit, upload_id: str) -> None:
    with contextlib.suppress(Refused, SignInNeeded):  # it is forgotten already, or will be when its time has passed
        await _ask(visit, "DELETE", f"/v1/uploads/{_quoted(upload_id)}", TUS)


async def _ask(
    visit: Visit, method: str, path: str, headers: dict[str, str], content: AsyncIterable[bytes] | None = None
) -> httpx.Response:
    try:
        answer = await visit.services.files.request(method, path, headers={**_who(visit), **headers}, content=content)
    except httpx.TransportError as error:
        raise Refused(503) from error
    if answer.is_error:
        raise _refused(answer)
    return answer


def _quoted(part: str) -> str:
    return urllib.parse.quote(part, safe="")


def _who(visit: Visit) -> dict[str, str]:
    headers = {"x-request-id": log.correlation_id(), "x-wasl-language": visit.language.code}
    if visit.session:
        headers["authorization"] = f"Bearer {visit.session.access_token}"
    return headers


def _refused(answer: httpx.Response) -> Exception:
    refused = refusal_over_http(answer)
    if refused.status == 401:
        return SignInNeeded()
    refused.fields = {FIELDS.get(name, "file"): text for name, text in refused.fields.items()}
    return refused


# -- downloads -----------------------------------------------------------------------------------------------------
async def download(visit: Visit, file_id: str) -> Response:
    """A file that not everybody may have yet, or a range of it, as it comes. Raises Refused, SignInNeeded."""
    asked = {name: visit.request.headers[name] for name in ASKED if name in visit.request.headers}
    headers = {**_who(visit), **asked, "accept-encoding": "identity"}
    request = visit.services.files.build_request(visit.request.method, f"/v1/files/{_quoted(file_id)}", headers=headers)
    try:
        answer = await visit.services.files.send(request, stream=True)
    except httpx.TransportError as error:
        raise Refused(503) from error
    if answer.is_error and answer.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        await answer.aread()
        raise _refused(answer)

    async def contents() -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        finally:
            await answer.aclose()

    kept = {name: answer.headers[name] for name in ANSWERED if name in answer.headers}
    return StreamingResponse(contents(), answer.status_code, kept)
