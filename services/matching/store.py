"""Every query, index and collection name of the matching service; the only file of it that knows MongoDB."""

from collections import Counter
from typing import Any

from msgspec.structs import replace
from pymongo import DeleteMany, DeleteOne, ReplaceOne

import vocabularies
from chassis import migration
from chassis.aggregates import Aggregates
from chassis.mongo import from_document, to_document
from chassis.paging import Page, page
from chassis.tx import Tx
from participants import store as participants
from services.matching.model import (
    MATCHED,
    NOT_FOUND,
    Line,
    Match,
    MatchNotFound,
    MatchState,
    Place,
    Posting,
    PostingState,
    Side,
    Statistics,
)
from services.matching.ranking import OpenLine

POSTING_EXPIRES, MATCH_EXPIRES = "posting_expires", "match_expires"  # timers
CANDIDATES = 1000  # lines that are ranked for one posting, an equal share for each of its own


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    await migration.prepare(db, "postings", "open_lines", "matches")
    await participants.migrate(db)
    for first in ("participant_id", "lines.place_code", "help_path", "tokens"):
        await db.postings.create_index([("side", 1), (first, 1), ("_id", -1)])
    await db.postings.create_index([("side", 1), ("state", 1), ("_id", -1)])
    for kind in ("help_path", "help_code"):
        await db.open_lines.create_index([("side", 1), ("unit_code", 1), (kind, 1), ("publish_time", 1)])
    await db.open_lines.create_index([("posting_id", 1), ("side", 1), ("place_code", 1)])
    for side in ("need", "offer"):
        await db.matches.create_index([(f"{side}_participant_id", 1), ("_id", -1)])
        await db.matches.create_index([(f"{side}_id", 1), ("_id", -1)])
    await db.matches.create_index([("state", 1), ("place_code", 1)])
    await db.matches.create_index(
        [("need_line_id", 1), ("offer_line_id", 1)],
        unique=True,
        partialFilterExpression={"state": MatchState.PROPOSED},
    )


# -- vocabularies --------------------------------------------------------------------------------------------------
def path(vocabulary: str, code: str) -> tuple[str, ...]:
    """A code and all above it."""
    return (code, *vocabularies.ancestors(vocabulary, code)) if code else ()


def related(vocabulary: str, one: str, other: str) -> bool:
    """Is one of them the other, or above it?"""
    return one in path(vocabulary, other) or other in path(vocabulary, one)


# -- needs and offers ----------------------------------------------------------------------------------------------
def searchable(posting: Posting) -> Posting:
    """With what it is found by, made from what it says."""
    texts = [posting.title, posting.description, *(line.note for line in posting.lines)]
    tokens = {token for text in texts if text for token in vocabularies.analyser().tokens_of(text)}
    kinds = {code for line in posting.lines for code in path("help", line.help_code)}
    return replace(posting, tokens=tuple(sorted(tokens)), help_path=tuple(sorted(kinds)))


async def add_posting(tx: Tx, posting: Posting) -> Posting:
    return await tx.insert("postings", searchable(posting))


async def get_posting(tx: Tx, side: Side | None, posting_id: str) -> Posting:
    """Of whatever side when none is given. Raises NeedNotFound or OfferNotFound."""
    found = await tx.get("postings", posting_id, Posting)
    if found is None or side not in (None, found.side):
        raise NOT_FOUND[side or Side.NEED]
    return found


async def save_posting(tx: Tx, posting: Posting) -> Posting:
    """Its open lines follow in the same transaction."""
    saved = await tx.save("postings", posting)
    kept = {line.line_id for line in saved.lines}
    tx.later("open_lines", DeleteMany({"posting_id": saved.posting_id, "_id": {"$nin": sorted(kept)}}))
    for line in saved.lines:
        if saved.state is PostingState.PUBLISHED and line.open_quantity:
            row = to_document(_open_line(saved, line))
            tx.later("open_lines", ReplaceOne({"_id": line.line_id}, row, upsert=True))
        else:
            tx.later("open_lines", DeleteOne({"_id": line.line_id}))
    return saved


def _open_line(posting: Posting, line: Line) -> OpenLine:
    return OpenLine(
        line_id=line.line_id,
        posting_id=posting.posting_id,
        side=posting.side,
        participant_id=posting.participant_id,
        help_code=line.help_code,
        help_path=path("help", line.help_code),
        unit_code=line.unit_code,
        place_code=line.place_code,
        place_path=path("places", line.place_code),
        open_quantity=line.open_quantity,
        publish_time=posting.publish_time or posting.update_time,
        start_time=line.start_time,
        end_time=line.end_time,
        tokens=posting.tokens,
    )


async def list_postings(
    tx: Tx,
    *,
    side: Side,
    participant_id: str,
    state: str | None,
    drafts: bool,
    place_code: str,
    help_code: str,
    query: str,
    page_size: int,
    page_token: str,
) -> Page[Posting]:
    """Newest first. `place_code`: a governorate holds its districts; `query`: all of its words."""
    wanted: list[dict[str, Any]] = [{"side": side}]
    if participant_id:
        wanted.append({"participant_id": participant_id})
    if not drafts:
        wanted.append({"state": {"$ne": PostingState.DRAFT}})
    if state:
        wanted.append({"state": state})
    if place_code:
        wanted.append({"lines.place_code": {"$regex": f"^{place_code}"}})
    if help_code:
        wanted.append({"help_path": help_code})
    if words := sorted(set(vocabularies.analyser().tokens(query))):
        wanted.append({"tokens": {"$all": words}})
    return await page(
        tx.db.postings, {"$and": wanted}, Posting, page_size=page_size, page_token=page_token, newest_first=True
    )


async def find_open_lines(tx: Tx, posting: Posting, line: Line, *, most: int) -> list[OpenLine]:
    """The lines of the other side that fit: kind by the tree, unit, place, time, and something open.

    Of more than `most` those that have waited longest.
    """
    wanted: list[dict[str, Any]] = [
        {"$or": [{"help_path": line.help_code}, {"help_code": {"$in": path("help", line.help_code)[1:]}}]},
        {"participant_id": {"$ne": posting.participant_id}},
    ]
    if line.place_code:
        wider = ["", *path("places", line.place_code)]
        wanted.append({"$or": [{"place_code": {"$in": wider}}, {"place_path": line.place_code}]})
    begin = max(line.start_time or tx.now, tx.now)
    wanted.append({"$or": [{"end_time": None}, {"end_time": {"$gt": begin}}]})
    if line.end_time is not None:
        wanted.append({"$or": [{"start_time": None}, {"start_time": {"$lt": line.end_time}}]})
    fits = {"side": posting.side.other, "unit_code": line.unit_code, "$and": wanted}
    rows = tx.db.open_lines.find(fits, session=tx.session).sort("publish_time", 1).limit(most)
    return [from_document(OpenLine, row) for row in await rows.to_list(None)]


# -- matches -------------------------------------------------------------------------------------------------------
_kept = Aggregates({Match: ("matches", MatchNotFound)})
add, get, save = _kept.add, _kept.get, _kept.save


async def find_proposal(tx: Tx, need_line_id: str, offer_line_id: str) -> Match | None:
    """The match of these two lines that waits for an answer."""
    lines = {"need_line_id": need_line_id, "offer_line_id": offer_line_id}
    return await tx.find("matches", {**lines, "state": MatchState.PROPOSED}, Match)


async def list_matches(
    tx: Tx,
    *,
    participant_id: str,
    need_id: str,
    offer_id: str,
    state: str | None,
    page_size: int,
    page_token: str,
) -> Page[Match]:
    """Newest first; `participant_id` is on either side."""
    wanted: dict[str, Any] = {"need_id": need_id, "offer_id": offer_id, "state": state}
    wanted = {name: value for name, value in wanted.items() if value}
    if participant_id:
        wanted["$or"] = [{"need_participant_id": participant_id}, {"offer_participant_id": participant_id}]
    return await page(tx.db.matches, wanted, Match, page_size=page_size, page_token=page_token, newest_first=True)


# -- figures -------------------------------------------------------------------------------------------------------
_ALL = "*"  # among the codes of governorates: everywhere, each posting once


async def count_network(tx: Tx) -> Statistics:
    """A posting counts once in each governorate of its open lines; a match where it is for."""
    governorate = {"$substrBytes": ["$place_code", 0, 4]}  # "" of what is tied to no place
    postings = tx.db.open_lines.aggregate(
        [
            {"$group": {"_id": "$posting_id", "side": {"$first": "$side"}, "places": {"$addToSet": governorate}}},
            {"$set": {"places": {"$concatArrays": ["$places", [_ALL]]}}},
            {"$unwind": "$places"},
            {"$group": {"_id": {"side": "$side", "place": "$places"}, "count": {"$sum": 1}}},
        ],
        session=tx.session,
    )
    matches = tx.db.matches.aggregate(
        [
            {"$match": {"state": {"$in": list(MATCHED)}}},
            {"$group": {"_id": governorate, "count": {"$sum": 1}}},
        ],
        session=tx.session,
    )
    counted: dict[str, Counter[str]] = {"NEED": Counter(), "OFFER": Counter(), "MATCH": Counter()}
    for row in await postings.to_list(None):
        counted[row["_id"]["side"]][row["_id"]["place"]] = row["count"]
    for row in await matches.to_list(None):
        counted["MATCH"][row["_id"]] = row["count"]
        counted["MATCH"][_ALL] += row["count"]
    figures = {
        place: {f"{what.lower()}_count": by_place[place] for what, by_place in counted.items()}
        for place in sorted({place for by_place in counted.values() for place in by_place} | {_ALL})
    }
    total = figures.pop(_ALL)
    return Statistics(places=tuple(Place(place_code=place, **one) for place, one in figures.items()), **total)
