"""Reads that share a query: each gets its own document, and what happens to one does not happen to the others."""

import asyncio
from typing import Any

import pytest
from bson.errors import InvalidDocument

from chassis.loader import Loader


@pytest.fixture
async def kettles(db: Any) -> Any:
    await db.kettles.insert_many([{"_id": f"k{number}", "litres": number} for number in range(50)])
    return db.kettles


async def queries(db: Any) -> int:
    """How many MongoDB has answered since it was told to keep a profile."""
    found: int = await db["system.profile"].count_documents({"op": "query", "ns": f"{db.name}.kettles"})
    return found


async def test_many_at_once_get_each_its_own_with_few_queries(db: Any, kettles: Any) -> None:
    await db.command("profile", 2)
    loader, keys = Loader(db), [f"k{number}" for number in range(60)] * 2
    found = await asyncio.gather(*(loader.get("kettles", key) for key in keys))
    assert [document and document["litres"] for document in found] == ([*range(50)] + [None] * 10) * 2
    assert await queries(db) == 1
    assert await loader.get("kettles", "k7") == {"_id": "k7", "litres": 7}
    assert await loader.get("pots", "k7") is None
    assert await queries(db) == 2


async def test_who_has_written_reads_what_he_wrote(db: Any, kettles: Any) -> None:
    """However busy the loader is: a query that had begun before must not answer."""
    loader, busy = Loader(db), True

    async def keep_reading(key: str) -> None:
        while busy:
            await loader.get("kettles", key)

    async def write_and_read(key: str) -> None:
        for litres in range(100, 130):
            await kettles.update_one({"_id": key}, {"$set": {"litres": litres}})
            document = await loader.get("kettles", key)
            assert document
            assert document["litres"] == litres

    readers = [asyncio.create_task(keep_reading(f"k{number % 5}")) for number in range(10)]
    await asyncio.gather(*(write_and_read(f"k{number}") for number in range(5)))
    busy = False
    await asyncio.gather(*readers)


async def test_a_reader_that_gives_up_takes_no_other_along(db: Any, kettles: Any) -> None:
    loader = Loader(db)
    waiting = [asyncio.create_task(loader.get("kettles", "k1")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert [document and document["litres"] for document in await asyncio.gather(*waiting[1:])] == [1, 1]


async def test_an_error_is_told_to_all_that_share_the_query_and_to_no_later_one(db: Any, kettles: Any) -> None:
    loader, no_key = Loader(db), Any
    told = await asyncio.gather(*(loader.get("kettles", key) for key in ("k1", no_key)), return_exceptions=True)  # type: ignore[arg-type]
    assert [type(one) for one in told] == [InvalidDocument, InvalidDocument]
    assert await loader.get("kettles", "k1") == {"_id": "k1", "litres": 1}
