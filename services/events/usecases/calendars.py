"""Calendar files, and the secret addresses of calendar programs."""

import hashlib

from google.api import httpbody_pb2

from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from services.events import calendar, store
from services.events.model import CalendarFeed, CalendarNotFound, ConveningNotFound, ConveningState
from services.events.usecases.convenings import get_convening


async def get_convening_calendar(tx: Tx, *, convening_id: str, by: Caller) -> httpbody_pb2.HttpBody:
    """As the caller may see it. Raises ConveningNotFound, also for a draft."""
    found = await get_convening(tx, convening_id=convening_id, by=by)
    if found.state is ConveningState.DRAFT:
        raise ConveningNotFound
    return _file(calendar.write([found], by.language))


async def issue_feed(tx: Tx, *, label: str, token: str, by: Caller) -> CalendarFeed:
    """An address that ends in `token`, of which only the digest is kept."""
    if known := await store.find_feed(tx, _digest(token)):
        return known  # this body runs again
    feed = CalendarFeed(
        calendar_feed_id=new_id(),
        account_id=by.subject,
        label=label,
        digest=_digest(token),
        create_time=tx.now,
    )
    return await store.add(tx, feed)


async def list_feeds(tx: Tx, *, page_size: int, page_token: str, by: Caller) -> Page[CalendarFeed]:
    """The caller's, in the order in which they were made."""
    return await store.list_feeds(tx, by.subject, page_size=page_size, page_token=page_token)


async def revoke_feed(tx: Tx, *, calendar_feed_id: str, by: Caller) -> None:
    """Raises CalendarNotFound, also for somebody else's."""
    feed = await store.get(tx, CalendarFeed, calendar_feed_id)
    if feed.account_id != by.subject:
        raise CalendarNotFound
    await store.delete_feed(tx, feed)


async def get_calendar(tx: Tx, *, token: str, by: Caller) -> httpbody_pb2.HttpBody:
    """Everything that the address's account has a seat at. Raises CalendarNotFound."""
    feed = await store.find_feed(tx, _digest(token))
    if feed is None:
        raise CalendarNotFound
    convenings = await store.list_convenings_of(tx, feed.account_id)
    return _file(calendar.write(sorted(convenings, key=lambda one: one.start_time), by.language))


def _file(data: bytes) -> httpbody_pb2.HttpBody:
    return httpbody_pb2.HttpBody(content_type=calendar.CONTENT_TYPE, data=data)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
