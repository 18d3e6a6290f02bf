"""Bytes of files, in GridFS's own layout, so that its tools read them. The one place to change for another store.

A content grows by pieces and survives any kill: what is stored is what its chunks hold, and nothing else knows it.
A piece never crosses a chunk's end; the last chunk may be shorter and is lengthened in place. Two writers cannot mix:
a new chunk is unique by its number, a longer one replaces what has exactly the length that was seen.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from pymongo import DeleteMany, DeleteOne, ReplaceOne
from pymongo.errors import DuplicateKeyError

from chassis import mongo
from chassis.tx import Tx

CHUNK = 1 << 20  # bytes; of GridFS's default, 255 KiB, a gigabyte would be 4000 round trips
FILES, CHUNKS = "contents.files", "contents.chunks"


class Conflict(Exception):
    """Somebody else has stored something at this place."""


async def migrate(db: Any) -> None:
    await mongo.ensure_collections(db, FILES, CHUNKS)
    await db[CHUNKS].create_index([("files_id", 1), ("n", 1)], unique=True)


async def size(db: Any, key: str) -> int:
    """How many bytes are durably stored."""
    fields = {"n": 1, "length": {"$binarySize": "$data"}}
    last = await db[CHUNKS].find_one({"files_id": key}, fields, sort=[("n", -1)])
    return last["n"] * CHUNK + last["length"] if last else 0


async def append(db: Any, key: str, at: int, data: bytes) -> None:
    """Stores `data` durably behind the `at` bytes that are there, up to the end of a chunk at most. Raises Conflict."""
    number, inside = divmod(at, CHUNK)
    if inside + len(data) > CHUNK:
        raise ValueError("a piece ends with its chunk")
    if not inside:
        try:
            await db[CHUNKS].insert_one({"files_id": key, "n": number, "data": data})
        except DuplicateKeyError as error:
            raise Conflict from error
        return
    chunk = await db[CHUNKS].find_one({"files_id": key, "n": number})
    if chunk is None or len(chunk["data"]) != inside:
        raise Conflict
    unchanged = {"_id": chunk["_id"], "$expr": {"$eq": [{"$binarySize": "$data"}, inside]}}
    if not (await db[CHUNKS].update_one(unchanged, {"$set": {"data": chunk["data"] + data}})).matched_count:
        raise Conflict


async def cut(db: Any, key: str, at: int) -> None:
    """Forgets all but the first `at` bytes."""
    number, inside = divmod(at, CHUNK)
    await db[CHUNKS].delete_many({"files_id": key, "n": {"$gte": number + bool(inside)}})
    if inside and (chunk := await db[CHUNKS].find_one({"files_id": key, "n": number})):
        await db[CHUNKS].update_one({"_id": chunk["_id"]}, {"$set": {"data": chunk["data"][:inside]}})


async def read(db: Any, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes from `start` to before `stop`, one chunk at a time in memory. Raises EOFError."""
    while start < stop:
        number, inside = divmod(start, CHUNK)
        chunk = await db[CHUNKS].find_one({"files_id": key, "n": number}, {"data": 1})
        piece = chunk["data"][inside : inside + stop - start] if chunk else b""
        if not piece:
            raise EOFError(f"{key} ends before {start}")
        yield piece
        start += len(piece)


async def sha256(db: Any, key: str, stop: int) -> str:
    """Of the first `stop` bytes as they are stored, in hexadecimal."""
    digest = hashlib.sha256()
    async for piece in read(db, key, 0, stop):
        digest.update(piece)
    return digest.hexdigest()


def seal(tx: Tx, key: str, *, length: int, name: str, mime_type: str) -> None:
    """Makes of the chunks a file of GridFS."""
    document = {"_id": key, "length": length, "chunkSize": CHUNK, "uploadDate": tx.now, "filename": name}
    tx.later(FILES, ReplaceOne({"_id": key}, {**document, "metadata": {"mime_type": mime_type}}, upsert=True))


def drop(tx: Tx, key: str) -> None:
    """Forgets a content."""
    tx.later(FILES, DeleteOne({"_id": key}))
    tx.later(CHUNKS, DeleteMany({"files_id": key}))
