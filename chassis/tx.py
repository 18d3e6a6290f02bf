"""`Tx`: what a use case works through. Its only side effects are those of one database transaction.

The body of a transaction may run twice, so a use case does nothing but through `tx`. What is blind (events, timers,
view rows) is buffered and sent at the end in one round trip for each collection.
"""

import datetime
import functools
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import Message
from pymongo import UpdateOne

from chassis import errors, events, outbox, timers, tracing, views
from chassis.ids import new_id
from chassis.loader import Loader
from chassis.log import correlation_id
from chassis.mongo import from_document, to_document

S = TypeVar("S", bound=msgspec.Struct)


class Tx:
    """`db` and `session` are motor's; without a session there is no transaction, and only reads."""

    cause: events.Event | None = None  # whose effect this is; what it announces points to it

    def __init__(self, db: Any, session: Any, *, loader: Loader | None = None) -> None:
        self.db, self.session, self._loader = db, session, loader
        self._clocks: dict[str, int] = {}
        self._outbox: dict[tuple[str, int], dict[str, Any]] = {}
        self._later: dict[str, list[Any]] = defaultdict(list)
        self._views: dict[str, list[Any]] = defaultdict(list)

    @functools.cached_property
    def now(self) -> datetime.datetime:
        """The time of everything that this transaction does: UTC, in whole milliseconds as BSON keeps it."""
        now = datetime.datetime.now(datetime.UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    # -- aggregates ------------------------------------------------------------------------------------------------
    async def find(
        self, collection: str, query: Mapping[str, Any], kind: type[S], *, sort: Sequence[tuple[str, int]] = ()
    ) -> S | None:
        """The aggregate that matches, the first in the order of `sort`; or None."""
        document = await self.db[collection].find_one(query, session=self.session, sort=list(sort) or None)
        if document is None:
            return None
        self._clocks[document["_id"]] = document.get("at", 0)
        return from_document(kind, document)

    async def find_all(self, collection: str, query: Mapping[str, Any], kind: type[S]) -> list[S]:
        """All aggregates that match, in no order; for what is known to be few."""
        documents = await self.db[collection].find(query, session=self.session).to_list(None)
        self._clocks |= {document["_id"]: document.get("at", 0) for document in documents}
        return [from_document(kind, document) for document in documents]

    async def get(self, collection: str, key: str, kind: type[S]) -> S | None:
        """The aggregate with this id, or None."""
        if self._loader is None:
            return await self.find(collection, {"_id": key}, kind)
        document = await self._loader.get(collection, key)
        return from_document(kind, document) if document else None

    async def insert(self, collection: str, aggregate: S) -> S:
        """A new aggregate, as version 1; returns it so. Raises DuplicateKeyError."""
        return await self._write(collection, aggregate, 0)

    async def save(self, collection: str, aggregate: S) -> S:
        """The aggregate's next version; returns it so. Raises errors.VersionConflict when somebody else made that."""
        return await self._write(collection, aggregate, aggregate.version)  # type: ignore[attr-defined]

    async def _write(self, collection: str, aggregate: S, version: int) -> S:
        written = msgspec.structs.replace(aggregate, version=version + 1)
        document = to_document(written)
        document["at"] = self._tick(document["_id"])
        if version == 0:
            await self.db[collection].insert_one(document, session=self.session)
        else:
            before = {"_id": document["_id"], "version": version}
            if not (await self.db[collection].replace_one(before, document, session=self.session)).matched_count:
                raise errors.VersionConflict
        return written

    def _tick(self, key: str) -> int:
        self._clocks[key] = max(time.time_ns() // 1000, self._clocks.get(key, 0) + 1)
        return self._clocks[key]

    # -- events ----------------------------------------------------------------------------------------------------
    def emit(self, message: Message, *, subject: str, sequence: int) -> None:
        """Announces one version of one aggregate, which has been inserted or saved in this transaction."""
        if (subject, sequence) in self._outbox:
            raise ValueError(f"version {sequence} of {subject} is announced twice")
        event = events.document(
            message,
            event_id=new_id(),
            subject=subject,
            sequence=sequence,
            time=self.now,
            correlation_id=correlation_id(),
            causation_id=self.cause.id if self.cause else "",
            traceparent=tracing.traceparent(),
        )
        self._outbox[subject, sequence] = outbox.entry(event, at=self._clocks[subject])

    # -- timers ----------------------------------------------------------------------------------------------------
    def set_timer(self, name: str, /, *, subject: str, at: datetime.datetime, **payload: Any) -> None:
        """Has `@on_timer(name)` run at `at` (chassis/timers.py), with the correlation id of now.

        One timer for each name and subject: set again, it moves and takes the new payload, which is small and without
        personal data. `subject` is a resource's id, and stands in logs. Raises ValueError for a time without a zone.
        """
        self.later("timers", timers.setting(name, subject, at, correlation_id(), payload))

    def cancel_timer(self, name: str, /, *, subject: str) -> None:
        """It will not fire; nothing when there is none."""
        self.later("timers", timers.cancelling(name, subject))

    # -- views -----------------------------------------------------------------------------------------------------
    def later(self, collection: str, operation: Any) -> None:
        """A blind write, sent with the others of its collection at the end."""
        self._later[collection].append(operation)

    def upsert_newer(self, view: str, key: str, version: int, document: Mapping[str, Any]) -> None:
        """Newer wins: stores the row unless the stored one has this version or a later one.

        The condition is in the update: as a filter with upsert it would insert a second row when the stored one is
        newer, and the duplicate key would abort the transaction.
        """
        row = {**document, "_id": key, "version": version}
        newer = {"$lt": [{"$ifNull": ["$version", 0]}, version]}
        self._views[view].append(
            UpdateOne(
                {"_id": key},
                [{"$replaceWith": {"$cond": [newer, {"$literal": row}, "$$ROOT"]}}],
                upsert=True,
            )
        )

    async def flush(self) -> None:
        """Sends what is buffered; the last thing before the commit."""
        for view, operations in self._views.items():
            for target in await views.written(self.db, view, self.session):
                await target.bulk_write(operations, session=self.session)
        for collection, operations in self._later.items():
            await self.db[collection].bulk_write(operations, session=self.session)
        if self._outbox:
            await self.db.outbox.insert_many(list(self._outbox.values()), session=self.session)
