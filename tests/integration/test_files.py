"""Files through the gateway: in pieces, after kills, by ranges; and what is refused. The http process is a real one."""

import asyncio
import base64
import hashlib
import random
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from chassis.mongo import from_document
from chassis.servers import Process, free_port
from chassis.timers import Timer
from services.resources import contents
from services.resources.usecases import uploads
from services.resources.worker import ResourcesWorker
from tests.integration.gateway import ARABIC, Gateway, check_refusal
from tests.support import (
    PERSON,
    REASON,
    Members,
    Service,
    Who,
    deliver,
    environment,
    members_service,
    relayed,
    resources_service,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
TUS = {"tus-resumable": "1.0.0"}
LARGEST = 8 << 20
PDF = b"%PDF-1.7\n" + random.Random(5).randbytes((3 << 20) + 12_345)  # some chunks and a bit
PIECE = {**TUS, "content-type": "application/offset+octet-stream"}


class Stack(msgspec.Struct):
    """Members and resources in this process, files in one of its own, a gateway before them; two people."""

    members: Members
    resources: Service
    gateway: Gateway
    files: Process
    client: httpx.AsyncClient
    member: Who
    curator: Who

    async def record(self, **fields: Any) -> Any:
        known = {"title": {"en": "Atlas"}, "licence": "CC0-1.0", "type": "REPORT", **fields}
        return await self.resources("CreateRecord", by=self.member, record=known)

    async def begin(self, record: Any, size: int, *, by: Who | None = None, **said: Any) -> httpx.Response:
        metadata = {"filename": "أطلس.pdf", "filetype": "application/pdf", "language": "ar", **said}
        pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
        headers = {**TUS, **bearer(by or self.member), "upload-length": str(size), "upload-metadata": pairs}
        return await self.client.post(f"/v1/records/{record.record_id}/files", headers=headers)

    async def offset(self, location: str) -> int:
        reply = await self.client.head(location, headers={**TUS, **bearer(self.member)})
        assert reply.status_code == 200, reply.text
        assert reply.headers["cache-control"] == "no-store"
        return int(reply.headers["upload-offset"])

    async def send(self, location: str, offset: int, data: Any, **headers: str) -> httpx.Response:
        known = {**PIECE, **bearer(self.member), "upload-offset": str(offset), **headers}
        return await self.client.patch(location, headers=known, content=data)

    async def stored(self, record: Any, data: bytes = PDF) -> str:
        """The id of a file that was uploaded at once."""
        begun = await self.begin(record, len(data))
        assert begun.status_code == 201, begun.text
        sent = await self.send(begun.headers["location"], 0, data)
        assert (sent.status_code, sent.headers.get("upload-offset")) == (204, str(len(data))), sent.text
        file_id: str = begun.json()["fileId"]
        return file_id

    async def published(self, record: Any) -> None:
        await self.resources("SubmitRecord", by=self.member, record_id=record.record_id)
        await self.resources("PublishRecord", by=self.curator, record_id=record.record_id)

    async def await_ready(self) -> None:
        """Until the gateway knows that the files' process is there, and both know the keys."""
        for _ in range(600):
            try:
                if (await self.client.get("/v1/files/x", headers=bearer(self.member))).status_code == 404:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.05)
        raise TimeoutError(self.files.output()[-2000:])


def bearer(who: Who) -> dict[str, str]:
    return {"authorization": f"Bearer {who.token}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("files")
    async with members_service(mongo_uri) as members, resources_service(mongo_uri, members) as resources:
        port = free_port()
        gateway = Gateway(
            folder,
            MEMBERS_API=members.address,
            RESOURCES_API=resources.address,
            RESOURCES_HTTP=f"127.0.0.1:{port}",
            GATEWAY_CORS_ORIGINS="https://app.example",
        )
        known = environment(
            mongo_uri,
            resources.db.name,
            folder,
            http_port=str(port),
            jwks_url=f"{gateway.url}/.well-known/jwks.json",
            resources_largest_file_bytes=str(LARGEST),
        )
        files = Process([sys.executable, "-m", "services.resources", "http"], folder / "http.log", known)
        files.start()
        gateway.start()
        member, coordinator = await members.account("member"), await members.account("coordinator")
        submitted = await members.submitted(member, person=PERSON)
        await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
        await deliver(resources, ResourcesWorker, *await relayed(members))
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
            curator = await members.account("curator")
            running = Stack(members, resources, gateway, files, client, member, curator)
            try:
                await running.await_ready()
                yield running
            finally:
                files.kill()
                gateway.kill()


# -- the story -----------------------------------------------------------------------------------------------------
async def test_a_file_comes_in_pieces_and_goes_out_by_ranges(stack: Stack) -> None:
    record = await stack.record()
    begun = await stack.begin(record, len(PDF), sha256=hashlib.sha256(PDF).hexdigest())
    assert begun.status_code == 201, begun.text
    location, dice, offset = begun.headers["location"], random.Random(3), 0
    while offset < len(PDF):
        assert await stack.offset(location) == offset
        piece = PDF[offset : offset + dice.choice([1, 4000, 900_000, 1 << 20])]
        sent = await stack.send(location, offset, piece)
        assert (sent.status_code, sent.headers["tus-resumable"]) == (204, "1.0.0")
        offset = int(sent.headers["upload-offset"])
    assert await stack.offset(location) == len(PDF)
    draft = await stack.resources("GetRecord", by=stack.member, record_id=record.record_id)
    (file,) = draft.files
    assert (file.name, file.language_code, file.mime_type) == ("أطلس.pdf", "ar", "application/pdf")
    assert (file.size_bytes, file.sha256) == (len(PDF), hashlib.sha256(PDF).hexdigest())
    address = f"/v1/files/{file.file_id}"

    check_refusal(await stack.client.get(address, headers=ARABIC), 404, 5, "FILE_NOT_FOUND", "لا يوجد ملف")
    own = await stack.client.get(address, headers=bearer(stack.member))
    assert (own.status_code, own.headers["cache-control"]) == (200, "private, no-cache")
    await stack.published(record)

    whole = await stack.client.get(address)
    assert (whole.status_code, whole.content == PDF) == (200, True)
    assert whole.headers["etag"] == f'"{file.sha256}"'
    assert whole.headers["content-type"] == "application/pdf"
    assert whole.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%D8%A3")
    assert whole.headers["repr-digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(PDF).digest()).decode()}:"
    for asked, start, stop in (
        ("bytes=0-0", 0, 1), ("bytes=5-1048580", 5, 1048581), ("bytes=1048576-", 1 << 20, len(PDF)),
        ("bytes=-7", len(PDF) - 7, len(PDF)), (f"bytes=9-{10**12}", 9, len(PDF)),
    ):  # fmt: skip
        part = await stack.client.get(address, headers={"range": asked})
        assert (part.status_code, part.content == PDF[start:stop]) == (206, True), asked
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(PDF)}"
    for ignored in ({"range": "bytes=1-0"}, {"range": "lines=1-2"}, {"range": "bytes=0-1", "if-range": '"other"'}):
        assert (await stack.client.get(address, headers=ignored)).status_code == 200
    outside = await stack.client.get(address, headers={"range": f"bytes={len(PDF)}-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{len(PDF)}")
    known = await stack.client.get(address, headers={"if-none-match": f'W/"x", {whole.headers["etag"]}'})
    assert (known.status_code, known.content) == (304, b"")
    head = await stack.client.head(address)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(PDF)), b"")

    stored = await stack.resources.db[contents.FILES].find_one({"_id": file.file_id})  # any tool of GridFS reads it
    assert (stored["length"], stored["chunkSize"]) == (len(PDF), contents.CHUNK)


async def test_a_file_goes_on_into_the_next_version_and_not_out_of_a_withdrawn_one(stack: Stack) -> None:
    record = await stack.record()
    file_id = await stack.stored(record)
    await stack.published(record)
    following = await stack.resources("CreateVersion", by=stack.member, record_id=record.record_id)
    assert [one.file_id for one in following.files] == [file_id]
    removed = await stack.resources("RemoveFile", by=stack.member, record_id=following.record_id, file_id=file_id)
    assert list(removed.files) == []
    assert (await stack.client.get(f"/v1/files/{file_id}")).content == PDF  # the first version has it still
    for one in (following, record):
        await stack.resources("WithdrawRecord", by=stack.member, record_id=one.record_id, withdraw_reason=REASON)
    assert (await stack.client.get(f"/v1/files/{file_id}")).status_code == 404
    assert (await stack.client.get(f"/v1/files/{file_id}", headers=bearer(stack.curator))).status_code == 200


async def test_what_the_last_version_leaves_is_forgotten(stack: Stack) -> None:
    record = await stack.record()
    file_id = await stack.stored(record)
    await stack.resources("RemoveFile", by=stack.member, record_id=record.record_id, file_id=file_id)
    for name in (contents.FILES, contents.CHUNKS):
        assert await stack.resources.db[name].find_one({"$or": [{"_id": file_id}, {"files_id": file_id}]}) is None


# -- what breaks off -----------------------------------------------------------------------------------------------
async def test_a_kill_amid_an_upload_loses_no_byte_that_was_stored(stack: Stack) -> None:
    record = await stack.record()
    location = (await stack.begin(record, len(PDF))).headers["location"]
    arrived = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(PDF) - 1, 1 << 16):
            yield PDF[start : start + (1 << 16)]
            if start >= 2 << 20:
                arrived.set()
            await asyncio.sleep(0.01)

    sending = asyncio.create_task(stack.send(location, 0, slowly()))
    await arrived.wait()
    stack.files.kill()
    broken = await asyncio.gather(sending, return_exceptions=True)
    assert not (isinstance(broken[0], httpx.Response) and broken[0].is_success)
    stack.files.start()
    await stack.await_ready()
    offset = await stack.offset(location)
    assert 1 << 20 <= offset < len(PDF)
    assert (await stack.send(location, offset, PDF[offset:])).status_code == 204
    (file,) = (await stack.resources("GetRecord", by=stack.member, record_id=record.record_id)).files
    assert file.sha256 == hashlib.sha256(PDF).hexdigest()


async def test_a_kill_after_the_last_byte_is_made_good_by_the_next_question(stack: Stack) -> None:
    record = await stack.record()
    begun = await stack.begin(record, len(PDF))
    for start in range(0, len(PDF), contents.CHUNK):  # all is stored, and nobody came to finish
        await contents.append(stack.resources.db, begun.json()["uploadId"], start, PDF[start : start + contents.CHUNK])
    for _ in range(2):
        assert await stack.offset(begun.headers["location"]) == len(PDF)
    (file,) = (await stack.resources("GetRecord", by=stack.member, record_id=record.record_id)).files
    assert file.sha256 == hashlib.sha256(PDF).hexdigest()


async def test_a_client_that_breaks_off_keeps_what_came(stack: Stack) -> None:
    location = (await stack.begin(await stack.record(), len(PDF))).headers["location"]

    async def half() -> AsyncIterator[bytes]:
        yield PDF[: (1 << 20) + 70_000]
        raise ConnectionError("the link is down")

    with pytest.raises(ConnectionError):
        await stack.send(location, 0, half())
    offset, before = 0, -1
    while offset == 0 or offset != before:  # what was on its way is still arriving
        await asyncio.sleep(0.2)
        offset, before = await stack.offset(location), offset
    assert 0 < offset <= (1 << 20) + 70_000
    assert (await stack.send(location, offset, PDF[offset:])).status_code == 204


async def test_two_who_send_at_once_cannot_mix(stack: Stack) -> None:
    record = await stack.record()
    location = (await stack.begin(record, len(PDF))).headers["location"]
    sent = await asyncio.gather(*(stack.send(location, 0, PDF) for _ in range(4)))
    assert {one.status_code for one in sent} <= {204, 409}
    offset = await stack.offset(location)
    if offset < len(PDF):
        assert (await stack.send(location, offset, PDF[offset:])).status_code == 204
    (file,) = (await stack.resources("GetRecord", by=stack.member, record_id=record.record_id)).files
    assert file.sha256 == hashlib.sha256(PDF).hexdigest()


async def test_an_upload_that_is_given_up_or_expires_is_forgotten(stack: Stack) -> None:
    record, db = await stack.record(), stack.resources.db
    for end in ("DELETE", "timer"):
        begun = await stack.begin(record, len(PDF))
        location, file_id = begun.headers["location"], begun.json()["uploadId"]
        assert (await stack.send(location, 0, PDF[:100])).status_code == 204
        assert await db.timers.count_documents({"_id": {"$regex": file_id}}) == 1
        if end == "DELETE":
            gone = await stack.client.delete(location, headers={**TUS, **bearer(stack.member)})
            assert gone.status_code == 204
        else:
            due = from_document(Timer, await db.timers.find_one({"subject": file_id}))
            await stack.resources.app.run(ResourcesWorker().on_upload_expires, timer=due)
        assert (await stack.client.head(location, headers={**TUS, **bearer(stack.member)})).status_code == 404
        assert await contents.size(db, file_id) == 0
    finished = await stack.stored(record)
    await stack.resources.app.run(uploads.expire_upload, file_id=finished)
    assert await contents.size(db, finished) == len(PDF)


# -- what is refused -----------------------------------------------------------------------------------------------
async def test_a_wrong_offset_says_where_to_go_on(stack: Stack) -> None:
    location = (await stack.begin(await stack.record(), len(PDF))).headers["location"]
    for offset in (1, 100):
        refused = await stack.send(location, offset, b"x", **ARABIC)
        check_refusal(refused, 409, 10, "OFFSET_WRONG", "يُستأنف الرفع من البايت ٠")
    assert await stack.offset(location) == 0


async def test_a_wrong_checksum_is_not_kept(stack: Stack) -> None:
    location = (await stack.begin(await stack.record(), len(PDF))).headers["location"]
    first, second = PDF[:700_000], PDF[700_000 : (2 << 20) + 5]

    def checksum(algorithm: str, data: bytes) -> dict[str, str]:
        return {"upload-checksum": f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"}

    assert (await stack.send(location, 0, first, **checksum("sha1", first))).status_code == 204
    refused = await stack.send(location, len(first), second, **checksum("sha256", first))
    check_refusal(
        refused, 460, 3, "CHECKSUM_WRONG", "not those of the checksum", "Upload-Checksum", "CHECKSUM_WRONG", ""
    )
    assert await stack.offset(location) == len(first)
    assert (await stack.send(location, len(first), second, **checksum("sha256", second))).status_code == 204
    assert (await stack.send(location, len(first + second), PDF[len(first + second) :])).status_code == 204
    unknown = await stack.send(location, 0, b"", **{"upload-checksum": "md5 eA=="})
    assert unknown.status_code in (400, 409)


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "in two"])
async def test_a_file_that_is_not_what_it_says_is_refused_and_forgotten(stack: Stack, whole: bool) -> None:
    record, content = await stack.record(), b"<html>" * 200
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"filename": "a.png", "filetype": "image/png"}, "CONTENT_MISMATCH", "Upload-Metadata.filetype"),
        ({"filename": "a", "filetype": "text/plain", "sha256": "0" * 64}, "CHECKSUM_WRONG", "Upload-Metadata.sha256"),
    ]
    for said, reason, field in cases:
        begun = await stack.begin(record, len(content), **said)
        location, offset = begun.headers["location"], 0
        if not whole:
            offset = 50
            assert (await stack.send(location, 0, content[:offset])).status_code == 204
        refused = await stack.send(location, offset, content[offset:])
        assert refused.json()["details"][0]["reason"] == reason, refused.text
        assert refused.json()["details"][1]["fieldViolations"][0]["field"] == field
        if not (whole and reason == "CONTENT_MISMATCH"):  # that one was refused before a byte was stored
            assert (await stack.client.head(location, headers={**TUS, **bearer(stack.member)})).status_code == 404
        assert await contents.size(stack.resources.db, begun.json()["uploadId"]) == 0
    assert (await stack.resources("GetRecord", by=stack.member, record_id=record.record_id)).files == []


@pytest.mark.parametrize("end", [b"\xff", b"\0", "م".encode()[:1]], ids=["no UTF-8", "NUL", "cut"])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_text_that_is_none_at_its_end_is_refused_and_forgotten(stack: Stack, pieces: int, end: bytes) -> None:
    record, line = await stack.record(), "مدرسة,٣\n".encode()
    for content, kept in ((line * 80_000, True), (line * 80_000 + end, False)):  # over a chunk, which cuts a letter
        begun = await stack.begin(record, len(content), filename="مدارس.csv", filetype="text/csv")
        location, size = begun.headers["location"], len(content) // pieces + 1
        for at in range(0, len(content), size):
            sent = await stack.send(location, at, content[at : at + size])
        if kept:
            assert sent.status_code == 204
        else:
            told = ("Upload-Metadata.filetype", "CONTENT_MISMATCH", "UTF-8")
            check_refusal(sent, 400, 3, "CONTENT_MISMATCH", "not text/csv", *told)
            assert (await stack.client.head(location, headers={**TUS, **bearer(stack.member)})).status_code == 404
            assert await contents.size(stack.resources.db, begun.json()["uploadId"]) == 0
    (file,) = (await stack.resources("GetRecord", by=stack.member, record_id=record.record_id)).files
    assert file.name == "مدارس.csv"


async def test_more_than_the_limit_is_refused(stack: Stack) -> None:
    record = await stack.record()
    refused = await stack.begin(record, LARGEST + 1)
    check_refusal(refused, 413, 3, "FILE_TOO_LARGE", "larger than", "Upload-Length", "FILE_TOO_LARGE", str(LARGEST))
    location = (await stack.begin(record, 100)).headers["location"]

    async def more() -> AsyncIterator[bytes]:  # no Content-Length
        for _ in range(3):
            yield PDF[:40]

    for data in (PDF[:101], more()):
        assert (await stack.send(location, 0, data)).status_code == 413
    assert await stack.offset(location) <= 100


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"size": 0}, "Upload-Length"),
        ({"filename": "../etc/passwd"}, "Upload-Metadata.filename"),
        ({"filename": ""}, "Upload-Metadata.filename"),
        ({"filename": "x.exe", "filetype": "text/plain"}, "Upload-Metadata.filename"),
        ({"filename": "x.pdf", "filetype": "image/png"}, "Upload-Metadata.filename"),
        ({"language": "arabic"}, "Upload-Metadata.language"),
        ({"sha256": "abc"}, "Upload-Metadata.sha256"),
        ({"filetype": "text/html"}, "Upload-Metadata.filetype"),
    ],
)
async def test_a_wrong_announcement_is_told_by_field_and_not_stored(
    stack: Stack, changed: dict[str, Any], field: str
) -> None:
    record = await stack.record()
    before = await stack.resources.dump()
    refused = await stack.begin(record, changed.pop("size", 10), **changed)
    assert refused.status_code == 400
    assert refused.json()["details"][1]["fieldViolations"][0]["field"] == field
    assert await stack.resources.dump() == before


async def test_only_who_may_uploads(stack: Stack) -> None:
    record = await stack.record()
    other = await stack.members.account("member")
    assert (await stack.begin(record, 10, by=other)).json()["details"][0]["reason"] == "RECORD_NOT_FOUND"
    begun = await stack.begin(record, 10)
    for method, address in (("POST", f"/v1/records/{record.record_id}/files"), ("HEAD", begun.headers["location"])):
        assert (await stack.client.request(method, address, headers=TUS)).status_code == 401
    foreign = await stack.client.head(begun.headers["location"], headers={**TUS, **bearer(other)})
    assert foreign.status_code == 404
    no_version = await stack.client.head(begun.headers["location"], headers=bearer(stack.member))
    assert no_version.status_code == 412
    direct = stack.files.environment["WASL_HTTP_PORT"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{direct}") as client:  # past the gateway
        refused = await client.post(f"/v1/records/{record.record_id}/files", headers={**TUS, **ARABIC})
        assert (refused.status_code, refused.json()["details"][0]["reason"]) == (401, "UNAUTHENTICATED")
        forged = await client.get("/v1/files/x", headers={"authorization": "Bearer a.b.c"})
        assert forged.json()["details"][0]["reason"] == "TOKEN_INVALID"
    await stack.resources("SubmitRecord", by=stack.member, record_id=record.record_id)
    assert (await stack.begin(record, 10)).json()["details"][0]["reason"] == "RECORD_IN_OTHER_STATE"
    late = await stack.send(begun.headers["location"], 0, b"%PDF-1.7\n.")
    assert late.json()["details"][0]["reason"] == "RECORD_IN_OTHER_STATE"


async def test_a_client_of_tus_learns_what_the_server_can_do(stack: Stack) -> None:
    able = await stack.client.options("/v1/uploads/x")
    assert able.headers["tus-version"] == "1.0.0"
    assert able.headers["tus-max-size"] == str(LARGEST)
    assert set(able.headers["tus-extension"].split(",")) == {"creation", "checksum", "termination", "expiration"}
    wish = {"origin": "https://app.example", "access-control-request-method": "PATCH"}
    preflight = await stack.client.options("/v1/uploads/x", headers=wish)
    assert "upload-offset" in preflight.headers["access-control-allow-headers"]
    location = (await stack.begin(await stack.record(), 10)).headers["location"]
    known = {**PIECE, **bearer(stack.member), "upload-offset": "0", "x-http-method-override": "PATCH"}
    assert (await stack.client.post(location, headers=known, content=b"%PDF-")).status_code == 204
    assert await stack.offset(location) == 5
    refused = await stack.client.patch(location, headers={**known, "upload-offset": "5", "content-type": "text/plain"})
    assert refused.json()["details"][1]["fieldViolations"][0]["field"] == "Content-Type"
