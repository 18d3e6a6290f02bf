"""Timers: set and moved with their transaction, fired once and near their time, whoever is killed meanwhile.

Workers are child processes; the broker that they are told of is not there, for timers need none. mongod is the file's
own, so that it may be killed.
"""

import asyncio
import datetime
import pathlib
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from pymongo import InsertOne

from chassis import errors, mongo, timekeeper, timers
from chassis.mongo import run_transaction
from chassis.servers import Mongo, Process, free_port, wait_until
from chassis.timers import Timer
from chassis.tx import Tx
from tests.support import log_lines

START_SECONDS = 60  # of a worker, on a machine that does other things


def in_seconds(seconds: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    server = Mongo(tmp_path_factory.mktemp("timers"))
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
async def db(server: Mongo) -> AsyncIterator[Any]:
    client = mongo.client(server.uri)
    db = client[f"test_{uuid.uuid4().hex[:12]}"]
    await mongo.ensure_collections(db, "effects", "things", "outbox", "healed", "timers")
    await timers.ensure_indexes(db)
    yield db
    client.close()


class Workers:
    """Child processes that keep the timers of one database."""

    def __init__(self, uri: str, database: str, folder: pathlib.Path) -> None:
        self.all, self.folder = list[Process](), folder
        self.environment = {
            "WASL_MONGO_URI": uri,
            "WASL_DATABASE": database,
            "WASL_AMQP_URI": f"amqp://127.0.0.1:{free_port()}",
            "WASL_GRACE_SECONDS": "2",
            "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
        }
        self.ports: dict[Process, int] = {}

    async def start(self, *, ready: bool = True, **environment: str) -> Process:
        """A new one; it is ready unless `ready` is false."""
        port = free_port()
        worker = Process(
            [sys.executable, "-m", "tests.integration.timer_worker"],
            self.folder / f"worker-{len(self.all)}.log",
            {**self.environment, **environment, "WASL_HTTP_PORT": str(port)},
        )
        worker.start()
        self.all.append(worker)
        self.ports[worker] = port

        def check() -> bool:
            assert worker.running, worker.output()
            return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200

        if ready:
            await asyncio.to_thread(wait_until, check, START_SECONDS, "worker")
        return worker

    def metrics(self, worker: Process) -> dict[str, float]:
        lines = httpx.get(f"http://127.0.0.1:{self.ports[worker]}/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = [line for worker in self.all for line in log_lines(worker.output())]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
async def workers(server: Mongo, db: Any, tmp_path: pathlib.Path) -> AsyncIterator[Workers]:
    made = Workers(server.uri, db.name, tmp_path)
    yield made
    for worker in made.all:
        worker.kill()


async def run(db: Any, usecase: Callable[[Tx], Any]) -> None:
    """One transaction of an api."""

    async def body(session: Any) -> None:
        tx = Tx(db, session)
        usecase(tx)
        await tx.flush()

    await run_transaction(db.client, body)


async def set_timer(db: Any, name: str, subject: str, at: datetime.datetime, **payload: Any) -> None:
    await run(db, lambda tx: tx.set_timer(name, subject=subject, at=at, **payload))


async def set_timers(db: Any, times: list[datetime.datetime]) -> None:
    """Of the subjects s0, s1, … in one transaction."""

    def usecase(tx: Tx) -> None:
        for n, at in enumerate(times):
            tx.set_timer("note", subject=f"s{n}", at=at)

    await run(db, usecase)


async def effects(db: Any) -> Counter[str]:
    return Counter([effect["subject"] async for effect in db.effects.find()])


async def until(check: Callable[[], Awaitable[Any]], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.05)


async def until_fired(db: Any, count: int, seconds: float = 20) -> None:
    async def all_there() -> bool:
        return bool(await db.effects.count_documents({}) >= count)

    await until(all_there, seconds)


async def due(db: Any) -> list[Timer]:
    """As a worker claims them."""
    return (await timers.claim(db, ["note"], 100))[0]


async def note(tx: Tx, timer: Timer) -> None:
    tx.later("effects", InsertOne({"subject": timer.subject, **timer.payload}))


# -- without a worker ----------------------------------------------------------------------------------------------
async def test_a_timer_is_set_with_its_transaction_or_not_at_all(db: Any) -> None:
    def fail(tx: Tx) -> None:
        tx.set_timer("note", subject="a", at=tx.now)
        raise errors.FailedPrecondition

    with pytest.raises(errors.FailedPrecondition):
        await run(db, fail)
    assert await db.timers.count_documents({}) == 0


async def test_there_is_one_for_each_name_and_subject_and_the_last_word_counts(db: Any) -> None:
    at = in_seconds(60).replace(microsecond=0)

    def change_mind(tx: Tx) -> None:
        tx.set_timer("note", subject="a", at=at, n=1)
        tx.cancel_timer("note", subject="a")
        tx.set_timer("note", subject="a", at=at, n=2)
        tx.set_timer("note", subject="b", at=at)
        tx.set_timer("other", subject="a", at=at)
        tx.cancel_timer("note", subject="b")
        tx.cancel_timer("note", subject="c")

    await run(db, change_mind)
    await set_timer(db, "note", "a", at + datetime.timedelta(seconds=1), n=3)
    found = [(one["_id"], one["at"] - at, one["payload"]) async for one in db.timers.find().sort("_id", 1)]
    assert found == [
        ("note:a", datetime.timedelta(seconds=1), {"n": 3}),
        ("other:a", datetime.timedelta(0), {}),
    ]


@pytest.mark.parametrize("change", ["moved", "cancelled", "moved and back, with news"])
async def test_what_happens_between_claim_and_effect_counts(db: Any, change: str) -> None:
    at = in_seconds(-1)
    await set_timer(db, "note", "a", at, n=1)
    (claimed,) = await due(db)
    if change == "cancelled":
        await run(db, lambda tx: tx.cancel_timer("note", subject="a"))
    else:
        await set_timer(db, "note", "a", in_seconds(60), n=2)
    if "back" in change:
        await set_timer(db, "note", "a", at, n=3)
    fired = await timekeeper.fire(db.client, db, claimed, note)
    assert fired == ("back" in change)
    assert [effect["n"] async for effect in db.effects.find()] == ([3] if fired else [])
    assert await db.timers.count_documents({}) == (change == "moved")
    assert not await timers.postpone(db, claimed, 1, "the claim went with the change")


async def test_moved_while_it_fires_it_fires_again_at_its_new_time(db: Any) -> None:
    """Both write the same timer: one of the two transactions waits for the other."""
    await set_timer(db, "note", "a", in_seconds(-1))
    (claimed,) = await due(db)
    runs = 0

    async def handle(tx: Tx, timer: Timer) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.3)
        await note(tx, timer)

    firing = asyncio.create_task(timekeeper.fire(db.client, db, claimed, handle))
    await asyncio.sleep(0.1)
    later = in_seconds(60)
    await set_timer(db, "note", "a", later)
    assert await firing
    assert (runs, await effects(db)) == (1, {"a": 1})
    assert (await db.timers.find_one())["at"] == later.replace(microsecond=later.microsecond // 1000 * 1000)


async def test_three_who_fire_the_same_one_fire_it_once(db: Any) -> None:
    await set_timer(db, "note", "a", in_seconds(-1))
    (claimed,) = await due(db)
    fired = await asyncio.gather(*(timekeeper.fire(db.client, db, claimed, note) for _ in range(3)))
    assert (sorted(fired), await effects(db)) == ([False, False, True], {"a": 1})


async def test_a_commit_in_doubt_fires_once(db: Any) -> None:
    await set_timer(db, "note", "a", in_seconds(-1))
    (claimed,) = await due(db)
    assert [await timekeeper.fire(db.client, db, claimed, note) for _ in range(2)] == [True, False]
    assert await effects(db) == {"a": 1}


async def test_an_effect_that_fails_leaves_its_timer(db: Any) -> None:
    await set_timer(db, "note", "a", in_seconds(-1))
    (claimed,) = await due(db)

    async def fail(tx: Tx, timer: Timer) -> None:
        await note(tx, timer)
        await tx.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await timekeeper.fire(db.client, db, claimed, fail)
    assert await effects(db) == {}
    assert await timers.give_back(db, claimed)
    assert [timer.subject for timer in await due(db)] == ["a"]


async def test_a_handler_never_sees_a_time_before_its_timers(db: Any) -> None:
    """Though the worker's clock is behind the server's, here by a minute."""
    await set_timer(db, "note", "a", in_seconds(60))
    found = await db.timers.find_one()
    seen = []

    async def handle(tx: Tx, timer: Timer) -> None:
        seen.append(tx.now)

    timer = mongo.from_document(Timer, found)
    assert await timekeeper.fire(db.client, db, timer, handle)
    assert seen == [timer.at]


async def test_a_claim_is_of_one_worker_until_it_runs_out(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "CLAIM_SECONDS", 0.3)
    for n in range(20):
        await set_timer(db, "note", f"s{n}", in_seconds(-1))
    await set_timer(db, "note", "early", in_seconds(0.7))
    claims = await asyncio.gather(*(timers.claim(db, ["note"], 15) for _ in range(4)))
    taken = [timer.subject for claimed, _ in claims for timer in claimed]
    assert len(taken) == len(set(taken))
    assert len(taken) >= 15
    assert "early" not in taken
    await due(db)
    none, wait = await timers.claim(db, ["note"], 15)
    assert none == []
    assert 0 < wait < 0.7, "until the next falls due"
    await asyncio.sleep(0.7)
    again = await due(db)
    assert {timer.subject: timer.attempts for timer in again} == {**{f"s{n}": 2 for n in range(20)}, "early": 1}
    assert await timers.give_back(db, again[0])
    assert not await timers.give_back(db, again[0])
    assert [(timer.subject, timer.attempts) for timer in await due(db)] == [(again[0].subject, again[0].attempts)]


async def test_looking_costs_no_more_though_thousands_are_of_no_concern(db: Any) -> None:
    """Names that this version does not know, and times far ahead: neither is read, document by document."""
    others = [("unknown", -5), ("note", 3600)]
    await db.timers.insert_many(
        [
            {"_id": f"{name}:{n}", "name": name, "next": in_seconds(seconds)}
            for name, seconds in others
            for n in range(2000)
        ]
    )
    query = {"name": {"$in": ["a", "note", "z"]}, **timers._until(1000)}
    told = await db.timers.find(query).sort("next", 1).limit(8).explain()
    stats = told["executionStats"]
    assert stats["totalKeysExamined"] < 2010, "at most one key for each of the unknown"
    assert (stats["totalDocsExamined"], stats["nReturned"]) == (0, 0)


# -- with workers --------------------------------------------------------------------------------------------------
async def test_near_its_time_with_its_payload_and_correlation_id(db: Any, workers: Workers) -> None:
    worker = await workers.start()
    await set_timer(db, "unknown", "u", in_seconds(-1))
    with structlog.contextvars.bound_contextvars(correlation_id="c-1"):
        await set_timer(db, "note", "at once", in_seconds(0), said="hello")
        await set_timer(db, "note", "soon", in_seconds(1.5))
        await set_timer(db, "note", "moved", in_seconds(0.6))
        await set_timer(db, "note", "cancelled", in_seconds(0.6))
        await set_timer(db, "announce", "thing", in_seconds(0))
        await set_timer(db, "again", "again", in_seconds(0), left=3)
    await set_timer(db, "note", "moved", in_seconds(2))
    await run(db, lambda tx: tx.cancel_timer("note", subject="cancelled"))
    await until_fired(db, 6)
    await asyncio.sleep(0.5)
    found = {effect["subject"]: effect async for effect in db.effects.find()}
    assert await effects(db) == {"at once": 1, "soon": 1, "moved": 1, "again": 3}
    lags = {one: (effect["at"] - effect["due"]).total_seconds() for one, effect in found.items()}
    assert lags["at once"] < 1.5, lags
    assert max(lags["soon"], lags["moved"]) < 0.5, lags  # the median that was measured: docs/adr/0025
    assert found["at once"]["said"] == "hello"
    assert found["at once"]["correlation_id"] == "c-1"
    entry = await db.outbox.find_one({"subject": "thing"})
    assert entry["event"]["correlationid"] == "c-1"
    assert "causationid" not in entry["event"]
    left = [(one["_id"], one["attempts"]) async for one in db.timers.find()]
    assert left == [("unknown:u", 0)], "for a version that knows it"
    told = workers.metrics(worker)
    assert told['wasl_timers_fired_total{timer="note"}'] == 3
    assert told['wasl_timer_lag_seconds_count{timer="again"}'] == 3

    async def sampled() -> bool:
        told = workers.metrics(worker)
        return (told["wasl_timers_waiting"], told["wasl_timers_failed"]) == (1, 0)

    await until(sampled)
    assert {line["correlation_id"] for line in workers.said("timer.fired")} >= {"c-1"}


async def test_one_that_fails_is_tried_again_then_kept_and_holds_up_nobody(db: Any, workers: Workers) -> None:
    worker = await workers.start(TIMER_ATTEMPT_SECONDS="1")
    for n in range(20):
        await set_timer(db, "trouble", f"t{n}", in_seconds(0), how="until healed")
    await set_timer(db, "trouble", "refused", in_seconds(0), how="refused")
    for n in range(7):  # leave one lane
        await set_timer(db, "trouble", f"stuck{n}", in_seconds(0), how="slow", seconds=60)
    for n in range(20):
        await set_timer(db, "note", f"n{n}", in_seconds(0))
    await until_fired(db, 20, 10)
    assert await effects(db) == {f"n{n}": 1 for n in range(20)}

    async def all_kept() -> bool:
        return bool(await db.timers.count_documents({"failed": {"$exists": True}}) == 28)

    await until(all_kept, 25)
    assert await effects(db) == {f"n{n}": 1 for n in range(20)}, "a failure leaves nothing"
    kept = {one["subject"]: one async for one in db.timers.find()}
    assert kept["t0"]["reason"] == "RuntimeError: not yet, amal@example.org"
    assert {one: kept[one]["attempts"] for one in ("t0", "refused", "stuck0")} == {"t0": 3, "refused": 1, "stuck0": 3}
    failed = workers.said("timer.failed")
    assert {line["subject"] for line in failed} == set(kept)
    assert {f"t{n}" for n in range(20)} <= {line["subject"] for line in workers.said("timer.retried")}
    assert failed[0]["where"]
    assert "amal@" not in worker.output()

    # What the how-to page tells an operator to do.
    await db.healed.insert_one({})
    again = [{"$set": {"next": "$$NOW", "attempts": 0}}, {"$unset": ["failed", "reason"]}]
    await db.timers.update_many({"failed": {"$exists": True}, "reason": {"$regex": "^RuntimeError"}}, again)

    async def healed() -> bool:
        return await db.timers.count_documents({}) == 8 and workers.metrics(worker)["wasl_timers_failed"] == 8

    await until(healed)
    assert await effects(db) == {f"{kind}{n}": 1 for kind in "nt" for n in range(20)}


async def test_two_workers_share_500_and_one_that_leaves_loses_nothing(db: Any, workers: Workers) -> None:
    leaving, staying = await workers.start(), await workers.start()
    await set_timers(db, [in_seconds(1)] * 500)
    await until_fired(db, 250)
    leaving.signal(signal.SIGTERM)
    assert await asyncio.to_thread(leaving.wait, 10) == 0
    await until_fired(db, 500)
    await asyncio.sleep(0.3)
    assert await effects(db) == {f"s{n}": 1 for n in range(500)}
    assert await db.timers.count_documents({}) == 0
    shares = Counter([effect["by"] async for effect in db.effects.find()])
    assert len(shares) == 2, shares
    assert min(shares.values()) > 50, shares
    assert staying.running


async def test_stop_finishes_what_runs_and_gives_back_what_takes_too_long(db: Any, workers: Workers) -> None:
    worker = await workers.start()
    await set_timer(db, "trouble", "slow", in_seconds(0), how="slow", seconds=1.5)
    await set_timer(db, "trouble", "stuck", in_seconds(0), how="slow", seconds=60)

    async def both_run() -> bool:
        return bool(await db.timers.count_documents({"claim": {"$gt": ""}}) == 2)

    await until(both_run)
    worker.signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 15) == 0
    assert await effects(db) == {"slow": 1}
    assert [timer.attempts for timer in (await timers.claim(db, ["trouble"], 2))[0]] == [1]


async def test_a_kill_amid_300_leaves_each_to_be_fired_once(db: Any, workers: Workers) -> None:
    worker = await workers.start()
    await set_timers(db, [in_seconds(0)] * 300)
    await until_fired(db, 60)
    worker.kill()
    assert await db.timers.count_documents({}) > 0, "it was killed too late"
    await workers.start()
    await until_fired(db, 300)
    await asyncio.sleep(0.3)
    assert await effects(db) == {f"s{n}": 1 for n in range(300)}
    assert await db.timers.count_documents({}) == 0


async def test_poison_that_kills_its_workers_is_kept_in_the_end(db: Any, workers: Workers) -> None:
    await set_timer(db, "trouble", "poison", in_seconds(0), how="die")
    await db.timers.update_one({}, {"$set": {"attempts": 2}})  # two workers are dead already
    first = await workers.start(ready=False)  # it may die before it is
    assert await asyncio.to_thread(first.wait, START_SECONDS) == 9
    last = await workers.start()

    async def kept() -> bool:
        return bool(await db.timers.count_documents({"failed": {"$exists": True}}))

    await until(kept)
    assert (await db.timers.find_one())["reason"] == "Unfinished: "
    assert last.running


async def test_a_database_that_is_away_is_waited_for(db: Any, workers: Workers, server: Mongo) -> None:
    worker = await workers.start()
    await set_timers(db, [in_seconds(0.5 + n / 50) for n in range(300)])  # six seconds long
    await until_fired(db, 30)
    server.pause()
    await asyncio.sleep(1)
    server.resume()
    await until_fired(db, 120)
    server.kill()
    await asyncio.sleep(1)
    server.start()
    await asyncio.to_thread(server.await_ready)
    await until_fired(db, 300, 30)
    await asyncio.sleep(0.3)
    assert await effects(db) == {f"s{n}": 1 for n in range(300)}
    assert await db.timers.count_documents({}) == 0
    assert worker.running
    assert workers.said("timer.failed") == []
