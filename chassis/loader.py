"""Documents by id for many readers at once: those that wait for the same collection share a query.

A query costs each read a hop to a thread and back, half of what the whole read costs. A read that comes alone is a
query at once. While reads share queries, each query lets more of them gather first: that makes a busy process do less
work for each, and they wait less than the work would take (./dev bench api).
"""

import asyncio
import collections
from typing import Any

from chassis.mongo import Document

GATHER_SECONDS = 0.002
Waiting = list[tuple[str, asyncio.Future[Document | None]]]


class Loader:
    """For reads outside of transactions. A query begins after all that it answers was asked, so own writes show."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self._waiting: dict[str, Waiting] = collections.defaultdict(list)
        self._running: dict[str, asyncio.Task[None]] = {}

    async def get(self, collection: str, key: str) -> Document | None:
        """The document with this id, or None. Raises PyMongoError, as all do that share the query."""
        found: asyncio.Future[Document | None] = asyncio.get_running_loop().create_future()
        self._waiting[collection].append((key, found))
        if collection not in self._running:
            self._running[collection] = asyncio.create_task(self._run(collection))
        return await found

    async def _run(self, collection: str) -> None:
        shared = False
        while self._waiting[collection]:
            if shared or len(self._waiting[collection]) > 1:
                await asyncio.sleep(GATHER_SECONDS)
            waiting = self._waiting.pop(collection)
            shared = len(waiting) > 1
            documents, error = await self._query(collection, [key for key, _ in waiting])
            for key, found in waiting:
                if found.done():
                    continue  # its caller has gone
                if error:
                    found.set_exception(error)
                else:
                    found.set_result(documents.get(key))
        del self._running[collection]

    async def _query(self, collection: str, keys: list[str]) -> tuple[dict[str, Document], Exception | None]:
        try:
            # motor's own collection, in a thread like motor's, without a second cursor around PyMongo's.
            cursor = self._db.delegate[collection].find({"_id": {"$in": keys}})
            found = await asyncio.get_running_loop().run_in_executor(None, list, cursor)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait
            return {}, error
        return {document["_id"]: document for document in found}, None
