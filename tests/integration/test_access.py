"""Who may call what: every method of every service as nobody and in each role. Default deny."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from descriptors import methods
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2
from google.protobuf.descriptor import MethodDescriptor

from chassis import server
from chassis.app import App
from chassis.tx import Tx
from services.members import api as members_api
from services.members import store
from services.members.model import Account
from tests.support import (
    NOBODY,
    SERVICE_METADATA,
    Members,
    Service,
    Who,
    all_at_once,
    events_service,
    matching_service,
    members_service,
    refusal,
    resources_service,
)
from wasl.options.v1 import options_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")
Access = options_pb2.Access
# What stands before a method's own rules; a call that gets past it was let in.
AT_THE_DOOR = {"UNAUTHENTICATED", "TOKEN_INVALID", "TOKEN_EXPIRED", "ROLE_MISSING", "SERVICE_ONLY", "PERMISSION_DENIED"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(mongo_uri: str, members: Members) -> AsyncIterator[dict[str, Service]]:
    """By package."""
    async with (
        matching_service(mongo_uri, members) as matching,
        events_service(mongo_uri, members) as events,
        resources_service(mongo_uri, members) as resources,
    ):
        yield {
            "wasl.members.v1": members,
            "wasl.matching.v1": matching,
            "wasl.events.v1": events,
            "wasl.resources.v1": resources,
            "wasl.log.v1": members,
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(members: Members) -> dict[str, Who]:
    return {
        "nobody": NOBODY,
        "account": await members.account(),
        "member": await members.account("member"),
        "coordinator": await members.account("coordinator"),
        "curator": await members.account("curator"),
    }


def let_in(access: Any) -> set[str]:
    """By the contract; the one place where a test says it again."""
    everybody = {"nobody", "account", "member", "coordinator", "curator"}
    match access.level:
        case Access.PUBLIC:
            return everybody
        case Access.AUTHENTICATED:
            return everybody - {"nobody"}
        case Access.ROLE:
            return set(access.roles)
    return set()


@pytest.mark.parametrize("who", ["nobody", "account", "member", "coordinator", "curator"])
@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
async def test_a_method_lets_in_whom_its_contract_names(
    services: dict[str, Service], people: dict[str, Who], method: MethodDescriptor, who: str
) -> None:
    service = services[method.containing_service.file.package]
    before = await service.dump()
    _, refused = await all_at_once([service(method.name, by=people[who])])
    assert [one for one in refused if one.code == "INTERNAL"] == []
    reason = "".join(one.reason for one in refused if one.reason in AT_THE_DOOR)
    expected = let_in(method.GetOptions().Extensions[options_pb2.access])
    assert (reason == "") is (who in expected), reason
    assert await service.dump() == before


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
async def test_a_token_that_is_none_is_refused_everywhere(
    services: dict[str, Service], method: MethodDescriptor
) -> None:
    refused = await refusal(services[method.containing_service.file.package](method.name, by=Who(token="a.b.c")))
    level = method.GetOptions().Extensions[options_pb2.access].level
    is_read = method.GetOptions().Extensions[annotations_pb2.http].HasField("get")
    if level == Access.PUBLIC and not is_read:
        assert refused.reason not in AT_THE_DOOR, "a token that has run out keeps nobody from a new one"
    else:
        assert refused.reason == ("SERVICE_ONLY" if level == Access.INTERNAL else "TOKEN_INVALID")


async def test_an_expired_token_is_told_so_in_the_callers_language(members: Members) -> None:
    amal = await members.account()
    account = await store.get(Tx(members.db, None), Account, amal.account_id)
    expired = Who(token=await members.token(account, access_token_seconds=-60))
    refused = await refusal(members("GetAccount", by=expired, language="ar", account_id=amal.account_id))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "TOKEN_EXPIRED")
    assert refused.text == "انتهت جلستك، سجّل الدخول من جديد"


# -- between services ----------------------------------------------------------------------------------------------
async def test_the_event_log_is_for_who_shows_the_secret(members: Members, people: dict[str, Who]) -> None:
    (whole,) = await members("ReadEvents", metadata=SERVICE_METADATA)
    assert whole.complete
    for wrong in ({}, {"x-wasl-service-secret": ""}, {"x-wasl-service-secret": "another"}):
        refused = await refusal(members("ReadEvents", by=people["coordinator"], metadata=wrong, language="ar"))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "SERVICE_ONLY")
        assert refused.text == "هذا الإجراء لخدمات الشبكة وحدها"


async def test_without_a_secret_of_ones_own_nobody_is_a_service(mongo_uri: str, members: Members) -> None:
    async with members_service(mongo_uri, database=members.db.name, service_secret="") as open_hearted:
        for shown in ({}, {"x-wasl-service-secret": ""}, SERVICE_METADATA):
            assert (await refusal(open_hearted("ReadEvents", metadata=shown))).reason == "SERVICE_ONLY"


# -- default deny --------------------------------------------------------------------------------------------------
async def test_a_method_that_declares_no_access_is_refused_to_everybody(
    members: Members, people: dict[str, Who]
) -> None:
    file = descriptor_pb2.FileDescriptorProto(name="tests/forgotten.proto", package="tests.v1", syntax="proto3")
    file.dependency.append("google/protobuf/empty.proto")
    empty = ".google.protobuf.Empty"
    file.service.add(name="ForgottenService").method.add(name="Forget", input_type=empty, output_type=empty)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    called = []

    async def forget(request: Any, context: Any) -> empty_pb2.Empty:
        called.append(request)
        return empty_pb2.Empty()

    def register(app: App, registry: Any) -> None:
        handler = grpc.unary_unary_rpc_method_handler(
            forget, empty_pb2.Empty.FromString, empty_pb2.Empty.SerializeToString
        )
        registry.add_registered_method_handlers("tests.v1.ForgottenService", {"Forget": handler})

    running = await server.start(members.app, register, load_keys=members_api.load_keys(members.app))
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
            forgotten = Service(members.app, running, channel)
            reasons = [
                (await refusal(forgotten("Forget", by=who, metadata=SERVICE_METADATA))).reason
                for who in people.values()
            ]
    finally:
        await running.server.stop(0)
    assert reasons == ["UNAUTHENTICATED", *["PERMISSION_DENIED"] * 4]
    assert called == []
