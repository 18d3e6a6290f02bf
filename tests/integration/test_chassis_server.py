"""What stands around every method: language, limits, deadlines, health, drain, a database that is away."""

import asyncio
import contextlib
import pathlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import errors, server
from chassis.servers import Mongo, Process, free_port, wait_until
from services.members.usecases import directory
from tests.support import (
    ACCEPTED,
    NO_ID,
    PASSWORD,
    PERSON,
    SECRET,
    Members,
    Refused,
    all_at_once,
    environment,
    log_lines,
    members_service,
    new_uuid,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


async def health(members: Members, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(members.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    state: int = answer.status
    return state


SERVING = health_pb2.HealthCheckResponse.SERVING


# -- what is said, and how -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        *(({"accept-language": accepted}, language) for accepted, language in ACCEPTED),
        ({"accept-language": "en", "x-wasl-language": "ar"}, "ar"),
    ],
)
async def test_an_error_speaks_the_callers_language(members: Members, metadata: dict[str, str], language: str) -> None:
    refused = await refusal(members("GetPerson", metadata=metadata, person_id=NO_ID))
    error = errors.Unauthenticated()
    assert (refused.language, refused.text, refused.english) == (language, error.text(language), error.text("en"))
    assert (refused.reason, refused.domain) == ("UNAUTHENTICATED", "wasl.org")


async def test_every_violation_is_described_in_the_callers_language(members: Members) -> None:
    account = {"email": "nobody", "password": "short"}
    before = await members.dump()
    english = await refusal(members("CreateAccount", account=account, request_id="x"))
    arabic = await refusal(members("CreateAccount", account=account, request_id="x", language="ar"))
    assert await members.dump() == before
    assert english.violations == arabic.violations
    assert set(english.violations) == {"account.email", "account.password", "request_id"}
    assert english.descriptions["account.password"] == "is too short; characters at least: 10"
    assert arabic.descriptions["account.password"] == "أقصر من اللازم؛ الحد الأدنى للأحرف: ١٠"


async def test_a_name_that_is_no_field_is_refused_and_nothing_is_stored(members: Members) -> None:
    amal = await members.account()
    before = await members.dump()
    refused = await refusal(
        members(
            "CreateApplication",
            by=amal,
            language="ar",
            metadata={"x-wasl-fields": "person,person.displayName,person.shoeSize"},
            application={"person": PERSON},
        )
    )
    assert (refused.code, refused.violations) == ("INVALID_ARGUMENT", {"application.person.shoeSize": "UNKNOWN_FIELD"})
    assert refused.descriptions["application.person.shoeSize"] == "ليس حقلا من حقول هذا الطلب"
    assert await members.dump() == before


async def test_bytes_that_are_no_message_are_refused(members: Members) -> None:
    amal = await members.account()
    before = await members.dump()
    refused = await refusal(members("GetAccount", by=amal, raw=b"\x0a\x02\xc3\x28"))  # no UTF-8
    assert (refused.code, refused.violations) == ("INVALID_ARGUMENT", {"account_id": "UNDECODABLE"})
    for broken in (b"\x0a\xff", b"\xff\xff\xff"):  # cut, no tag
        refused = await refusal(members("GetAccount", by=amal, raw=broken))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert (await refusal(members("GetAccount", raw=b"\xff"))).reason == "UNAUTHENTICATED"  # the door comes first
    assert await members.dump() == before


async def test_a_fault_of_ours_tells_nothing_about_itself(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    async def explode(tx: Any) -> None:
        raise RuntimeError("host db-7, user admin")

    monkeypatch.setattr(directory, "get_statistics", explode)
    refused = await refusal(members("GetStatistics", language="ar", metadata={"x-request-id": "c-4711"}))
    assert (refused.code, refused.reason, refused.text) == ("INTERNAL", "INTERNAL", errors.Internal.ar)
    assert "db-7" not in str(vars(refused))
    assert refused.request_id == "c-4711"


async def test_the_correlation_id_is_the_requests_or_a_new_one_and_goes_into_the_outbox(members: Members) -> None:
    amal = await members.account()
    draft = await members.draft(amal)
    await members("SubmitApplication", by=amal, metadata={"x-request-id": "c-42"}, application_id=draft.application_id)
    entry = await members.db.outbox.find_one({"subject": draft.application_id})
    assert entry["event"]["correlationid"] == "c-42"
    refused = [await refusal(members("GetPerson")) for _ in range(2)]
    assert len({one.request_id for one in refused} - {""}) == 2


# -- limits --------------------------------------------------------------------------------------------------------
async def test_who_comes_when_it_is_full_is_told_in_his_language_while_health_answers(
    mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()
    really = directory.get_statistics

    async def dawdle(tx: Any) -> Any:
        inside.set()
        await leave.wait()
        return await really(tx)

    monkeypatch.setattr(directory, "get_statistics", dawdle)
    async with members_service(mongo_uri, max_in_flight=2) as members:
        running = [asyncio.create_task(members("GetStatistics")) for _ in range(2)]
        await inside.wait()
        await asyncio.sleep(0.1)
        for language, text in (("ar", errors.ResourceExhausted.ar), ("en", errors.ResourceExhausted.en)):
            refused = await refusal(members("GetStatistics", language=language))
            assert (refused.code, refused.reason, refused.text) == ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", text)
        assert await health(members) == SERVING
        leave.set()
        assert len(await asyncio.gather(*running)) == 2
        assert await members("GetStatistics")


async def test_a_message_over_the_limit_is_refused(members: Members) -> None:
    refused = await refusal(members("SignIn", email="x" * (5 << 20)))
    assert refused.code == "RESOURCE_EXHAUSTED"


async def test_an_answer_comes_before_the_callers_deadline(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dawdle(tx: Any) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(directory, "get_statistics", dawdle)
    monkeypatch.setattr(server, "MARGIN_SECONDS", 1.5)  # for a slow machine
    began = time.monotonic()
    refused = await refusal(members("GetStatistics", timeout=2, language="ar"))
    assert (refused.code, refused.text) == ("DEADLINE_EXCEEDED", errors.DeadlineExceeded.ar)
    assert time.monotonic() - began > 0.4
    monkeypatch.setattr(server, "LONGEST_SECONDS", 1.6)  # for who sets none
    refused = await refusal(members("GetStatistics", timeout=None))
    assert refused.reason == "DEADLINE_EXCEEDED"


async def test_a_caller_that_hangs_up_frees_its_place(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    began = asyncio.Event()
    ended = asyncio.Event()

    async def dawdle(tx: Any) -> None:
        began.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    monkeypatch.setattr(directory, "get_statistics", dawdle)
    call = asyncio.create_task(members("GetStatistics"))
    await began.wait()
    call.cancel()
    await asyncio.wait_for(ended.wait(), 5)


# -- health and drain ----------------------------------------------------------------------------------------------
async def test_health_names_every_service(members: Members) -> None:
    for name in ("", "wasl.members.v1.MembersService", "wasl.log.v1.EventLogService"):
        assert await health(members, name) == SERVING
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await health(members, "no.such.Service")


async def test_a_taken_port_is_told_at_once(members: Members) -> None:
    with pytest.raises(RuntimeError, match=str(members.running.port)):
        async with members_service(members.app.settings.mongo_uri, members.db.name, grpc_port=members.running.port):
            pass


class Api(Process):
    """`python -m services.members api` on free ports."""

    def __init__(self, folder: pathlib.Path, mongo_uri: str, database: str, **changed: str) -> None:
        self.grpc_port, self.http_port = free_port(), free_port()
        ports = {"grpc_port": str(self.grpc_port), "http_port": str(self.http_port)}
        command = [sys.executable, "-m", "services.members", "api"]
        super().__init__(command, folder / "api.log", environment(mongo_uri, database, folder, **ports, **changed))

    def ready(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.http_port}/ready").is_success

    @contextlib.asynccontextmanager
    async def client(self, like: Members) -> AsyncIterator[Members]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            yield Members(like.app, like.running, channel)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(members: Members, mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A process of its own on the database of `members`."""
    process = Api(tmp_path_factory.mktemp("api"), mongo_uri, members.db.name, drain_seconds="0.2")
    process.start()
    try:
        await asyncio.to_thread(wait_until, process.ready, 30, "api")
        yield process
    finally:
        process.stop(5)


async def test_a_process_shows_that_it_lives_that_it_is_ready_and_how_it_goes(api: Api, members: Members) -> None:
    async with api.client(members) as client:
        await client("GetStatistics")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.http_port}") as http:
        assert (await http.get("/live")).status_code == 200
        assert (await http.get("/ready")).json() == {"mongodb": "", "process": ""}
        metrics = (await http.get("/metrics")).text
    assert 'wasl_call_seconds_count{code="OK",method="/wasl.members.v1.MembersService/GetStatistics"} 1.0' in metrics


async def test_every_line_of_a_log_is_json_and_holds_nothing_private(api: Api, members: Members) -> None:
    email = f"layla-{new_uuid()}@wasl.example"
    async with api.client(members) as client:
        await client("CreateAccount", account={"email": email, "password": PASSWORD}, metadata={"x-request-id": "c-7"})
        session = await client("SignIn", email=email, password=PASSWORD)
        with pytest.raises(Refused):
            await client("SignIn", email=email, password="wrong " + PASSWORD)
    await asyncio.to_thread(wait_until, lambda: '"UNAUTHENTICATED"' in api.output(), 5, "line of the last call")
    text = api.output()
    for private in (email, PASSWORD, session.access_token, session.refresh_token, SECRET):
        assert private not in text
    calls = [line for line in log_lines(text) if line["event"] == "call"]
    assert {line["service"] for line in calls} == {"members"}
    assert [line["code"] for line in calls if line["correlation_id"] == "c-7"] == ["OK"]
    assert [line["code"] for line in calls if line["method"].endswith("/SignIn")] == ["OK", "UNAUTHENTICATED"]


async def test_a_process_that_is_asked_to_stop_finishes_what_it_has_begun(api: Api, members: Members) -> None:
    """The running call is a sign-up: its password alone takes longer than a stop. The module's last test of `api`."""
    async with api.client(members) as client:
        await client("GetStatistics")
        calls = [
            asyncio.create_task(
                client("CreateAccount", account={"email": f"{new_uuid()}@x.example", "password": PASSWORD})
            )
            for _ in range(4)
        ]
        await asyncio.sleep(0.05)
        api.signal(signal.SIGTERM)
        answers = await asyncio.gather(*calls)
        assert len({answer.account_id for answer in answers}) == 4
        assert await asyncio.to_thread(api.wait, 15) == 0
    lines = list(log_lines(api.output()))
    assert [line["event"] for line in lines if line["event"] in ("serving", "draining")] == ["serving", "draining"]
    codes = [line["code"] for line in lines if line["event"] == "call" and line["method"].endswith("/CreateAccount")]
    assert codes[-4:] == ["OK"] * 4
    for answer in answers:
        assert await members.db.accounts.find_one({"_id": answer.account_id})


# -- a database that is away ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def own_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    """A server that a test may stop."""
    one = Mongo(tmp_path_factory.mktemp("own-mongo"))
    one.start()
    try:
        one.await_ready()
        yield one
    finally:
        one.stop()


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_a_database_that_is_away_is_a_bounded_pause_and_no_restart(own_mongo: Mongo, how: str) -> None:
    async with members_service(own_mongo.uri, write_patience_seconds=2.0) as members:
        amal = await members.account()
        draft = await members.draft(amal)
        own_mongo.kill() if how == "killed" else own_mongo.pause()
        try:
            calls = [
                members("GetApplication", by=amal, language="ar", application_id=draft.application_id),
                members("SubmitApplication", by=amal, language="en", application_id=draft.application_id),
                members("ListOrganizations", language="ar"),
                members("SignIn", email=amal.email, password=PASSWORD, language="ar"),
            ]
            began = time.monotonic()
            _, refused = await all_at_once(calls)
            assert time.monotonic() - began < 15
            assert [one.code for one in refused] == ["UNAVAILABLE"] * len(calls)
            assert {one.text for one in refused} == {errors.Unavailable.ar, errors.Unavailable.en}
            assert await health(members) == SERVING
        finally:
            if how == "killed":
                own_mongo.start()
                await asyncio.to_thread(own_mongo.await_ready)
            else:
                own_mongo.resume()
        submitted = await members("SubmitApplication", by=amal, application_id=draft.application_id)
        assert submitted.state == submitted.SUBMITTED
        assert await members.announced(draft.application_id) == [("application.submitted", 2)]
