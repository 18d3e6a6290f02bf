"""Views: collections that a service derives from events, and can build anew while readers go on.

A view's documents are in `<view>.<generation>`; `views` says which generation is live and which is being built. Events
that arrive meanwhile go to both, so that the new one is whole when it takes over (chassis/rebuild.py).
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from pymongo import ReturnDocument

CACHE_SECONDS = 1.0  # how long a reader may still look at the generation before; it is kept longer than that
_seen: dict[tuple[int, str, str], tuple[float, str]] = {}


def collection(view: str, generation: int) -> str:
    return f"{view}.{generation}"


async def live(db: Any, view: str) -> Any:
    """The collection that readers read."""
    key = (id(db.client), db.name, view)  # its address would block until there is a server
    expires, name = _seen.get(key, (0.0, ""))
    if expires < time.monotonic():
        found = await db.views.find_one({"_id": view})
        name = collection(view, found["live"] if found else 1)
        _seen[key] = (time.monotonic() + CACHE_SECONDS, name)
    return db[name]


async def written(db: Any, view: str, session: Any) -> list[Any]:
    """The collections that an event's effect goes to, as of this transaction."""
    found = await db.views.find_one({"_id": view}, session=session) or {
        "live": 1,
        "building": None,
    }
    return [db[collection(view, generation)] for generation in (found["live"], found["building"]) if generation]


async def ensure(db: Any, view: str) -> None:
    """The first generation; a transaction cannot wait for a collection to be made."""
    await db.views.update_one({"_id": view}, {"$setOnInsert": {"live": 1, "building": None, "begun": 1}}, upsert=True)


async def begin(db: Any, view: str, index: Callable[[Any], Awaitable[None]]) -> int | None:
    """Starts a new generation, with its indexes; one that was begun and never finished is dropped.

    None if another build was begun at the same time. Raises LookupError when no migration has made the view.
    """
    before = await db.views.find_one({"_id": view})
    if before is None:
        raise LookupError(f"there is no view {view}: migrate first")
    # Databases of before 0.1 do not say what was last begun.
    generation: int = before.get("begun", max(before["live"], before["building"] or 0)) + 1
    await index(db[collection(view, generation)])
    begun = {"$set": {"building": generation, "begun": generation}}
    if not (await db.views.update_one(before, begun)).matched_count:
        return None
    if before["building"]:
        await db[collection(view, before["building"])].drop()
    return generation


async def finish(db: Any, view: str, generation: int) -> str | None:
    """Makes `generation` the live one. Returns the name of the old collection, or None if another build took over."""
    before = await db.views.find_one_and_update(
        {"_id": view, "building": generation},
        {"$set": {"live": generation, "building": None}},
        return_document=ReturnDocument.BEFORE,
    )
    return collection(view, before["live"]) if before else None


async def abandon(db: Any, view: str, generation: int) -> None:
    """Gives up a generation that did not become the live one: events no longer go to it."""
    await db.views.update_one({"_id": view, "building": generation}, {"$set": {"building": None}})
    if (await db.views.find_one({"_id": view}))["live"] != generation:
        await db[collection(view, generation)].drop()
