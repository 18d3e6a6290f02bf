"""What every service's database has, whatever the service keeps."""

from typing import Any

from chassis import app, eventlog, inbox, mongo, outbox, timers


async def prepare(db: Any, *own: str) -> None:
    """Collections, `own` ones included, and the chassis' indexes; run as often as one likes."""
    await mongo.ensure_collections(db, *own, "requests", "outbox", "log", "inbox", "timers")
    for module in (app, outbox, eventlog, inbox, timers):
        await module.ensure_indexes(db)
