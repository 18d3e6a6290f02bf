"""Every query, index and collection name of the resources service; with contents.py all of it that knows MongoDB.

`entries` is the search index: one small document for each current version, written in the transaction that publishes
it. Its three multikey indexes end in `order`, so that each tier of a search comes sorted and is read no further than
its page. What grows: `words` has an index entry for each different word of a record, some 80; and what is counted for
facets, which therefore ends at COUNTED.
"""

import time
from typing import Any

from pymongo import DeleteOne, ReplaceOne

from chassis import app, eventlog, inbox, mongo, outbox, timers
from chassis.mongo import from_document, to_document
from chassis.paging import BadPageToken, Page, page, seal, unseal
from chassis.tx import Tx
from participants import store as participants
from services.resources import contents, search
from services.resources.model import UNFINISHED, Record, RecordNotFound, RecordState, Upload

UPLOAD_EXPIRES = "upload_expires"  # timer
COUNTED = 10_000  # records that one search counts


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    await mongo.ensure_collections(db, "records", "entries", "uploads", "timers", "requests", "outbox", "log", "inbox")
    await app.ensure_indexes(db)
    await outbox.ensure_indexes(db)
    await eventlog.ensure_indexes(db)
    await inbox.ensure_indexes(db)
    await timers.ensure_indexes(db)
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
    for words in ("title", "strong", "words"):
        await db.entries.create_index([(words, 1), ("order", -1)])
    await db.entries.create_index([("order", -1)])


# -- records -------------------------------------------------------------------------------------------------------
async def add_record(tx: Tx, record: Record) -> Record:
    return await tx.insert("records", record)


async def get_record(tx: Tx, record_id: str) -> Record:
    """Raises RecordNotFound."""
    if found := await tx.get("records", record_id, Record):
        return found
    raise RecordNotFound


async def save_record(tx: Tx, record: Record) -> Record:
    """With its entry in the search index, if it has one."""
    after = await tx.save("records", record)
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
async def add_upload(tx: Tx, upload: Upload) -> Upload:
    return await tx.insert("uploads", upload)


async def find_upload(tx: Tx, file_id: str) -> Upload | None:
    return await tx.get("uploads", file_id, Upload)


async def save_upload(tx: Tx, upload: Upload) -> Upload:
    return await tx.save("uploads", upload)


def drop_upload(tx: Tx, file_id: str) -> None:
    tx.later("uploads", DeleteOne({"_id": file_id}))


# -- search --------------------------------------------------------------------------------------------------------
async def find_records(
    tx: Tx, *, stems: list[str], terms: list[str], page_size: int, page_token: str
) -> tuple[list[Record], str]:
    """A page of the current versions with all these words and filter terms, and the next one's token.

    Tier by tier: all words in the title, then in what is strong, then anywhere; the newest first. Raises BadPageToken.
    """
    tier, before = _position(page_token)
    tiers = _tiers(stems, terms)
    found: list[dict[str, Any]] = []
    while tier < len(tiers) and len(found) <= page_size:
        query = {"$and": [*tiers[tier], *([{"order": {"$lt": before}}] if before else [])]}
        rows = tx.db.entries.find(query, {"order": 1}).sort("order", -1).limit(page_size + 1 - len(found))
        found += [{**row, "tier": tier} for row in await rows.to_list(None)]
        tier, before = tier + 1, 0
    shown = found[:page_size]
    token = seal(f"{shown[-1]['tier']}:{shown[-1]['order']}") if len(found) > page_size else ""
    by_id = {
        document["_id"]: from_document(Record, document)
        for document in await tx.db.records.find({"_id": {"$in": [row["_id"] for row in shown]}}).to_list(None)
    }
    return [by_id[row["_id"]] for row in shown if row["_id"] in by_id], token


def _tiers(stems: list[str], terms: list[str]) -> list[list[dict[str, Any]]]:
    """The conditions of each tier; one that an earlier tier fulfils is left to that."""
    filters = [{"words": {"$all": terms}}] if terms else []
    if not stems:
        return [filters or [{}]]
    every = {"$all": stems}
    return [
        [{"title": every}, *filters],
        [{"strong": every}, {"title": {"$not": every}}, *filters],
        [{"words": every}, {"strong": {"$not": every}}, *filters],
    ]


def _position(token: str) -> tuple[int, int]:
    tier, _, order = unseal(token).partition(":") if token else ("0", "", "0")
    if not (tier in ("0", "1", "2") and order.isdecimal()):
        raise BadPageToken
    return int(tier), int(order)


async def count_found(tx: Tx, *, stems: list[str], terms: list[str]) -> list[tuple[str, int]]:
    """How many of the newest COUNTED that are found have which filter values, as `search.Entry.facets`."""
    every = [*stems, *terms]
    rows = tx.db.entries.aggregate(
        [
            {"$match": {"words": {"$all": every}} if every else {}},
            {"$sort": {"order": -1}},
            {"$limit": COUNTED},
            {"$group": {"_id": "$facets", "count": {"$sum": 1}}},
        ]
    )
    return [(row["_id"], row["count"]) for row in await rows.to_list(None)]
