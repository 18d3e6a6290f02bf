"""What tests of all kinds build their worlds with."""

import asyncio
import contextlib
import datetime
import functools
import os
import pathlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from typing import Any, TypeVar

import grpc
import msgspec
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from chassis import eventlog, events, inbox, mongo, server
from chassis.app import App
from chassis.call import SECRET_HEADER
from chassis.tx import Tx
from chassis.worker import Worker, handlers
from services.events import api as events_api
from services.events import store as events_store
from services.events.config import Config as EventsConfig
from services.matching import api as matching_api
from services.matching import store as matching_store
from services.matching.config import Config as MatchingConfig
from services.members import api as members_api
from services.members import store as members_store
from services.members import tokens
from services.members.config import Config as MembersConfig
from services.members.model import Account
from services.resources import api as resources_api
from services.resources import store as resources_store
from services.resources.config import Config as ResourcesConfig

M = TypeVar("M", bound=Message)
SECRET = "the secret of all services"
PASSWORD = "correct horse battery staple"
NO_ID = "0190c1a2-0000-7000-8000-000000000000"  # of nothing
PERSON = {"display_name": {"ar": "أمل حداد", "en": "Amal Haddad"}, "of_age": True, "place_code": "SY07"}
SCHOOL = {"display_name": {"ar": "مدرسة الأمل", "en": "Hope School"}, "type_code": "441", "place_code": "SY0203"}
REASON = {"ar": "الوثائق ناقصة", "en": "Documents are missing"}
ACCEPTED = [  # Accept-Language, and what gateway, services and portal all make of it: the heaviest, or the first
    ("ar", "ar"), ("ar-SY", "ar"), ("AR;q=1", "ar"), ("fr,ar;q=0.5", "ar"), ("*,ar", "ar"), ("es, ar", "ar"),
    ("ar,en", "ar"), ("ar-SY,ar;q=0.9,en;q=0.8", "ar"), ("ar-SY,en;q=0.9,ar;q=0.8", "ar"), ("ar;q=x,en", "ar"),
    ("en,ar", "en"), ("en-US,ar", "en"), ("fr, en-GB;q=0.7, ar", "ar"), ("en;q=0.2, ar;q=0.9", "ar"),
    ("ar;q=0", "en"), ("ar;q=0.5,en;q=0.5", "ar"), ("AR;Q=0.1,en", "en"), ("en;q=0.9, fr, ar", "ar"),
    ("en", "en"), ("fr", "en"), ("*", "en"), ("", "en"), ("arz", "en"), ("eng,ar", "ar"),
]  # fmt: skip


def of(kind: type[M], **fields: Any) -> M:
    """A message, its nested ones as dicts and its enums as names: the type stubs know neither."""
    return kind(**fields)


def id_of(application: Any) -> dict[str, Any]:
    return {"application_id": application.application_id}


def new_uuid() -> str:
    return str(uuid.uuid4())


# -- refusals ------------------------------------------------------------------------------------------------------
class Refused(Exception):
    """An answer that is an error, with the details that a client reads."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        status = rpc_status.from_call(error) or status_pb2.Status()  # none of a client's own: its deadline, for one
        details = {one.TypeName().rpartition(".")[2]: one for one in status.details}

        def detail(kind: type[M]) -> M:
            found = kind()
            if kind.DESCRIPTOR.name in details:
                details[kind.DESCRIPTOR.name].Unpack(found)
            return found

        self.code, self.english = error.code().name, status.message
        info = detail(error_details_pb2.ErrorInfo)
        self.reason, self.domain, self.metadata = info.reason, info.domain, dict(info.metadata)
        localized = detail(error_details_pb2.LocalizedMessage)
        self.text, self.language = localized.message, localized.locale
        self.request_id = detail(error_details_pb2.RequestInfo).request_id
        found = detail(error_details_pb2.BadRequest).field_violations
        self.violations = {one.field: one.reason for one in found}
        self.descriptions = {one.field: one.description for one in found}
        super().__init__(f"{self.code} {self.reason} {self.violations or ''} {self.english}")


async def refusal(call: Awaitable[Any]) -> Refused:
    """The refusal that a call ends in."""
    try:
        answer = await call
    except Refused as refused:
        return refused
    raise AssertionError(f"not refused: {answer}")


async def all_at_once(calls: Iterable[Awaitable[Any]]) -> tuple[list[Any], list[Refused]]:
    """The answers, and the refusals."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, Refused)]
    answers = [one for one in outcomes if not isinstance(one, BaseException)]
    if len(refused) + len(answers) < len(outcomes):
        raise AssertionError(outcomes)
    return answers, refused


# -- services in this process --------------------------------------------------------------------------------------
class Who(msgspec.Struct, frozen=True):
    """Somebody with an account; "" everywhere is nobody."""

    account_id: str = ""
    email: str = ""
    token: str = ""


NOBODY = Who()


class Service:
    """A started api and a client of it: `await members("GetAccount", by=amal, account_id=…)`. Raises Refused."""

    def __init__(self, app: App, running: server.Running, channel: grpc.aio.Channel) -> None:
        self.app, self.running, self.channel = app, running, channel
        self.db, self.address = app.db, f"127.0.0.1:{running.port}"

    @property
    def methods(self) -> dict[str, MethodDescriptor]:
        found = [descriptor_pool.Default().FindServiceByName(name) for name in self.running._services]
        return {method.name: method for service in found for method in service.methods}

    async def __call__(
        self,
        rpc: str,
        *,
        by: Who = NOBODY,
        language: str = "en",
        timeout: float | None = 20,
        metadata: dict[str, str] | None = None,
        raw: bytes | None = None,
        **fields: Any,
    ) -> Any:
        method = self.methods[rpc]
        request = message_factory.GetMessageClass(method.input_type)(**fields).SerializeToString()
        reply = message_factory.GetMessageClass(method.output_type)
        headers = {"accept-language": language, **(metadata or {})}
        if by.token:
            headers["authorization"] = f"Bearer {by.token}"
        path = f"/{method.containing_service.full_name}/{rpc}"
        kind: Any = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call: Any = kind(path, response_deserializer=reply.FromString)(
            request if raw is None else raw, metadata=tuple(headers.items()), timeout=timeout
        )
        try:
            return [one async for one in call] if method.server_streaming else await call
        except grpc.aio.AioRpcError as error:
            raise Refused(error) from error

    async def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Everything in the database."""
        names = sorted(await self.db.list_collection_names())
        return {name: await self.db[name].find().sort("_id", 1).to_list(None) for name in names}

    async def announced(self, subject: str = "") -> list[tuple[str, int]]:
        """Noun and verb, and version, of what the outbox holds of a subject, in its order."""
        found = await self.db.outbox.find({"subject": subject} if subject else {}).sort("at", 1).to_list(None)
        return [(".".join(entry["type"].split(".")[3:5]), entry["sequence"]) for entry in found]


class Members(Service):
    """The members api, with short ways to what most tests begin with."""

    async def account(self, *roles: str) -> Who:
        """A new account, with a token: without the 50 ms that a password takes."""
        name = f"{new_uuid()}@wasl.example"

        async def add(tx: Tx) -> Account:
            account = Account(
                account_id=new_uuid(), email=name, password_hash=_hashed(), create_time=tx.now, roles=roles
            )
            return await members_store.add_account(tx, account)

        account = await self.app.run(add)
        return Who(account.account_id, name, await self.token(account))

    async def token(self, account: Account, **changed: Any) -> str:
        jwk = await members_store.get_signing_key(self.db, now=datetime.datetime.now(datetime.UTC))
        config = msgspec.structs.replace(self.app.settings, **changed)
        return tokens.access_token(jwk, account, config, new_uuid())[0]  # type: ignore[arg-type]

    async def draft(self, by: Who, **application: Any) -> Any:
        return await self("CreateApplication", by=by, application=application or {"person": PERSON})

    async def submitted(self, by: Who, **application: Any) -> Any:
        draft = await self.draft(by, **application)
        return await self("SubmitApplication", by=by, application_id=draft.application_id)

    async def approved(self, coordinator: Who, **application: Any) -> Any:
        """The application of a new account, approved."""
        submitted = await self.submitted(await self.account(), **application)
        return await self("ApproveApplication", by=coordinator, application_id=submitted.application_id)


@functools.cache
def _hashed() -> str:
    return tokens.hash_password(PASSWORD)


def new_database() -> str:
    return f"test_{uuid.uuid4().hex[:12]}"


@contextlib.asynccontextmanager
async def members_service(mongo_uri: str, database: str = "", **changed: Any) -> AsyncIterator[Members]:
    """A members api on a free port; with a database of its own unless one is named."""
    known = {"mongo_uri": mongo_uri, "database": database or new_database(), "service_secret": SECRET}
    config = MembersConfig(service="members", **{**known, **changed})
    app = App(config, mongo.client(mongo_uri))
    if not database:
        await members_store.migrate(app.db)
        now = datetime.datetime.now(datetime.UTC)
        await members_store.add_signing_key(app.db, tokens.new_signing_key(), number=1, now=now)
    running = await server.start(
        app, functools.partial(members_api.register, config), load_keys=members_api.load_keys(app)
    )
    async with _serving(app, running, own_database=not database) as channel:
        yield Members(app, running, channel)


@contextlib.asynccontextmanager
async def matching_service(mongo_uri: str, members: Members, **changed: Any) -> AsyncIterator[Service]:
    """A matching api that believes the tokens of `members`."""
    config = _config(MatchingConfig, "matching", mongo_uri, members, changed)
    async with _started(config, matching_store.migrate, matching_api.register, members) as service:
        yield service


@contextlib.asynccontextmanager
async def events_service(mongo_uri: str, members: Members, database: str = "") -> AsyncIterator[Service]:
    """An events api that believes the tokens of `members`; with a database of its own unless one is named."""
    config = _config(EventsConfig, "events", mongo_uri, members, {"database": database} if database else {})
    own = not database
    async with _started(config, events_store.migrate, events_api.register, members, own_database=own) as service:
        yield service


def _config(kind: Any, service: str, mongo_uri: str, members: Members, changed: dict[str, Any]) -> Any:
    known = {"mongo_uri": mongo_uri, "database": new_database(), "service_secret": SECRET}
    return kind(service=service, members_address=members.address, **{**known, **changed})


@contextlib.asynccontextmanager
async def _started(
    config: Any, migrate: Any, register: Any, members: Members, own_database: bool = True
) -> AsyncIterator[Service]:
    app = App(config, mongo.client(config.mongo_uri))
    await migrate(app.db)
    running = await server.start(app, register, load_keys=members_api.load_keys(members.app))
    async with _serving(app, running, own_database) as channel:
        yield Service(app, running, channel)


@contextlib.asynccontextmanager
async def resources_service(mongo_uri: str, members: Members, **changed: Any) -> AsyncIterator[Service]:
    """A resources api that believes the tokens of `members`."""
    config = _config(ResourcesConfig, "resources", mongo_uri, members, changed)
    async with _started(config, resources_store.migrate, resources_api.register, members) as service:
        yield service


@contextlib.asynccontextmanager
async def _serving(app: App, running: server.Running, own_database: bool = True) -> AsyncIterator[grpc.aio.Channel]:
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
            yield channel
    finally:
        await running.server.stop(0)
        if own_database:
            await app.client.drop_database(app.db.name)
        app.client.close()


async def relayed(service: Service) -> list[events.Event]:
    """Moves a service's outbox to its log as the relay does; returns what it held, as it goes over the bus."""
    waiting = await service.db.outbox.find().sort("at", 1).to_list(None)
    await eventlog.move(service.app.client, service.db, [entry["_id"] for entry in waiting])
    return [events.decode(events.encode(entry["event"])) for entry in waiting]


async def deliver(service: Service, worker: type[Worker], *arrived: events.Event) -> None:
    """Applies events to a service as the consumer of its worker does."""
    known = handlers(worker)
    for event in arrived:
        if handle := known.get(event.type):
            assert await inbox.apply(service.app.client, service.db, event.type, [event], handle) == [None]


SERVICE_METADATA = {SECRET_HEADER: SECRET}


# -- services as processes -----------------------------------------------------------------------------------------
def environment(mongo_uri: str, database: str, folder: pathlib.Path, **changed: str) -> dict[str, str]:
    """For `python -m services.…`."""
    return {
        **os.environ,
        "WASL_MONGO_URI": mongo_uri,
        "WASL_DATABASE": database,
        "WASL_STATE_DIR": str(folder / "state"),
        "WASL_SERVICE_SECRET": SECRET,
        **{f"WASL_{name}".upper(): value for name, value in changed.items()},
    }


def log_lines(text: str) -> Iterator[dict[str, Any]]:
    """The lines of a process's log, as objects."""
    for line in text.splitlines():
        yield msgspec.json.decode(line)
