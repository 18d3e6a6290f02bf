"""Every query, index and collection name of the resources service; with contents.py all of it that knows MongoDB.

`entries` is the search index: one small document for each current version, written in the transaction that publishes
it. A search goes by its rarest word, through a multikey index that gives the newest first, and looks at SEEN entries at
most: that bounds its time, whatever is asked and however much there is. What grows with the bank: `words` has an index
entry for each different word of a record, some 90.
"""

import asyncio
import collections
import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from pymongo import DeleteOne, ReplaceOne

from chassis import migration
from chassis.aggregates import Aggregates
from chassis.mongo import from_document, to_document
from chassis.paging import Page, page
from chassis.tx import Tx
from participants import store as participants
from services.resources import contents, search
from services.resources.model import UNFINISHED, Record, RecordNotFound, RecordState, Upload, UploadNotFound

UPLOAD_EXPIRES = "upload_expires"  # timer
SEEN = 2_000  # entries that one search looks at
FREQUENT = 4_000  # a word in so many is frequent: it makes no difference which of such words is the rarest


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    await migration.prepare(db, "records", "entries", "uploads")
    await participants.migrate(db)
    await contents.migrate(db)
    await db.records.create_index([("state", 1), ("_id", -1)])
    await db.records.create_index([("publisher_id", 1), ("state", 1), ("_id", -1)])
    await db.records.create_index([("concept_id", 1), ("version_number", 1)], unique=True)
    await db.records.create_index("files.file_id")
    for states in ([RecordState.PUBLISHED], UNFINISHED):  # of each concept one current version, and one unfinished
        only = {"state": {"$in": list(states)}}
        name = f"one_{states[0].lower()}"
        await db.records.create_index("concept_id", name=name, unique=True, partialFilterExpression=only)
    await db.entries.create_index([("words", 1), ("order", -1)])
    await db.entries.create_index([("order", -1)])


# -- aggregates ----------------------------------------------------------------------------------------------------
_kept = Aggregates({Record: ("records", RecordNotFound), Upload: ("uploads", UploadNotFound)})
add, get, save = _kept.add, _kept.get, _kept.save


# -- records -------------------------------------------------------------------------------------------------------
async def save_record(tx: Tx, record: Record) -> Record:
    """With its entry in the search index, if it has one."""
    after = await save(tx, record)
    if after.state is RecordState.PUBLISHED:
        row = to_document(search.entry(after, order=time.time_ns() // 1000))
        tx.later("entries", ReplaceOne({"_id": row["_id"]}, row, upsert=True))
    elif after.is_public:
        tx.later("entries", DeleteOne({"_id": after.record_id}))
    return after


async def find_current(tx: Tx, concept_id: str) -> Record | None:
    """The published version."""
    return await tx.find("records", {"concept_id": concept_id, "state": RecordState.PUBLISHED}, Record)


async def find_unfinished(tx: Tx, concept_id: str) -> Record | None:
    """The version that is not published yet."""
    return await tx.find("records", {"concept_id": concept_id, "state": {"$in": list(UNFINISHED)}}, Record)


async def last_number(tx: Tx, concept_id: str) -> int:
    """Of the newest version."""
    newest = await tx.db.records.find_one(
        {"concept_id": concept_id}, {"version_number": 1}, sort=[("version_number", -1)], session=tx.session
    )
    number: int = newest["version_number"]
    return number


async def list_records(
    tx: Tx, *, states: list[RecordState], publisher_id: str, concept_id: str, page_size: int, page_token: str
) -> Page[Record]:
    """Newest first; of those that are no longer or not yet finished only what was once published."""
    given = {"publisher_id": publisher_id, "concept_id": concept_id}
    query: dict[str, Any] = {name: value for name, value in given.items() if value}
    query["state"] = {"$in": states}
    if RecordState.WITHDRAWN in states:
        query["publish_time"] = {"$ne": None}
    return await page(tx.db.records, query, Record, page_size=page_size, page_token=page_token, newest_first=True)


async def find_records_with(tx: Tx, file_id: str) -> list[Record]:
    """The versions that have this file."""
    return await tx.find_all("records", {"files.file_id": file_id}, Record)


# -- uploads -------------------------------------------------------------------------------------------------------
async def find_upload(tx: Tx, file_id: str) -> Upload | None:
    return await tx.get("uploads", file_id, Upload)


def drop_upload(tx: Tx, file_id: str) -> None:
    tx.later("uploads", DeleteOne({"_id": file_id}))


# -- search --------------------------------------------------------------------------------------------------------
class Row(Struct, frozen=True, order=True):
    """An entry that was found, in the order of its place: the tier, and the newest first."""

    tier: int
    age: int  # -order
    record_id: str


class Rows(Struct, frozen=True):
    """All that was found, best first; how many have which filter values (as `search.Entry.facets`); was all seen?"""

    rows: list[Row]
    counted: list[tuple[str, int]]
    complete: bool


async def find_entries(tx: Tx, *, stems: Sequence[int], terms: Sequence[int]) -> Rows:
    """The entries with all these words and filter terms, among the newest SEEN that have the rarest of them.

    Both as their `search.number`.
    """
    rarest, seen = await _rarest(tx, (*stems, *terms))
    tier = {
        "$switch": {
            "branches": [
                {"case": {"$setIsSubset": [list(stems), "$title"]}, "then": 0},
                {"case": {"$setIsSubset": [list(stems), "$strong"]}, "then": 1},
            ],
            "default": 2,
        }
    }
    others = [word for word in (*stems, *terms) if word != rarest]
    rows = tx.db.entries.aggregate(
        [
            {"$match": {"words": rarest} if rarest is not None else {}},
            {"$sort": {"order": -1}},
            {"$limit": SEEN},  # also keeps the planner from trying an index for each of the words
            {"$match": {"words": {"$all": others}} if others else {}},
            {"$project": {"order": 1, "facets": 1, "tier": tier}},
        ],
        batchSize=SEEN,
    )
    found = await rows.to_list(None)
    counted = collections.Counter(row["facets"] for row in found)
    ordered = sorted(Row(row["tier"], -row["order"], row["_id"]) for row in found)
    return Rows(ordered, list(counted.items()), seen <= SEEN)


async def _rarest(tx: Tx, words: Sequence[int]) -> tuple[int | None, int]:
    """The word that the fewest records have, and how many these are; None is what all of them have. Counts to FREQUENT.

    By keys of the index alone, some 0.3 ms for a thousand.
    """
    if not words:
        return None, await tx.db.entries.estimated_document_count()
    counts = (tx.db.entries.count_documents({"words": word}, limit=FREQUENT) for word in words)
    least, rarest = min(zip(await asyncio.gather(*counts), words, strict=True))
    return rarest, least


async def get_records(tx: Tx, record_ids: list[str]) -> list[Record]:
    """Those that are there, in the order of the ids."""
    documents = await tx.db.records.find({"_id": {"$in": record_ids}}).to_list(None)
    by_id = {document["_id"]: from_document(Record, document) for document in documents}
    return [by_id[one] for one in record_ids if one in by_id]
