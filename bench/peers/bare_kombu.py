"""Bare kombu consumers with PyMongo: inbox mark and view row in one majority transaction, then the ack.

    python -m bench.peers.bare_kombu threads|batches QUEUE DATABASE

`threads`: eight threads, an event each; kombu's connection stays in the main thread, which acks. `batches`: one thread
that takes up to 64 events at once, one transaction after the other. Both write the documents that the worker writes,
decode with json only, know no errors, no retries and no newer version, and end when they are killed.
"""

import concurrent.futures
import json
import os
import queue
import sys
from datetime import UTC, datetime
from typing import Any

import pymongo
from kombu import Connection, Consumer, Queue
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

import vocabularies
from bench.peers import documents

PREFETCH, THREADS, BATCH = 300, 8, 64
VIEW = "participants.1"
Event = dict[str, Any]
_analyser = vocabularies.analyser()


def apply(client: pymongo.MongoClient[Event], db: Any, kind: str, events: list[Event]) -> None:
    def body(session: Any) -> None:
        now = datetime.now(UTC)
        marks = [{"_id": f"{kind}:{event['id']}", "at": now} for event in events]
        rows = [row(event) for event in events]
        if len(events) == 1:
            db.inbox.insert_one(marks[0], session=session)
            db[VIEW].replace_one({"_id": rows[0]["_id"]}, rows[0], upsert=True, session=session)
        else:
            db.inbox.insert_many(marks, session=session)
            writes = [pymongo.ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in rows]
            db[VIEW].bulk_write(writes, session=session)

    with client.start_session() as session:
        session.with_transaction(
            body, read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority", j=True)
        )


def row(event: Event) -> Event:
    member = event["data"]["member"]
    names = member["displayName"]
    tokens = _analyser.tokens(names["ar"]) + _analyser.tokens(names["en"])
    return {
        "_id": member["memberId"],
        "kind": member["kind"],
        "display_name": names,
        "join_time": datetime.fromisoformat(member["joinTime"]),
        "account_id": member.get("accountId", ""),
        "place_code": member["placeCode"],
        "organization_type_code": member["organizationTypeCode"],
        "tokens": sorted(set(tokens)),
        "version": int(event["sequence"]),
    }


def run(kind: str, name: str, database: str) -> None:
    sys.setswitchinterval(0.001)  # as ours
    client = pymongo.MongoClient[Event](os.environ["WASL_MONGO_URI"], **documents.CLIENT)
    db = client[database]
    pool, finished = concurrent.futures.ThreadPoolExecutor(THREADS), queue.SimpleQueue[Any]()
    waiting: list[Any] = []

    def one(message: Any) -> None:
        apply(client, db, kind, [json.loads(message.body)])
        finished.put(message)

    def flush() -> None:
        batch = waiting[:]
        waiting.clear()
        apply(client, db, kind, [json.loads(message.body) for message in batch])
        batch[-1].ack(multiple=True)

    def arrived(message: Any) -> None:
        if kind == "threads":
            pool.submit(one, message)
            return
        waiting.append(message)
        if len(waiting) == BATCH:
            flush()

    with Connection(os.environ["WASL_AMQP_URI"]) as connection:
        channel = connection.channel()
        channel.basic_qos(0, PREFETCH, False)
        with Consumer(channel, [Queue(name, no_declare=True)], on_message=arrived, auto_declare=False):
            while True:
                try:
                    connection.drain_events(timeout=0.002 if kind == "threads" else 0.02)
                except TimeoutError:
                    if waiting:
                        flush()
                while not finished.empty():
                    finished.get().ack()


if __name__ == "__main__":
    run(*sys.argv[1:])
