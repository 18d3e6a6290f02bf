"""Leases by the server's clock, so that one of several processes does a job. They save work; they guarantee nothing.

Traps guarded here: a lease by the holders' clocks breaks with the clocks (so: $$NOW); a holder that was paused goes on
when its lease has run out (so: whatever it does must be safe without a lease).
"""

from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

SECONDS = 4.0  # a lease that is not renewed runs out after this; renew about three times as often
_UNTIL = {"$add": ["$$NOW", int(SECONDS * 1000)]}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_FORGET_MS = 60_000  # members that never said goodbye


def _leases(db: Any) -> Any:
    # A lost lease costs some double work; but one reads what was just written.
    return db.leases.with_options(write_concern=WriteConcern(1), read_concern=ReadConcern("local"))


async def take(db: Any, name: str, owner: str) -> bool:
    """Takes or renews the lease called `name`; says whether `owner` holds it now."""
    mine = {"$or": [{"$eq": ["$owner", {"$literal": owner}]}, {"$lt": [{"$ifNull": ["$until", _LONG_AGO]}, "$$NOW"]}]}
    change = {
        "owner": {"$cond": [mine, {"$literal": owner}, "$owner"]},
        "until": {"$cond": [mine, _UNTIL, "$until"]},
    }
    lease = await _leases(db).find_one_and_update(
        {"_id": name}, [{"$set": change}], upsert=True, return_document=ReturnDocument.AFTER
    )
    return bool(lease["owner"] == owner)


async def renew(db: Any, names: list[str], owner: str) -> bool:
    """Renews all of them in one round trip; says whether `owner` still held each."""
    held = {"_id": {"$in": names}, "owner": owner, "$expr": {"$gt": ["$until", "$$NOW"]}}
    renewed = await _leases(db).update_many(held, [{"$set": {"until": _UNTIL}}])
    return bool(renewed.matched_count == len(names))


async def release(db: Any, name: str, owner: str) -> None:
    await _leases(db).delete_one({"_id": name, "owner": owner})


async def join(db: Any, owner: str) -> int:
    """Says that `owner` is alive; returns how many are."""
    await _leases(db).update_one(
        {"_id": owner}, [{"$set": {"owner": {"$literal": owner}, "member": True, "until": _UNTIL}}], upsert=True
    )
    await _leases(db).delete_many({"member": True, "$expr": {"$lt": ["$until", {"$subtract": ["$$NOW", _FORGET_MS]}]}})
    alive: int = await _leases(db).count_documents({"member": True, "$expr": {"$gt": ["$until", "$$NOW"]}})
    return max(alive, 1)


async def leave(db: Any, owner: str) -> None:
    """Gives everything back at once, for the others."""
    await _leases(db).delete_many({"owner": owner})
