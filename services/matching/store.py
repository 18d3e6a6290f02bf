"""Every query, index and collection name of the matching service; the only file of it that knows MongoDB."""

import functools
from collections import Counter
from collections.abc import Sequence
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
from services.matching.matches import MATCHED, Match, MatchNotFound, MatchState
from services.matching.model import NOT_FOUND, Audience, Line, Place, Posting, PostingState, Side, Statistics
from services.matching.ranking import OpenLine, nearest

POSTING_EXPIRES, MATCH_EXPIRES = "posting_expires", "match_expires"  # timers
CANDIDATES = 1000  # lines that are ranked for one posting, an equal share for each of its own that asks something else
LEAST_CANDIDATES = 50  # for each, however many they are: a few would be too few to find the best among


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    await migration.prepare(db, "postings", "open_lines", "matches")
    await participants.migrate(db)
    for first in ("participant_id", "lines.place_code", "help_path", "tokens"):
        await db.postings.create_index([("side", 1), (first, 1), ("_id", -1)])
    await db.postings.create_index([("side", 1), ("state", 1), ("_id", -1)])
    for place in ([], [("place_code", 1)]):  # of a line that is tied to none, and of one that is
        alike = [("side", 1), ("unit_code", 1), ("help_code", 1), *place]
        await db.open_lines.create_index([*alike, ("publish_time", 1)])
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


@functools.cache
def _related(vocabulary: str, code: str) -> list[str]:
    """It, all above it and all below it."""
    return [term.code for term in vocabularies.load(vocabulary).terms if related(vocabulary, code, term.code)]


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
        unit_code=line.unit_code,
        place_code=line.place_code,
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
    members: bool,
    place_code: str,
    help_code: str,
    query: str,
    page_size: int,
    page_token: str,
) -> Page[Posting]:
    """Newest first. `drafts`: with them; `members`: with what others do not see.

    `place_code`: a governorate holds its districts; `query`: all of its words.
    """
    wanted: list[dict[str, Any]] = [{"side": side}]
    if participant_id:
        wanted.append({"participant_id": participant_id})
    if not drafts:
        wanted.append({"state": {"$ne": PostingState.DRAFT}})
    if not members:
        wanted.append({"state": PostingState.PUBLISHED, "audience": Audience.EVERYBODY})
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


async def find_open_lines(tx: Tx, posting: Posting, line: Line, *, most: int) -> tuple[list[OpenLine], bool]:
    """The lines of the other side that fit: kind by the tree, unit, place, time, and something open. Are these all?

    Of more than `most` those whose kind and place are nearest, of these those that have waited longest.
    """
    begin = max(line.start_time or tx.now, tx.now)
    wanted: list[dict[str, Any]] = [{"$or": [{"end_time": None}, {"end_time": {"$gt": begin}}]}]
    if line.end_time is not None:
        wanted.append({"$or": [{"start_time": None}, {"start_time": {"$lt": line.end_time}}]})
    fits = {
        "side": posting.side.other,
        "unit_code": line.unit_code,
        "participant_id": {"$ne": posting.participant_id},
        "$and": wanted,
    }

    def near(kinds: Sequence[str], places: Sequence[str]) -> Any:
        where = {"place_code": {"$in": places}} if line.place_code else {}
        return tx.db.open_lines.find({**fits, "help_code": {"$in": kinds}, **where}, session=tx.session)

    kinds, places = _related("help", line.help_code), ["", *_related("places", line.place_code)]
    rows = await near(kinds, places).limit(most + 1).to_list(None)
    is_complete = len(rows) <= most
    if not is_complete:
        rows = []
        for group in nearest(line, kinds, places):
            rows += await near(*group).sort("publish_time", 1).limit(most - len(rows)).to_list(None)
            if len(rows) == most:
                break
    return [from_document(OpenLine, row) for row in rows], is_complete


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
