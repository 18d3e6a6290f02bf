"""The outbox: what happened is written in the transaction that made it happen, and announced afterwards.

Publishing after the commit loses the event when the process dies in between; before it, announces what may never be.
An entry lives until the broker has confirmed it and then moves to the event log: the outbox's size is the relay's lag.
`at` orders the entries of one aggregate: a clock in µs kept with its state that never stands still (chassis/tx.py).
"""

import zlib
from typing import Any

PARTS = 8  # relays share the outbox by part; an aggregate has one part


def entry(event: dict[str, Any], *, at: int) -> dict[str, Any]:
    """The outbox document of a CloudEvent document."""
    return {
        "_id": event["id"],
        "part": zlib.crc32(event["subject"].encode()) % PARTS,
        "at": at,
        "type": event["type"],
        "subject": event["subject"],
        "sequence": int(event["sequence"]),
        "event": event,
    }


async def ensure_indexes(db: Any) -> None:
    await db.outbox.create_index([("part", 1), ("at", 1)])
