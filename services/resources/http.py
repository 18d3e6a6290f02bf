"""Files over HTTP: resumable uploads by tus 1.0 (https://tus.io: core and four extensions), ranged downloads.

What a kill leaves is what contents.py has stored, and the client goes on from there. A process has one chunk of each
upload and each download in memory.
"""

import base64
import binascii
import hashlib
import re
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute

from chassis.app import App
from chassis.call import caller
from chassis.tx import Tx
from chassis.web import Door, byte_range, etag_matches, serve
from services.resources import contents, media
from services.resources.config import Config
from services.resources.model import (
    ChecksumWrong,
    ContentMismatch,
    File,
    FileTooLarge,
    HeaderInvalid,
    OffsetWrong,
    ProtocolUnknown,
    Upload,
)
from services.resources.usecases import uploads

VERSION = "1.0.0"  # of tus
PIECE_TYPE = "application/offset+octet-stream"
CHECKSUMS = ("sha1", "sha256")
_METADATA = {  # key in Upload-Metadata: what it may be
    "filename": re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}"),
    "filetype": re.compile(r"[a-z]+/[a-z0-9.+-]{1,100}"),
    "language": re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?"),
    "sha256": re.compile(r"([0-9a-f]{64})?"),
}


class Files:
    """The handlers."""

    def __init__(self, app: App, config: Config) -> None:
        self._app, self._config = app, config

    # -- uploads ---------------------------------------------------------------------------------------------------
    async def options(self, request: Request) -> Response:
        """What the server can do (tus)."""
        able = {
            "tus-version": VERSION,
            "tus-extension": "creation,checksum,termination,expiration",
            "tus-checksum-algorithm": ",".join(CHECKSUMS),
            "tus-max-size": str(self._config.largest_file_bytes),
        }
        return Response(status_code=204, headers=able)

    async def create(self, request: Request) -> Response:
        """Announces a file: `Upload-Length`, `Upload-Metadata` with filename, filetype, language and maybe sha256."""
        _check_protocol(request)
        said = _metadata(request)
        upload = await self._app.run(
            uploads.create_upload,
            record_id=request.path_params["record_id"],
            by=caller(),
            size_bytes=_number(request, "Upload-Length", least=1),
            most=self._config.largest_file_bytes,
            life=timedelta(seconds=self._config.upload_seconds),
            name=said["filename"],
            mime_type=said["filetype"],
            language_code=said["language"],
            sha256=said["sha256"],
        )
        location = f"/v1/uploads/{upload.file_id}"
        body = {"uploadId": upload.file_id, "fileId": upload.file_id, "location": location}
        return JSONResponse(body, 201, {"location": location, **_expires(upload)})

    async def upload(self, request: Request) -> Response:
        """HEAD, PATCH or DELETE; a POST may say by X-HTTP-Method-Override which of them it is (tus)."""
        _check_protocol(request)
        method = request.headers.get("x-http-method-override", request.method).upper()
        by_method: dict[str, Callable[[Request, Upload], Awaitable[Response]]] = {
            "HEAD": self._offset,
            "PATCH": self._append,
            "DELETE": self._end,
        }
        if method not in by_method:
            return Response(status_code=405, headers={"allow": ", ".join(by_method)})
        file_id = request.path_params["file_id"]
        return await by_method[method](request, await uploads.get_upload(self._tx(), file_id=file_id, by=caller()))

    async def _offset(self, request: Request, upload: Upload) -> Response:
        offset = await self._stored(upload)
        if offset == upload.size_bytes:  # a kill may have come between the last byte and the end
            await self._finish(upload)
        headers = {"upload-offset": str(offset), "upload-length": str(upload.size_bytes), "cache-control": "no-store"}
        return Response(headers={**headers, **_expires(upload)})

    async def _append(self, request: Request, upload: Upload) -> Response:
        if request.headers.get("content-type") != PIECE_TYPE:
            raise HeaderInvalid(field="Content-Type")
        offset, stored = _number(request, "Upload-Offset"), await self._stored(upload)
        if offset != stored:
            raise OffsetWrong(offset=stored)
        if offset + _number(request, "Content-Length", otherwise=0) > upload.size_bytes:
            raise FileTooLarge(most=upload.size_bytes)
        whole, piece = hashlib.sha256() if offset == 0 else None, _checksum(request)
        try:
            offset = await self._store(request, upload, offset, [one for one in (whole, piece and piece[0]) if one])
        except contents.Conflict as error:
            raise OffsetWrong(offset=await self._stored(upload)) from error
        except ClientDisconnect:
            if piece:  # it cannot be checked any more
                await contents.cut(self._app.db, upload.file_id, stored)
            raise
        if piece and piece[0].digest() != piece[1]:
            await contents.cut(self._app.db, upload.file_id, stored)
            raise ChecksumWrong
        if offset == upload.size_bytes:
            await self._finish(upload, whole.hexdigest() if whole else "")
        return Response(status_code=204, headers={"upload-offset": str(offset), **_expires(upload)})

    async def _store(self, request: Request, upload: Upload, offset: int, digests: Sequence[Any]) -> int:
        """Stores what comes, chunk by chunk; returns where it ends. Of a client that breaks off, what came is kept."""
        waiting = bytearray()

        async def keep() -> None:
            nonlocal offset
            data = bytes(waiting)
            if offset == 0 and (len(data) >= media.HEAD or len(data) == upload.size_bytes):  # before the rest comes
                uploads.check_content(upload.mime_type, data[: media.HEAD])
            await contents.append(self._app.db, upload.file_id, offset, data)
            for digest in digests:
                digest.update(data)
            offset += len(data)
            waiting.clear()

        try:
            async for arrived in request.stream():
                if offset + len(waiting) + len(arrived) > upload.size_bytes:
                    raise FileTooLarge(most=upload.size_bytes)
                rest = memoryview(arrived)
                while rest:
                    room = contents.CHUNK - (offset + len(waiting)) % contents.CHUNK
                    waiting += rest[:room]
                    rest = rest[room:]
                    if (offset + len(waiting)) % contents.CHUNK == 0:
                        await keep()
        except ClientDisconnect:
            if waiting:
                await keep()
            raise
        if waiting:
            await keep()
        return offset

    async def _finish(self, upload: Upload, digest: str = "") -> None:
        """Makes the stored bytes a file; what is not what it says is forgotten. `digest`: if it is known already."""
        if upload.finished:
            return
        head = b"".join([one async for one in self._read(upload.file_id, 0, min(media.HEAD, upload.size_bytes))])
        found = digest or await contents.sha256(self._app.db, upload.file_id, upload.size_bytes)
        try:
            uploads.check_content(upload.mime_type, head)
            await uploads.check_whole(upload.mime_type, self._read(upload.file_id, 0, upload.size_bytes))
            await self._app.run(uploads.finish_upload, file_id=upload.file_id, sha256=found, by=caller())
        except (ContentMismatch, ChecksumWrong):
            await self._app.run(uploads.end_upload, file_id=upload.file_id, by=caller())
            raise

    async def _end(self, request: Request, upload: Upload) -> Response:
        await self._app.run(uploads.end_upload, file_id=upload.file_id, by=caller())
        return Response(status_code=204)

    async def _stored(self, upload: Upload) -> int:
        """The offset: how much is durably stored."""
        return upload.size_bytes if upload.finished else await contents.size(self._app.db, upload.file_id)

    # -- downloads -------------------------------------------------------------------------------------------------
    async def download(self, request: Request) -> Response:
        """A file or a range of it; 304 when the client has it."""
        file, public = await uploads.get_file(self._tx(), file_id=request.path_params["file_id"], by=caller())
        etag = f'"{file.sha256}"'
        headers = {
            "etag": etag,
            "accept-ranges": "bytes",
            "cache-control": "no-cache" if public else "private, no-cache",  # it may be withdrawn: always ask
            "vary": "authorization",
        }
        if etag_matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        start, stop, status = 0, file.size_bytes, 200
        asked = request.headers.get("range", "")
        if asked and request.headers.get("if-range", etag) == etag:
            try:
                found = byte_range(asked, file.size_bytes)
            except ValueError:
                return Response(status_code=416, headers={**headers, "content-range": f"bytes */{file.size_bytes}"})
            if found:
                (start, stop), status = found, 206
                headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size_bytes}"
        headers |= _about(file) | {"content-length": str(stop - start)}
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type=file.mime_type)
        return StreamingResponse(self._read(file.file_id, start, stop), status, headers, file.mime_type)

    def _read(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        return contents.read(self._app.db, key, start, stop)

    def _tx(self) -> Tx:
        return Tx(self._app.db, None)


def _about(file: File) -> dict[str, str]:
    """Never shown inside of our own origin: always a download, and sandboxed."""
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    return {
        "content-language": file.language_code,
        "content-disposition": f"attachment; filename*=UTF-8''{urllib.parse.quote(file.name, safe='')}",
        "content-security-policy": "sandbox; default-src 'none'",
        "repr-digest": f"sha-256=:{digest}:",  # RFC 9530
        "x-content-type-options": "nosniff",
    }


# -- headers of tus ------------------------------------------------------------------------------------------------
def _check_protocol(request: Request) -> None:
    """Raises ProtocolUnknown."""
    if request.headers.get("tus-resumable") != VERSION:
        raise ProtocolUnknown(version=VERSION)


def _expires(upload: Upload) -> dict[str, str]:
    return {"upload-expires": format_datetime(upload.expire_time.astimezone(UTC), usegmt=True)}


def _number(request: Request, name: str, *, least: int = 0, otherwise: int | None = None) -> int:
    """Raises HeaderInvalid."""
    text = request.headers.get(name)
    if text is None and otherwise is not None:
        return otherwise
    if text is None or not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < least:
        raise HeaderInvalid(field=name)
    return int(text)


def _metadata(request: Request) -> dict[str, str]:
    """`filename cGxhbi5wZGY=,language YXI=`: each value by its key. Raises HeaderInvalid."""
    found = dict.fromkeys(_METADATA, "")
    for pair in filter(None, request.headers.get("upload-metadata", "").split(",")):
        key, _, encoded = pair.strip().partition(" ")
        try:
            value = base64.b64decode(encoded, validate=True).decode()
        except ValueError as error:
            raise HeaderInvalid(field="Upload-Metadata") from error
        if key in found:  # a client may tell more
            found[key] = value
    for key, rule in _METADATA.items():
        if not rule.fullmatch(found[key]):
            raise HeaderInvalid(field=f"Upload-Metadata.{key}")
    return found


def _checksum(request: Request) -> tuple[Any, bytes] | None:
    """A digest to be fed, and what it has to become. Raises HeaderInvalid."""
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, encoded = header.partition(" ")
    try:
        expected = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise HeaderInvalid(field="Upload-Checksum") from error
    if algorithm not in CHECKSUMS:
        raise HeaderInvalid(field="Upload-Checksum")
    return hashlib.new(algorithm, usedforsecurity=False), expected


def routes(config: Config, app: App, door: Door) -> list[BaseRoute]:
    files = Files(app, config)
    return [
        door.route("/v1/records/{record_id}/files", files.options, "OPTIONS", public=True),
        door.route("/v1/records/{record_id}/files", files.create, "POST"),
        door.route("/v1/uploads/{file_id}", files.options, "OPTIONS", public=True),
        door.route("/v1/uploads/{file_id}", files.upload, "HEAD", "PATCH", "DELETE", "POST"),
        door.route("/v1/files/{file_id}", files.download, "GET", public=True),
    ]


def run(config: Config) -> None:
    """The process, until SIGTERM or SIGINT."""
    serve(config, lambda app, door: routes(config, app, door), {"tus-resumable": VERSION})
