"""Pages of a collection by id or by a time (AIP-158). UUIDv7 ids sort by age: a page is stable while others write."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
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
    by: str = "",
) -> Page[S]:
    """The documents that match `query`, by ascending or descending id.

    `by` is the path of a time that goes before the id, such as `sessions.0.start_time`; all of them have it.
    Raises BadPageToken.
    """
    size = min(page_size or DEFAULT, LARGEST)
    after = _after(page_token, by, "$lt" if newest_first else "$gt") if page_token else {}
    order = [(name, -1 if newest_first else 1) for name in (by, "_id") if name]
    found = collection.find({"$and": [query, after]}).sort(order).limit(size + 1)
    documents = await found.to_list(None)
    token = seal(_place(documents[size - 1], by)) if len(documents) > size else ""
    whole = not page_token and len(documents) <= size  # then nothing can have come between page and count
    total = len(documents) if whole else await collection.count_documents(query)
    return Page([from_document(kind, document) for document in documents[:size]], token, total)


def _place(document: Any, by: str) -> str:
    if not by:
        return str(document["_id"])
    at = document
    for step in by.split("."):
        at = at[int(step) if step.isdigit() else step]
    return f"{at.isoformat()} {document['_id']}"


def _after(page_token: str, by: str, follows: str) -> dict[str, Any]:
    """What comes behind the place that the token names. Raises BadPageToken."""
    if not by:
        last = unseal(page_token)
        try:
            uuid.UUID(last)
        except ValueError as error:
            raise BadPageToken from error
        return {"_id": {follows: last}}
    time, _, last = unseal(page_token).partition(" ")
    try:
        at = datetime.fromisoformat(time).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadPageToken from error
    return {"$or": [{by: {follows: at}}, {by: at, "_id": {follows: last}}]}


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
