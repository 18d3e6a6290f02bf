"""Durable timers: what is due at a time is written in the transaction that decides it, and fired once by a worker.

A use case says `tx.set_timer("offer_expires", subject=offer_id, at=…)` or `tx.cancel_timer(…)`; `@on_timer` in the
service's worker.py says what happens (chassis/worker.py), chassis/timekeeper.py makes it happen. There is one timer for
each name and subject: set again, it moves. Document: `Timer` with `next`, the time from which somebody may try it (UTC,
by the server's clock); of one that was given up, `failed` (since when) in its place, and `reason` (the last error).

Traps guarded here:
* the workers' clocks differ: one that is ahead would fire early and take what others are at work on (so: $$NOW);
* a claim outlives its worker (so: it runs out, at a time with some chance in it: timers that were taken together with
  one that kills its worker come back at other moments than that one);
* a worker that dies tells nobody (so: the claim itself counts as an attempt, and one that ended otherwise is given
  back);
* timers that no handler of this version knows stand first in the index for ever (so: it has the name too, and they are
  stepped over);
* BSON would take a time without a zone for UTC (so: refused).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from pymongo import DeleteOne, ReplaceOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chassis.ids import new_id
from chassis.mongo import Document, from_document, to_document

POLL_SECONDS = 1.0  # between two looks at what is due
CLAIM_SECONDS = 30.0  # at least, twice that at most; then others may try
OVERDUE_SECONDS = 60  # what is due for longer should have been fired


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A timer that is due. `payload` is what was given to `tx.set_timer` beside the time."""

    timer_id: str
    name: str
    subject: str  # id of the resource that it is about
    at: datetime  # when it is due: UTC, whole milliseconds
    correlation_id: str  # of the request or event that set it
    payload: dict[str, Any]
    attempts: int = 0  # this one included
    claim: str = ""  # of the worker that is at work on it


def key(name: str, subject: str) -> str:
    """The id of a timer. Raises ValueError: the name is not in lower_snake, so it could be mistaken for another."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is no name of a timer")
    return f"{name}:{subject}"


def setting(name: str, subject: str, at: datetime, correlation_id: str, payload: Mapping[str, Any]) -> ReplaceOne[Any]:
    """The write that sets or moves it. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("a timer's time needs a zone")
    timer = Timer(
        timer_id=key(name, subject),
        name=name,
        subject=subject,
        at=at,
        correlation_id=correlation_id or new_id(),  # what it announces has to lead back to somewhere
        payload=dict(payload),
    )
    return ReplaceOne({"_id": timer.timer_id}, {**to_document(timer), "next": at}, upsert=True)


def cancelling(name: str, subject: str) -> DeleteOne:
    """The write that cancels it, if there is one."""
    return DeleteOne({"_id": key(name, subject)})


def _until(milliseconds: float) -> Document:
    """Of those that may be tried until then. In an aggregation a missing time would come before every other."""
    return {"next": {"$type": "date"}, "$expr": {"$lte": ["$next", {"$add": ["$$NOW", milliseconds]}]}}


async def claim(db: Any, names: Sequence[str], limit: int) -> tuple[list[Timer], float]:
    """Takes up to `limit` that are due for CLAIM_SECONDS; and the seconds to wait before the next look.

    Two workers that look at the same time share them: each write takes what the other has left.
    """
    # As with leases: what a failover takes back costs some double work.
    timers = db.timers.with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))
    wait = {"wait": {"$subtract": ["$next", "$$NOW"]}}
    soon = {"name": {"$in": list(names)}, **_until(POLL_SECONDS * 1000)}
    found = await timers.find(soon, wait).sort("next", 1).limit(limit).to_list(None)
    due = [one["_id"] for one in found if one["wait"] <= 0]
    if not due:
        return [], min((one["wait"] / 1000 for one in found), default=POLL_SECONDS)
    mine, milliseconds = new_id(), CLAIM_SECONDS * 1000
    taken = {
        "claim": mine,
        "attempts": {"$add": ["$attempts", 1]},
        "next": {"$add": ["$$NOW", milliseconds, {"$multiply": [{"$rand": {}}, milliseconds]}]},
    }
    await timers.update_many({"_id": {"$in": due}, **_until(0)}, [{"$set": taken}])
    claimed = await timers.find({"_id": {"$in": due}, "claim": mine}).to_list(None)
    return [from_document(Timer, one) for one in claimed], 0.0


async def take(db: Any, session: Any, timer: Timer) -> Timer | None:
    """Deletes it in this transaction, as it is now; None: it was moved, cancelled or fired meanwhile."""
    found = await db.timers.find_one_and_delete({"_id": timer.timer_id, "at": timer.at}, session=session)
    return from_document(Timer, found) if found else None


async def postpone(db: Any, timer: Timer, seconds: float, reason: str) -> bool:
    """Lets it be tried again after a pause; says whether the claim was still the caller's."""
    changed = {"next": {"$add": ["$$NOW", seconds * 1000]}, "reason": {"$literal": reason}}
    return await _settle(db, timer, [{"$set": changed}, {"$unset": "claim"}])


async def give_up(db: Any, timer: Timer, reason: str) -> bool:
    """Keeps it as failed; says whether the claim was still the caller's."""
    changed = {"failed": "$$NOW", "reason": {"$literal": reason}}
    return await _settle(db, timer, [{"$set": changed}, {"$unset": ["claim", "next"]}])


async def give_back(db: Any, timer: Timer) -> bool:
    """Lets others try it at once, as if it had not been claimed."""
    changed = {"next": "$$NOW", "attempts": {"$subtract": ["$attempts", 1]}}
    return await _settle(db, timer, [{"$set": changed}, {"$unset": "claim"}])


async def _settle(db: Any, timer: Timer, change: list[Document]) -> bool:
    settled = await db.timers.update_one({"_id": timer.timer_id, "claim": timer.claim}, change)
    return bool(settled.modified_count)


async def count(db: Any) -> tuple[int, int, int]:
    """How many wait (an estimate), are overdue, and have failed."""
    failed = await db.timers.count_documents({"failed": {"$exists": True}})
    overdue = await db.timers.count_documents(_until(-OVERDUE_SECONDS * 1000))
    return max(await db.timers.estimated_document_count() - failed, 0), overdue, failed


async def ensure_indexes(db: Any) -> None:
    await db.timers.create_index([("next", 1), ("name", 1)])
    await db.timers.create_index("failed", partialFilterExpression={"failed": {"$exists": True}})
