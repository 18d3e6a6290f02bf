"""Pages of a collection by id (AIP-158). UUIDv7 ids sort by age, so a page is stable while others write."""

import base64
from collections.abc import Mapping, Sequence
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
    size = min(page_size or DEFAULT, LARGEST)
    after = {"_id": {"$lt" if newest_first else "$gt": unseal(page_token)}} if page_token else {}
    found = collection.find({"$and": [query, after]}).sort("_id", -1 if newest_first else 1).limit(size + 1)
    documents = await found.to_list(None)
    token = seal(documents[size - 1]["_id"]) if len(documents) > size else ""
    whole = not page_token and len(documents) <= size  # then nothing can have come between page and count
    total = len(documents) if whole else await collection.count_documents(query)
    return Page([from_document(kind, document) for document in documents[:size]], token, total)


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
