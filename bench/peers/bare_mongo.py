"""Registrations and acceptances as bare MongoDB transactions with motor: no gateway, no contract, nobody to verify.

    python -m bench.peers.bare_mongo register|accept DATABASE FILE

FILE has two lists of requests as JSON: the first warms up, the second is timed. Each request is one transaction, which
reads and writes what our service does for it and in the same order: the answer to its request_id, what is contested,
the open lines, the timer and the outbox. It is tried again after every transient error. 32 are in flight, and take
turns in the process, in one session. That was best for it: without turns, 32 at once ran some 40 transactions for each
that was committed, and came to a tenth or less; four at once, to half.
"""

import asyncio
import json
import os
import pathlib
import sys
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import uvloop
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import DeleteMany, DeleteOne, ReplaceOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from bench.peers import documents

IN_FLIGHT = 32
LIVE = ["REQUESTED", "WAITING", "OFFERED", "ADMITTED"]
Document = dict[str, Any]
Write = Callable[[Any, Any, Document], Awaitable[None]]


# -- registrations -------------------------------------------------------------------------------------------------
async def register(db: Any, session: Any, wanted: Document) -> None:
    mark = f"{wanted['account_id']}:register:{wanted['request_id']}"
    if await db.requests.find_one({"_id": mark}, session=session):
        return
    now = datetime.now(UTC)
    convening = await db.convenings.find_one({"_id": wanted["convening_id"]}, session=session)
    assert convening["state"] == "PUBLISHED"
    assert convening["sessions"][0]["start_time"] > now
    seats = await db.seats.find_one({"_id": convening["_id"]}, session=session)
    who = {"convening_id": convening["_id"], "account_id": wanted["account_id"]}
    assert not await db.registrations.find_one({**who, "state": {"$in": LIVE}}, session=session)
    person = await db["participants.1"].find_one(
        {"account_id": wanted["account_id"], "kind": "PERSON"}, session=session
    )
    has_seat = seats["taken"] < convening["capacity"]
    counted = {"entries": seats["entries"] + 1, "taken": seats["taken"] + has_seat}
    await _save(db.seats, session, {**seats, **counted})
    made = {
        "_id": str(uuid.uuid4()),
        **who,
        "participant_id": person["_id"] if person else "",
        "entry": counted["entries"],
        "state": "ADMITTED" if has_seat else "WAITING",
        "create_time": now,
        "update_time": now,
        "accept_by_time": None,
        "version": 1,
        "at": time.time_ns() // 1000,
    }
    await db.registrations.insert_one(made, session=session)
    await _answer(db, session, mark, _told("registrationId", made, made))
    kind = f"org.wasl.events.registration.{'admitted' if has_seat else 'queued'}.v1"
    summary = _told("registrationId", made, ("convening_id", "account_id", "state", "entry"))
    del summary["etag"]
    await db.outbox.insert_one(_entry(kind, made, {"registration": summary}), session=session)


# -- acceptances ---------------------------------------------------------------------------------------------------
async def accept(db: Any, session: Any, wanted: Document) -> None:
    mark = f"{wanted['account_id']}:accept:{wanted['request_id']}"
    if await db.requests.find_one({"_id": mark}, session=session):
        return
    match = await db.matches.find_one({"_id": wanted["match_id"]}, session=session)
    assert match["state"] == "PROPOSED"
    assert await _sides(db, session, match, wanted["account_id"]) == ["offer"]
    sides = {
        "need": await db.postings.find_one({"_id": match["need_id"]}, session=session),
        "offer": await db.postings.find_one({"_id": match["offer_id"]}, session=session),
    }
    lines = {
        side: next(line for line in posting["lines"] if line["line_id"] == match[f"{side}_line_id"])
        for side, posting in sides.items()
    }
    open_quantities = (line["quantity"] - line["committed_quantity"] for line in lines.values())
    quantity = min(match["proposed_quantity"], *open_quantities)
    assert quantity > 0
    entries, opened, now = [], [], datetime.now(UTC)
    for side, posting in sides.items():
        lines[side]["committed_quantity"] += quantity
        saved = await _save(db.postings, session, {**posting, "update_time": now})
        opened += _open_lines(saved)
        told = _told(f"{side}Id", saved, saved.keys() - NOT_TOLD)
        entries.append(_entry(f"org.wasl.matching.{side}.updated.v1", saved, {side: told}))
    changes = {"state": "ACCEPTED", "quantity": quantity, "update_time": now}
    accepted = await _save(db.matches, session, {**match, **changes})
    told = _told("matchId", accepted, accepted)
    entries.append(_entry("org.wasl.matching.match.accepted.v1", accepted, {"match": told}))
    await db.open_lines.bulk_write(opened, session=session)
    await db.timers.bulk_write([DeleteOne({"_id": f"match_expires:{accepted['_id']}"})], session=session)
    await _answer(db, session, mark, told)
    await db.outbox.insert_many(entries, session=session)


async def _sides(db: Any, session: Any, match: Document, account_id: str) -> list[str]:
    found = []
    for side in ("need", "offer"):
        one = await db["participants.1"].find_one({"_id": match[f"{side}_participant_id"]}, session=session)
        ties = {"account_id": account_id, "organization_id": one["_id"]}
        if one["account_id"] == account_id or (
            one["kind"] == "ORGANIZATION" and await db["affiliations.1"].find(ties, session=session).to_list(None)
        ):
            found.append(side)
    return found


def _open_lines(posting: Document) -> list[Any]:
    """The writes of its lines; those that are open were all made when it was published."""
    writes: list[Any] = [
        DeleteMany({"posting_id": posting["_id"], "_id": {"$nin": [line["line_id"] for line in posting["lines"]]}})
    ]
    for line in posting["lines"]:
        if left := line["quantity"] - line["committed_quantity"]:
            row = {
                "_id": line["line_id"],
                "posting_id": posting["_id"],
                "side": posting["side"],
                "participant_id": posting["participant_id"],
                "help_code": line["help_code"],
                "unit_code": line["unit_code"],
                "place_code": line["place_code"],
                "open_quantity": left,
                "publish_time": posting["publish_time"],
                "start_time": line["start_time"],
                "end_time": line["end_time"],
                "tokens": posting["tokens"],
            }
            writes.append(ReplaceOne({"_id": line["line_id"]}, row, upsert=True))
        else:
            writes.append(DeleteOne({"_id": line["line_id"]}))
    return writes


# -- what both write -----------------------------------------------------------------------------------------------
NOT_TOLD = {"side", "tokens", "help_path"}


async def _save(collection: Any, session: Any, document: Document) -> Document:
    saved = {**document, "version": document["version"] + 1, "at": time.time_ns() // 1000}
    before = {"_id": document["_id"], "version": document["version"]}
    assert (await collection.replace_one(before, saved, session=session)).matched_count
    return saved


async def _answer(db: Any, session: Any, mark: str, reply: Document) -> None:
    answer = {"_id": mark, "digest": uuid.uuid4().hex * 2, "reply": json.dumps(reply).encode(), "at": datetime.now(UTC)}
    await db.requests.insert_one(answer, session=session)


def _entry(kind: str, of: Document, data: Document) -> Document:
    """As chassis/outbox.py writes it."""
    event_id = str(uuid.uuid4())
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/wasl/{kind.split('.')[2]}",
        "type": kind,
        "subject": of["_id"],
        "time": _time(datetime.now(UTC)),
        "sequence": f"{of['version']:010d}",
        "datacontenttype": "application/json",
        "dataschema": f"urn:wasl:schema:{kind}",
        "correlationid": event_id,
        "data": data,
    }
    return {
        "_id": event_id,
        "part": zlib.crc32(of["_id"].encode()) % 8,
        "at": of["at"],
        "type": kind,
        "subject": of["_id"],
        "sequence": of["version"],
        "event": event,
    }


def _told(key: str, document: Document, fields: Iterable[str]) -> Document:
    """So much of a document as JSON."""
    told = {name: document[name] for name in fields}
    return {key: document["_id"], **_camel(told), "etag": str(document["version"])}


def _camel(value: Any) -> Any:
    """As JSON names it, without what is empty."""
    if isinstance(value, dict):
        named = {name: one for name, one in value.items() if one and name not in ("_id", "at", "version")}
        return {_name(name): _camel(one) for name, one in named.items()}
    if isinstance(value, list):
        return [_camel(one) for one in value]
    return _time(value) if isinstance(value, datetime) else value


def _name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _time(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- 32 in flight --------------------------------------------------------------------------------------------------
async def main(write: Write, database: str, warm_up: list[Document], requests: list[Document]) -> Document:
    client: Any = AsyncIOMotorClient(os.environ["WASL_MONGO_URI"], **documents.CLIENT)
    async with await client.start_session() as session:
        await run(write, client[database], session, warm_up)
        found = await run(write, client[database], session, requests)
    client.close()
    return found


async def run(write: Write, db: Any, session: Any, requests: list[Document]) -> Document:
    """{"seconds": …, "took_ms": […]}"""
    waiting, turn, took = iter(requests), asyncio.Lock(), []
    concerns = {"read_concern": ReadConcern("snapshot"), "write_concern": WriteConcern("majority", j=True)}

    async def keep_writing() -> None:
        for wanted in waiting:
            began = time.perf_counter()
            async with turn:
                # Runs it again after what is transient.
                await session.with_transaction(lambda own, one=wanted: write(db, own, one), **concerns)
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(keep_writing() for _ in range(IN_FLIGHT)))
    return {"seconds": time.perf_counter() - began, "took_ms": took}


if __name__ == "__main__":
    _, name, database, file = sys.argv
    work = {"register": register, "accept": accept}[name]
    print(json.dumps(uvloop.run(main(work, database, *json.loads(pathlib.Path(file).read_text())))))
