"""Pages of a collection by id or by a time (AIP-158). UUIDv7 ids sort by age: a page is stable while others write."""

import base64
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from chassis import errors
from chassis.mongo import from_document

S = TypeVar("S", bound=msgspec.Struct)
DEFAULT, LARGEST = 50, 200


class BadPageToken(errors.InvalidArgument):
    """Not a token that a page gave."""

    field = "page_token"
    en = "This is not the next_page_token of an earlier page"
    ar = "ليس هذا رمز الصفحة التالية الذي أعطته صفحة سابقة"


class Page(msgspec.Struct, Generic[S], frozen=True):
    """`items` of this page, the next page's token (empty on the last) and how many there are on all pages."""

    items: Sequence[S]
    next_page_token: str
    total_size: int


async def page(
    collection: Any,
    query: Mapping[str, Any],
    kind: type[S],
    *,
    page_size: int,
    page_token: str,
    newest_first: bool = False,
) -> Page[S]:
    """The documents that match `query`, by ascending or descending id. Raises BadPageToken."""
    after = {"_id": {"$lt" if newest_first else "$gt": unseal(page_token)}} if page_token else {}
    size = min(page_size or DEFAULT, LARGEST)
    rows, total = await _rows(collection, query, after, [("_id", -1 if newest_first else 1)], size)
    token = seal(rows[size - 1]["_id"]) if len(rows) > size else ""
    return Page([from_document(kind, row) for row in rows[:size]], token, total)


async def page_by_time(
    collection: Any,
    query: Mapping[str, Any],
    kind: type[S],
    *,
    path: str,
    time: Callable[[S], datetime.datetime],
    page_size: int,
    page_token: str,
) -> Page[S]:
    """The same, by the time at `path`, which `time` reads, and then by id. Raises BadPageToken."""
    after: dict[str, Any] = {}
    if page_token:
        last, last_id = _time_and_id(unseal(page_token))
        after = {"$or": [{path: {"$gt": last}}, {path: last, "_id": {"$gt": last_id}}]}
    size = min(page_size or DEFAULT, LARGEST)
    rows, total = await _rows(collection, query, after, [(path, 1), ("_id", 1)], size)
    items = [from_document(kind, row) for row in rows[:size]]
    token = seal(f"{time(items[-1]).isoformat()} {rows[size - 1]['_id']}") if len(rows) > size else ""
    return Page(items, token, total)


def _time_and_id(last: str) -> tuple[datetime.datetime, str]:
    time, _, last_id = last.partition(" ")
    try:
        return datetime.datetime.fromisoformat(time).astimezone(datetime.UTC), last_id
    except (ValueError, OverflowError) as error:
        raise BadPageToken from error


async def _rows(
    collection: Any, query: Mapping[str, Any], after: Mapping[str, Any], order: list[tuple[str, int]], size: int
) -> tuple[list[dict[str, Any]], int]:
    """One more than `size` when there are more, and how many there are on all pages."""
    found = collection.find({"$and": [query, after]}).sort(order).limit(size + 1)
    rows = await found.to_list(None)
    whole = not after and len(rows) <= size  # then nothing can have come between page and count
    return rows, len(rows) if whole else await collection.count_documents(query)


def seal(last: str) -> str:
    """The token behind which a page ended with `last`, ASCII text."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def unseal(token: str) -> str:
    """What `seal` was given. Raises BadPageToken."""
    try:
        last = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except ValueError as error:
        raise BadPageToken from error
    if seal(last) != token:  # base64 passes over what is no letter of its own
        raise BadPageToken
    return last
