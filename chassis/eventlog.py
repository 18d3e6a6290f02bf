"""The event log: everything that a service ever announced, at dense positions 1, 2, 3 …

Traps guarded here:
* a reader who keeps the last position it saw would skip what becomes visible later under a lower one. The counter is a
  document of the same transaction as the entries: a second mover's write to it conflicts until the first has
  committed, so positions become visible in their own order;
* a relay that dies between confirm and move, or two relays on one part: the move deletes from the outbox what it
  inserts into the log and takes only what is still there, so each event is in the log once;
* versions of one aggregate out of order: the relay moves a confirmed prefix, in the order of `at` (chassis/relay.py).
"""

from typing import Any

from pymongo import ReturnDocument

from chassis.mongo import Client, Document, run_transaction

_KEPT = ("type", "subject", "sequence", "event")


async def move(client: Client, db: Any, ids: list[str]) -> int:
    """Moves these outbox entries to the end of the log in the order of `at`; returns how many were still there."""

    async def body(session: Any) -> int:
        entries = await db.outbox.find({"_id": {"$in": ids}}, session=session).sort("at", 1).to_list(None)
        if not entries:
            return 0  # another relay was faster
        counter = await db.counters.find_one_and_update(
            {"_id": "log"},
            {"$inc": {"position": len(entries)}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        first = counter["position"] - len(entries) + 1
        await db.log.insert_many(
            [
                {"_id": position, "event_id": entry["_id"], **{name: entry[name] for name in _KEPT}}
                for position, entry in enumerate(entries, first)
            ],
            session=session,
        )
        await db.outbox.delete_many({"_id": {"$in": [entry["_id"] for entry in entries]}}, session=session)
        return len(entries)

    return await run_transaction(client, body)


async def read(db: Any, after: int, limit: int) -> list[Document]:
    """The next entries after a position; `_id` is the position. No hole: the last one's is the reader's cursor."""
    entries: list[Document] = await db.log.find({"_id": {"$gt": after}}).sort("_id", 1).limit(limit).to_list(None)
    return entries


async def end(db: Any) -> int:
    """The last position, 0 when nothing was ever announced."""
    last = await db.log.find_one({}, {"_id": 1}, sort=[("_id", -1)])
    return last["_id"] if last else 0


async def ensure_indexes(db: Any) -> None:
    await db.log.create_index("event_id", unique=True)  # the move guarantees it; this would show a mistake
