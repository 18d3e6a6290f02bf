"""MongoDB: client settings, the one way to run a transaction, the one codec between Structs and documents.

Traps guarded here:
* w=1 or local reads let a failover take back what a caller was told or what was announced;
* `with_transaction` reuses its session and gives up on errors that only need a new one ("Given transaction number …
  does not match", seen after mongod was paused), and it gives up after 120 s, which is too soon for a worker and too
  late for an api;
* a transaction's body may run twice: its only side effects go through the session, and it begins with something that
  makes a second run harmless (an inbox mark, a request id, a version).
"""

import asyncio
import collections
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import structlog
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from chassis import errors

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

# timeoutMS bounds every single operation, server selection and retries included.
_CLIENT: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "retryWrites": True,
    "retryReads": True,
    "timeoutMS": 5000,
    "serverSelectionTimeoutMS": 3000,
    "connectTimeoutMS": 3000,
    "maxPoolSize": 32,
    "tz_aware": True,
    "uuidRepresentation": "standard",
}
_TRANSACTION: dict[str, Any] = {
    "read_concern": ReadConcern("snapshot"),
    "write_concern": WriteConcern("majority", j=True),
    "read_preference": ReadPreference.PRIMARY,
}
# These are transient even without a label: NoSuchTransaction, TransactionTooOld, WriteConflict, LockTimeout,
# MaxTimeMSExpired, ExceededTimeLimit, SnapshotUnavailable, and every way to say "not primary" or "shutting down".
WRITE_CONFLICT = 112
_TRANSIENT = {251, 225, 112, 24, 50, 262, 246, 91, 189, 10107, 11600, 11602, 13435, 13436}
_DUPLICATE_KEY = 11000
ABORT_SECONDS = 1.0  # a caller has waited long enough for a server that is away
NAMESPACE_EXISTS = 48
_BUILTIN = (datetime, bytes)  # BSON has them
_log = structlog.get_logger(__name__)

# Sessions whose last transaction was committed: motor pays two thread hops to open and close one. A session keeps its
# client alive, so an id cannot come back for another client while it is listed.
_idle: dict[int, list[AsyncIOMotorClientSession]] = collections.defaultdict(list)


def client(uri: str, *, loop: asyncio.AbstractEventLoop | None = None) -> Client:
    """A client on `loop`, or on the running one. It connects with its first operation."""
    return AsyncIOMotorClient(uri, io_loop=loop or asyncio.get_running_loop(), **_CLIENT)


def is_transient(error: BaseException) -> bool:
    """Would the same transaction, run again from its start in a new session, have a fair chance?"""
    return isinstance(error, PyMongoError) and (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("UnknownTransactionCommitResult")
        or not _codes(error).isdisjoint(_TRANSIENT)
    )


def is_duplicate(error: BaseException) -> bool:
    """Is a key that must be unique taken, and is that all that went wrong?"""
    return _codes(error) == {_DUPLICATE_KEY}


def _codes(error: BaseException) -> set[int | None]:
    """The server's; a bulk write has one for each write that failed, under a code of PyMongo's own."""
    if isinstance(error, BulkWriteError):
        return {one["code"] for one in error.details["writeErrors"]}
    return {error.code} if isinstance(error, OperationFailure) else set()


async def run_transaction(
    client: Client,
    body: Callable[[AsyncIOMotorClientSession], Awaitable[T]],
    *,
    give_up_after: float | None = None,
) -> T:
    """Runs `await body(session)` and commits, again and again while the errors are transient.

    `give_up_after`: seconds, then the last error is raised, or Aborted when others kept changing the same; None: never
    (a worker holds its deliveries back). A commit whose result is unknown is first committed again; if it stays unknown
    the whole body runs again.
    """
    deadline = time.monotonic() + give_up_after if give_up_after is not None else float("inf")
    pause, attempt = 0.02, 0
    while True:
        attempt += 1
        try:
            return await _once(client, body)
        except PyMongoError as error:
            if not is_transient(error):
                raise
            if time.monotonic() + pause > deadline:
                if isinstance(error, OperationFailure) and error.code == WRITE_CONFLICT:  # the database is well
                    raise errors.Aborted from error
                raise
            if attempt >= 5:  # a single conflict is nobody's business
                _log.warning("transaction.retried", attempt=attempt, error=type(error).__name__)
        await asyncio.sleep(random.uniform(0.2, 1.0) * pause)
        pause = min(pause * 2, 2.0)


async def _once(client: Client, body: Callable[[AsyncIOMotorClientSession], Awaitable[T]]) -> T:
    idle = _idle[id(client)]
    session, committed = idle.pop() if idle else await client.start_session(), False
    try:
        session.start_transaction(**_TRANSACTION)
        result = await body(session)
        for last in (False, False, True):
            try:
                await session.commit_transaction()
                break
            except PyMongoError as error:
                if last or not error.has_error_label("UnknownTransactionCommitResult"):
                    raise
        committed = True
        return result
    finally:
        if committed:
            idle.append(session)
        else:
            # Aborts what is open; after an error it is never used again. What takes longer goes on by itself.
            await asyncio.wait({asyncio.ensure_future(_end(session))}, timeout=ABORT_SECONDS)


async def _end(session: AsyncIOMotorClientSession) -> None:
    with contextlib.suppress(PyMongoError):
        await session.end_session()


async def ensure_collections(db: Any, *names: str) -> None:
    """Makes those that are missing: one made inside of a transaction would let its first users conflict."""
    for name in names:
        try:
            await db.create_collection(name, check_exists=False)
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise


def to_document(struct: msgspec.Struct) -> Document:
    """The Struct as a document. Its first field is the id and becomes `_id`; enums become their values."""
    document: Document = msgspec.to_builtins(struct, builtin_types=_BUILTIN)
    return {"_id": document.pop(struct.__struct_encode_fields__[0]), **document}


def from_document(cls: type[S], document: Document) -> S:
    """The Struct of a document: missing fields take their defaults, unknown ones are ignored."""
    return msgspec.convert({**document, cls.__struct_encode_fields__[0]: document["_id"]}, cls, builtin_types=_BUILTIN)
