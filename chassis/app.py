"""`App`: runs use cases. One write is one transaction, tried again when it may be, answered once per `request_id`."""

import asyncio
import contextlib
import hashlib
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from pymongo import InsertOne
from pymongo.errors import OperationFailure, PyMongoError

from chassis import errors, money, pb
from chassis.call import caller
from chassis.ids import new_id
from chassis.loader import Loader
from chassis.mongo import is_duplicate, run_transaction
from chassis.paging import Page
from chassis.settings import Settings
from chassis.tx import Tx

M = TypeVar("M", bound=Message)
T = TypeVar("T")
Usecase = Callable[..., Awaitable[Any]]
KEEP_REQUESTS_SECONDS = 86_400


class RequestIdReused(errors.InvalidArgument):
    """The `request_id` belongs to another request (AIP-155)."""

    field = "request_id"
    en = "This request_id was used for another request"
    ar = "استُخدم معرّف الطلب هذا لطلب آخر"


class App:
    """What an api's methods call. `client` is motor's; `db` is this service's own database."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self.settings, self.client, self.db = (
            settings,
            client,
            client[settings.database],
        )
        self._loader = Loader(self.db)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def ping(self) -> str:
        """What is wrong with the database; "" when it answers."""
        try:
            await self.client.admin.command("ping")
        except PyMongoError as error:
            return type(error).__name__
        return ""

    async def read(self, usecase: Usecase, kind: type[M], request: Message, **known: Any) -> M:
        """A `kind` made of `await usecase(tx, **fields of the request, **known)`, outside of a transaction."""
        return _reply(kind, await usecase(Tx(self.db, None, loader=self._loader), **pb.fields(request), **known))

    async def write(self, usecase: Usecase, kind: type[M], request: Message, **known: Any) -> M:
        """The same in one transaction. A `request_id` that was answered before gets the same answer again.

        Raises money.MoneyRefused, whatever the request writes.
        """
        await money.check(request)
        arguments = pb.fields(request)
        request_id = arguments.pop("request_id", "")
        mark = f"{caller().subject}:{request.DESCRIPTOR.full_name}:{request_id or new_id()}"
        # Without secrets: a fast hash of a password would undo the slow one.
        told_apart_by = pb.without_input_only(request).SerializeToString(deterministic=True)
        digest = hashlib.sha256(told_apart_by).hexdigest()
        seen_before = bool(request_id)

        async def answer_once(tx: Tx) -> M:
            nonlocal seen_before
            if seen_before and (answered := await self.db.requests.find_one({"_id": mark}, session=tx.session)):
                if answered["digest"] != digest:
                    raise RequestIdReused
                return kind.FromString(answered["reply"])
            seen_before = True  # a commit whose result stays unknown runs this again
            reply = _reply(kind, await usecase(tx, **arguments, **known))
            answer = {
                "_id": mark,
                "digest": digest,
                "reply": reply.SerializeToString(),
                "at": tx.now,
            }
            tx.later("requests", InsertOne(answer))
            return reply

        return await self.run(answer_once)

    @contextlib.asynccontextmanager
    async def turn(self, *keys: str) -> AsyncIterator[None]:
        """For writes that all change the documents `keys`: in this process they go one by one, in the order of coming.

        Without it they are right as well, but each conflict costs a transaction: of 200 at once, 40 to 84 were
        refused after 8 s. With it all were answered after 1.5 s.
        """
        async with contextlib.AsyncExitStack() as turns:
            for key in sorted(keys):  # in one order, so that no two wait for each other
                await turns.enter_async_context(self._turns.setdefault(key, asyncio.Lock()))
            yield

    async def run(self, usecase: Callable[..., Awaitable[T]], **arguments: Any) -> T:
        """The plain result of a use case in one transaction. Its body may run twice, even after it was committed.

        A caller that gives up leaves the transaction running: cut in the middle, a session would be closed under the
        operation that still uses it.
        """

        async def body(session: Any) -> T:
            tx = Tx(self.db, session)
            result = await usecase(tx, **arguments)
            await tx.flush()
            return result

        patience = min(self.settings.write_patience_seconds, caller().deadline - time.monotonic())
        try:
            return await asyncio.shield(run_transaction(self.client, body, give_up_after=patience))
        except OperationFailure as error:
            if is_duplicate(error):  # of a twin that has just been committed; a use case names its own keys
                raise errors.Aborted from error
            raise


def _reply(kind: type[M], value: Any) -> M:
    if isinstance(value, kind):
        return value
    if isinstance(value, Page):
        items = kind.DESCRIPTOR.fields[0]  # AIP-158: the first field of a list's reply
        one = message_factory.GetMessageClass(cast("Descriptor", items.message_type))
        pages = {
            items.name: [pb.to_pb(one, item) for item in value.items],
            "next_page_token": value.next_page_token,
        }
        return kind(**pages, total_size=value.total_size)
    return pb.to_pb(kind, value)


async def ensure_indexes(db: Any) -> None:
    await db.requests.create_index("at", expireAfterSeconds=KEEP_REQUESTS_SECONDS)
