"""Every query, index and collection name of the events service; the only file of it that knows MongoDB."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

import vocabularies
from chassis import migration
from chassis.aggregates import Aggregates
from chassis.paging import Page, page
from chassis.tx import Tx
from participants import store as participants
from services.events.model import (
    EARLIEST,
    LATEST,
    Audience,
    CalendarFeed,
    CalendarNotFound,
    Convening,
    ConveningNotFound,
    ConveningState,
)
from services.events.registrations import LIVE, Registration, RegistrationNotFound, RegistrationState, Seats

SEAT_LAPSES, CONVENING_ENDS = "seat_lapses", "convening_ends"  # timers


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    await migration.prepare(db, "convenings", "seats", "registrations", "calendar_feeds")
    await participants.migrate(db)
    for first in ("organizer_id", "state", "place_code", "tokens"):
        await db.convenings.create_index([(first, 1), ("_id", -1)])
    await db.convenings.create_index([("sessions.end_time", 1), ("sessions.start_time", 1)])
    await db.registrations.create_index([("convening_id", 1), ("state", 1), ("entry", 1)])
    await db.registrations.create_index([("account_id", 1), ("_id", 1)])
    await db.registrations.create_index(
        [("convening_id", 1), ("account_id", 1)],
        unique=True,
        partialFilterExpression={"state": {"$in": list(LIVE)}},
    )
    await db.calendar_feeds.create_index("digest", unique=True)
    await db.calendar_feeds.create_index([("account_id", 1), ("_id", 1)])


# -- aggregates ----------------------------------------------------------------------------------------------------
_kept = Aggregates(
    {
        Convening: ("convenings", ConveningNotFound),
        Seats: ("seats", ConveningNotFound),
        Registration: ("registrations", RegistrationNotFound),
        CalendarFeed: ("calendar_feeds", CalendarNotFound),
    }
)
add, get, save = _kept.add, _kept.get, _kept.save


# -- convenings ----------------------------------------------------------------------------------------------------
def searchable(convening: Convening) -> Convening:
    """With the tokens that it is found by, made from what it says."""
    texts = [convening.title, convening.description, convening.address]
    said = [*(one for text in texts if text for one in (text.ar, text.en)), convening.place_code]
    return replace(convening, tokens=tuple(sorted({word for one in said for word in _words(one)})))


def _words(text: str) -> Iterable[str]:
    return vocabularies.analyser().tokens(text)


async def list_convenings(
    tx: Tx,
    *,
    organizer_id: str,
    state: str | None,
    kind: str | None,
    place_code: str,
    query: str,
    from_time: datetime | None,
    until_time: datetime | None,
    drafts: bool,
    members: bool,
    page_size: int,
    page_token: str,
) -> Page[Convening]:
    """Newest first, or by the first session when a time is given. `drafts`: with them; `members`: with theirs."""
    wanted: list[dict[str, Any]] = [{}]
    if not drafts:
        wanted.append({"state": {"$ne": ConveningState.DRAFT}})
    if not members:
        wanted.append({"audience": Audience.EVERYBODY})
    given = {"organizer_id": organizer_id, "state": state, "kind": kind}
    wanted.append({name: value for name, value in given.items() if value})
    if place_code:
        wanted.append({"place_code": {"$regex": f"^{place_code}"}})
    if words := sorted(set(_words(query))):
        wanted.append({"tokens": {"$all": words}})
    paging: dict[str, Any] = {"page_size": page_size, "page_token": page_token}
    if from_time is None and until_time is None:
        return await page(tx.db.convenings, {"$and": wanted}, Convening, newest_first=True, **paging)
    during = {"end_time": {"$gt": from_time or EARLIEST}, "start_time": {"$lt": until_time or LATEST}}
    wanted.append({"sessions": {"$elemMatch": during}})
    return await page(tx.db.convenings, {"$and": wanted}, Convening, by="sessions.0.start_time", **paging)


# -- registrations -------------------------------------------------------------------------------------------------
async def find_live_registration(tx: Tx, *, convening_id: str, account_id: str) -> Registration | None:
    query = {"convening_id": convening_id, "account_id": account_id, "state": {"$in": list(LIVE)}}
    return await tx.find("registrations", query, Registration)


async def find_first_waiting(tx: Tx, convening_id: str) -> Registration | None:
    """The one that has waited longest."""
    query = {"convening_id": convening_id, "state": RegistrationState.WAITING}
    return await tx.find("registrations", query, Registration, sort=[("entry", 1)])


async def list_registrations(
    tx: Tx, *, convening_id: str, account_id: str, state: str | None, **paging: Any
) -> Page[Registration]:
    """In the order in which people registered, unless `paging` says otherwise."""
    given = {"convening_id": convening_id, "account_id": account_id, "state": state}
    query = {name: value for name, value in given.items() if value}
    return await page(tx.db.registrations, query, Registration, **paging)


# -- calendars -----------------------------------------------------------------------------------------------------
async def find_feed(tx: Tx, digest: str) -> CalendarFeed | None:
    return await tx.find("calendar_feeds", {"digest": digest}, CalendarFeed)


async def list_feeds(tx: Tx, account_id: str, *, page_size: int, page_token: str) -> Page[CalendarFeed]:
    query = {"account_id": account_id}
    return await page(tx.db.calendar_feeds, query, CalendarFeed, page_size=page_size, page_token=page_token)


async def delete_feed(tx: Tx, feed: CalendarFeed) -> None:
    await tx.db.calendar_feeds.delete_one({"_id": feed.calendar_feed_id}, session=tx.session)


async def list_convenings_of(tx: Tx, account_id: str) -> list[Convening]:
    """Those that the account is admitted to: who is only offered a seat does not know where to join online."""
    query = {"account_id": account_id, "state": RegistrationState.ADMITTED}
    seats = await tx.find_all("registrations", query, Registration)
    return await tx.find_all("convenings", {"_id": {"$in": [one.convening_id for one in seats]}}, Convening)
