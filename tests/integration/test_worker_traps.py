"""The worker's traps as tests, against real servers. Each worker is a child process (the hub is one for a process);
the tests look from outside. reliability notes are in the docstrings of the modules that guard against each trap.
"""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import httpx
import pymongo
import pytest
from kombu.utils.url import parse_url

from chassis import eventlog, events, lease, outbox, topology
from chassis.publisher import Outgoing, Publisher
from chassis.servers import Process, Rabbit, free_port, python, wait_until
from chassis.testing import QUICK, new_virtual_host
from tests.integration import trap_worker
from tests.integration.trap_worker import QUEUE, TYPE, happened

WORKER = pathlib.Path(trap_worker.__file__)
START_SECONDS = 60  # of a worker, on a machine that does other things


class Trap:
    """One service `trap` with its own database and virtual host, and any number of worker processes."""

    def __init__(self, mongo_uri: str, database: str, amqp_uri: str, folder: pathlib.Path, **environment: str) -> None:
        self.uri, self.folder, self.workers = amqp_uri, folder, list[Process]()
        self.db = pymongo.MongoClient[dict[str, Any]](mongo_uri)[database]
        self.publisher = Publisher(amqp_uri)
        self.environment = {
            "WASL_MONGO_URI": mongo_uri,
            "WASL_DATABASE": database,
            "WASL_AMQP_URI": amqp_uri,
            "WASL_GRACE_SECONDS": "3",
            **environment,
        }

    def start(self, *, ready: bool = True) -> Process:
        """A worker; when ready, everything is declared and consumed."""
        port = free_port()
        log = self.folder / f"worker-{len(self.workers)}-{uuid.uuid4().hex[:6]}.log"
        worker = Process([sys.executable, str(WORKER)], log, {**self.environment, "WASL_HTTP_PORT": str(port)})
        worker.start()
        self.workers.append(worker)

        def check() -> bool:
            assert worker.running, worker.output()
            return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200

        if ready:
            wait_until(check, START_SECONDS, f"worker: {worker.output()}")
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.publisher.close()
        self.db.client.close()

    def try_send(self, event_id: str, body: bytes = b"", **data: Any) -> bool:
        body = body or events.encode(happened(event_id, **data))
        out = Outgoing("source.events", TYPE, body, event_id, events.CONTENT_TYPE)
        return self.publisher.publish([out]) == {0}

    def send(self, event_id: str, body: bytes = b"", **data: Any) -> None:
        assert self.try_send(event_id, body, **data)

    def send_raw(self, event_id: str, body: bytes, headers: dict[str, Any]) -> None:
        out = Outgoing("source.events", TYPE, body, event_id, events.CONTENT_TYPE, headers)
        assert self.publisher.publish([out]) == {0}

    def applied(self) -> list[str]:
        return sorted(effect["event"] for effect in self.db.effects.find())

    def depth(self, queue: str) -> int:
        parts = parse_url(self.uri)
        with amqp.Connection(f"127.0.0.1:{parts['port']}", virtual_host=parts["virtual_host"]) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).message_count)

    def parked(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the operator's tool."""
        command = [sys.executable, "-m", "chassis.parked", *arguments, "--consumers", "trap"]
        environment = {**os.environ, "WASL_AMQP_URI": self.uri, "WASL_LANGUAGE": "en"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def calm(mongo_uri: str, rabbit: Rabbit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trap]:
    """One worker for all tests that do it no harm."""
    uri = new_virtual_host(rabbit.uri, rabbit.api)
    trap = Trap(mongo_uri, f"test_{uuid.uuid4().hex[:12]}", uri, tmp_path_factory.mktemp("calm"), **QUICK)
    try:
        trap.start()
        yield trap
    finally:
        trap.close()


@pytest.fixture
def trap(mongo_uri: str, database: str, rabbit: Rabbit, tmp_path: pathlib.Path) -> Iterator[Callable[..., Trap]]:
    """Makes a Trap of the test's own. `rabbit` runs on this machine, so it may be broken."""
    uri = new_virtual_host(rabbit.uri, rabbit.api)
    made: list[Trap] = []

    def make(**environment: str) -> Trap:
        made.append(Trap(mongo_uri, database, uri, tmp_path, **environment))
        return made[0]

    yield make
    for one in made:
        one.close()


def run(code: str, tmp_path: pathlib.Path) -> None:
    """Runs `code` in a child that is a worker's process: green, with a hub."""
    prelude = """
        from chassis import green
        loop = green.install()
        import asyncio, contextvars, sys, types
        import eventlet
    """
    child = python(
        textwrap.dedent(prelude) + textwrap.dedent(code), tmp_path / "child.log", {"PYTHONWARNINGS": "ignore"}
    )
    child.start()
    try:
        assert child.wait(60) == 0, child.output()
    finally:
        child.kill()


# -- chassis/green.py --------------------------------------------------------------------------------------------------
def test_await_keeps_the_context_and_lets_others_run(tmp_path: pathlib.Path) -> None:
    code = """
        name, ticks = contextvars.ContextVar("name"), []
        async def body():
            await asyncio.sleep(0.3)
            return name.get()
        def other():
            for _ in range(10):
                ticks.append(1)
                eventlet.sleep(0.01)
        name.set("kept")
        eventlet.spawn(other)
        assert green.await_(body()) == "kept"
        assert len(ticks) == 10
    """
    run(code, tmp_path)


def test_kill_and_timeout_cancel_the_task_and_cancelled_is_an_exception(tmp_path: pathlib.Path) -> None:
    code = """
        seen = []
        async def body():
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
        waiting = eventlet.spawn(lambda: green.await_(body()))
        eventlet.sleep(0.05)
        waiting.kill()
        with eventlet.Timeout(0.05, False):
            green.await_(body())
        eventlet.sleep(0.05)
        assert seen == ["cancelled"] * 2, seen
        async def cancels_itself():
            asyncio.current_task().cancel()
            await asyncio.sleep(1)
        try:
            green.await_(cancels_itself())
        except Exception as error:
            assert isinstance(error, green.Cancelled)
        else:
            raise SystemExit(1)
    """
    run(code, tmp_path)


def test_the_frame_lock_is_green(tmp_path: pathlib.Path) -> None:
    """Greenlets write to a peer that does not read: with py-amqp's own thread lock the process would freeze."""
    code = """
        import amqp.method_framing
        import eventlet.green.socket
        ours, peer = eventlet.green.socket.socketpair()
        connection = types.SimpleNamespace(frame_max=131072, bytes_sent=0)
        transport = types.SimpleNamespace(write=ours.sendall)
        write, sent = amqp.method_framing.frame_writer(connection, transport), []
        def one(n):
            write(1, 1, (60, 80), b"x" * 100000, None)
            sent.append(n)
        for n in range(8):
            eventlet.spawn(one, n)
        eventlet.sleep(0.1)
        assert len(sent) < 8
        got = 0
        while got < 8 * 100012:
            got += len(peer.recv(65536))
        eventlet.sleep(0.05)
        assert sent == list(range(8)), (sent, got)
    """
    run(code, tmp_path)


def test_a_full_pool_waits_in_the_greenlet(tmp_path: pathlib.Path) -> None:
    code = """
        from kombu import Connection
        pool, ticks = Connection("memory://").Pool(1), []
        held = pool.acquire(block=True)
        eventlet.spawn_after(0.3, held.release)
        eventlet.spawn(lambda: [ticks.append(eventlet.sleep(0.01)) for _ in range(10)])
        pool.acquire(block=True, timeout=5)
        assert len(ticks) == 10
    """
    run(code, tmp_path)


def test_a_worker_loads_no_grpc_and_a_declaration_no_nameko(tmp_path: pathlib.Path) -> None:
    code = """
        import services.matching.worker
        assert not {"nameko", "grpc"} & set(sys.modules)
        import chassis.consumer, chassis.inbox, chassis.relay, chassis.runner
        assert "nameko" in sys.modules and "grpc" not in sys.modules
    """
    run(code, tmp_path)


# -- chassis/consumer.py, inbox.py, delivery.py, parked.py -------------------------------------------------------------
def test_applied_once_though_sent_twice(calm: Trap) -> None:
    for _ in range(3):
        calm.send("twice")
    wait_until(lambda: calm.depth(QUEUE) == 0 and "twice" in calm.applied(), 20, "effect")
    time.sleep(0.5)
    assert calm.applied().count("twice") == 1
    effect = calm.db.effects.find_one({"event": "twice"})
    assert effect
    assert effect["correlation_id"] == "c-twice"


def test_a_batch_with_a_double_and_a_failure_takes_the_others_once(calm: Trap) -> None:
    calm.send("first")
    wait_until(lambda: "first" in calm.applied(), 20, "effect")
    calm.send("hold", sleep_seconds=0.5, subject="batch")  # what comes meanwhile is one batch
    documents = [
        happened(f"batch-{n}", subject="batch", sequence=n, fail="never" if n == 7 else "") for n in range(2, 20)
    ] + [happened("first", subject="batch", sequence=1)]
    outs = [Outgoing("source.events", TYPE, events.encode(one), one["id"], events.CONTENT_TYPE) for one in documents]
    assert len(calm.publisher.publish(outs)) == len(outs)
    expected = sorted({"first", "hold", *(one["id"] for one in documents)} - {"batch-7"})
    wait_until(lambda: set(expected) <= set(calm.applied()), 20, "effects")
    assert [one for one in calm.applied() if one in expected] == expected
    wait_until(lambda: "batch-7" in calm.parked("list").stdout, 10, "parked")
    assert calm.parked("drop", "batch-7").returncode == 0


def test_undecodable_is_parked_at_once_and_can_be_shown_and_dropped(calm: Trap) -> None:
    calm.send("bad", body=b"{not \x1b[2J json")
    calm.send_raw("headers", b"rubbish", {"wasl-attempt": "abc"})
    calm.send("unknown", body=events.encode({**happened("unknown"), "dataschema": "urn:wasl:schema:wasl.no.v1.Such"}))
    wait_until(lambda: calm.depth("trap.parking") == 3, 20, "parked messages")
    listed = calm.parked("list").stdout.splitlines()
    assert sorted(line.split()[:3] for line in listed[1:]) == [
        ["bad", "trap", TYPE],
        ["headers", "trap", TYPE],
        ["unknown", "trap", TYPE],
    ]
    assert all("Invalid" in line for line in listed[1:])
    assert "{not  [2J json" in calm.parked("show", "bad").stdout, "no command to the operator's terminal"
    missing = calm.parked("drop", "bad", "nonsense")
    assert (missing.returncode, missing.stderr) == (1, "No parked message has the ID nonsense.\n")
    assert calm.depth("trap.parking") == 3
    assert calm.parked("drop", "--all").returncode == 0
    assert calm.parked("list").stdout == "Nothing is parked.\n"


def test_a_hundred_are_dropped_at_once(calm: Trap) -> None:
    for n in range(100):
        calm.send(f"many-{n}", body=b"garbage")
    wait_until(lambda: calm.depth("trap.parking") == 100, 20, "parked messages")
    assert calm.parked("drop", "--all").stdout.count("dropped many-") == 100
    assert calm.parked("list").stdout == "Nothing is parked.\n"


def test_what_is_nested_too_deep_to_be_read_is_shown_as_it_is(calm: Trap) -> None:
    calm.send("deep", body=b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    wait_until(lambda: calm.depth("trap.parking") == 1, 20, "parked message")
    assert '{"data":[[[' in calm.parked("show", "deep").stdout
    assert calm.parked("drop", "deep").returncode == 0


def unreadable(calm: Trap, event_id: str, body: bytes, properties: bytes) -> None:
    """Published with a header frame of its own: no client library would write these properties."""
    parts = parse_url(calm.uri)
    with amqp.Connection(f"127.0.0.1:{parts['port']}", virtual_host=parts["virtual_host"]) as connection:
        channel = connection.channel()
        message = amqp.Message(body, message_id=event_id)
        message._serialize_properties = lambda: properties
        channel.basic_publish(message, routing_key=f"trap.{TYPE}")


# Flags of a table of headers, of a message id; no UTF-8, half a surrogate pair, a time in the year 146 billion.
HEADERS, MESSAGE_ID = b"\x20\x00", b"\x00\x80"
ENDLESS = HEADERS + b"\x00\x00\x00\x0c\x02atT" + (1 << 62).to_bytes(8, "big")
NAMELESS = HEADERS + b"\x00\x00\x00\x05\x02\xff\xfet\x01"


@pytest.mark.parametrize(
    "properties", [MESSAGE_ID + b"\x02\xff\xfe", MESSAGE_ID + b"\x03\xed\xa0\x80", ENDLESS, NAMELESS]
)
def test_properties_that_cannot_be_read_hold_up_nobody(calm: Trap, properties: bytes) -> None:
    known = uuid.uuid4().hex
    unreadable(calm, known, events.encode(happened(f"{known}-a")), properties)
    unreadable(calm, known, b"rubbish", properties)
    unreadable(calm, known, events.encode(happened(f"{known}-b", fail="never")), properties)
    calm.send(f"{known}-c")
    wait_until(lambda: {f"{known}-a", f"{known}-c"} <= set(calm.applied()), 20, "effects")
    wait_until(lambda: calm.depth("trap.parking") == 2, 20, "parked messages")
    assert calm.workers[0].running
    assert calm.parked("list").stdout.count(TYPE) == 2
    assert calm.parked("drop", "--all").returncode == 0


def test_permanent_is_parked_at_once_and_others_go_on(calm: Trap) -> None:
    for n in range(5):
        calm.send(f"p{n}", fail="never" if n == 2 else "")
    wait_until(lambda: {"p0", "p1", "p3", "p4"} <= set(calm.applied()), 20, "effects")
    wait_until(lambda: calm.depth("trap.parking") == 1, 20, "parked message")
    line = calm.parked("list").stdout.splitlines()[1]
    assert line.split()[:4] == ["p2", "trap", TYPE, "1"]
    assert line.endswith("Refused: never")
    assert "c-p2" in calm.workers[0].output()
    assert calm.parked("drop", "p2").stdout == "dropped p2\n"


def test_failing_is_retried_then_parked_then_replayed(calm: Trap) -> None:
    calm.send("f1", fail="until healed")
    wait_until(lambda: calm.depth("trap.parking") == 1, 30, "parked message")
    assert calm.parked("list").stdout.splitlines()[1].split()[:4] == ["f1", "trap", TYPE, "3"]
    assert "f1" not in calm.applied()
    calm.db.healed.insert_one({})
    assert calm.parked("replay", "f1").stdout == "replayed f1\n"
    wait_until(lambda: "f1" in calm.applied(), 20, "effect")
    assert calm.depth("trap.parking") == 0


def test_killed_worker_leaves_the_delivery_to_the_next(trap: Callable[..., Trap]) -> None:
    service = trap(**QUICK)
    worker = service.start()
    service.send("slow", sleep_seconds=1)
    time.sleep(0.4)
    worker.kill()
    assert service.applied() == []
    service.start()
    wait_until(lambda: service.applied() == ["slow"], 30, "effect")


def test_two_workers_share_the_load_and_a_stop_loses_nothing(trap: Callable[..., Trap]) -> None:
    service = trap(**QUICK)
    leaving, staying = service.start(), service.start()
    sent = [f"s{n}" for n in range(40)]
    for event_id in sent:
        service.send(event_id, sleep_seconds=0.1)
    time.sleep(0.5)
    leaving.signal(signal.SIGTERM)
    assert leaving.wait(15) == 0
    wait_until(lambda: service.applied() == sorted(sent), 30, "effects")
    assert staying.child
    assert leaving.child
    assert {effect["by"] for effect in service.db.effects.find()} == {staying.child.pid, leaving.child.pid}
    assert service.depth(QUEUE) == 0


def test_stop_finishes_what_runs(trap: Callable[..., Trap]) -> None:
    service = trap(**QUICK)
    worker = service.start()
    service.send("slow", sleep_seconds=1.5)
    time.sleep(0.4)
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert service.applied() == ["slow"]
    assert service.depth(QUEUE) == 0


def test_stop_kills_what_does_not_finish_and_nothing_is_lost(trap: Callable[..., Trap]) -> None:
    service = trap(**QUICK)
    worker = service.start()
    service.send("stuck", sleep_seconds=60)
    time.sleep(0.4)
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert time.monotonic() - began > 2.5
    wait_until(lambda: service.depth(QUEUE) == 1, 10, "message in its queue")


@pytest.mark.parametrize("how", ["pause", "kill"])
def test_stop_while_the_broker_is_away(trap: Callable[..., Trap], rabbit: Rabbit, how: str) -> None:
    service = trap()
    worker = service.start()
    try:
        getattr(rabbit, how)()
        time.sleep(1)
        worker.signal(signal.SIGTERM)
        assert worker.wait(15) == 0
    finally:
        rabbit.resume() if how == "pause" else rabbit.start()
        rabbit.await_ready()


def test_writes_wait_in_the_outbox_and_all_go_on_soon_after_the_broker_is_back(
    trap: Callable[..., Trap], rabbit: Rabbit
) -> None:
    """The worker is its own source here: its outbox, its exchange, its log."""
    service = trap()
    service.start()
    rabbit.kill()
    try:
        entries = [outbox.entry(happened(f"w{n}", subject=f"k{n}"), at=n) for n in range(50)]
        service.db.outbox.insert_many(entries)
        fresh = service.start(ready=False)  # starts while the broker is away
        time.sleep(2)
        assert service.db.outbox.count_documents({}) == 50
        assert fresh.running
    finally:
        rabbit.start()
        rabbit.await_ready()
    wait_until(lambda: service.db.outbox.count_documents({}) == 0, 30, "empty outbox")
    assert [entry["_id"] for entry in service.db.log.find().sort("_id", 1)] == list(range(1, 51))
    assert {entry["event_id"] for entry in service.db.log.find()} == {entry["_id"] for entry in entries}
    wait_until(lambda: service.try_send("after"), 30, "confirm")  # it accepts before its queues can
    wait_until(lambda: service.applied() == ["after"], 15, "effect")


def test_poison_that_kills_its_worker_is_parked_by_the_broker(trap: Callable[..., Trap]) -> None:
    service = trap(TRAP_DELIVERY_LIMIT="1", **QUICK)
    worker = service.start()
    service.send("poison", fail="die")
    assert worker.wait(20) == 9
    assert service.start(ready=False).wait(START_SECONDS) == 9  # once more than the limit
    service.start()
    wait_until(lambda: service.depth("trap.parking") == 1, 20, "parked message")
    line = service.parked("list").stdout.splitlines()[1]
    assert line.split()[:3] == ["poison", "trap", TYPE]
    assert line.endswith("broker: delivery_limit")


# -- chassis/eventlog.py, relay.py, lease.py ---------------------------------------------------------------------------
async def test_the_log_is_dense_though_three_relays_move_the_same(db: Any) -> None:
    entries = [outbox.entry(happened(f"e{n}", subject="k", sequence=n), at=n) for n in range(1, 301)]
    await db.outbox.insert_many(entries)
    parts = [[entry["_id"] for entry in entries[n : n + 30]] for n in range(0, 300, 30)]

    async def relay() -> int:
        return sum([await eventlog.move(db.client, db, part) for part in parts])

    assert sum(await asyncio.gather(relay(), relay(), relay())) == 300
    log = await eventlog.read(db, 0, 1000)
    assert [entry["_id"] for entry in log] == [entry["sequence"] for entry in log] == list(range(1, 301))
    assert log[0] == {
        "_id": 1,
        "event_id": "e1",
        **{name: entries[0][name] for name in ("type", "subject", "sequence", "event")},
    }
    assert await eventlog.end(db) == 300
    assert await eventlog.read(db, 298, 1) == log[298:299]
    assert await db.outbox.count_documents({}) == 0


async def test_a_lease_has_one_holder_until_it_is_given_back(db: Any) -> None:
    assert [await lease.join(db, owner) for owner in ("a", "b")] == [1, 2]
    took = await asyncio.gather(*(lease.take(db, "job", owner) for owner in ("a", "b", "a", "b")))
    assert sorted(took) == [False, False, True, True]
    holder, other = ("a", "b") if took[0] else ("b", "a")
    await lease.leave(db, holder)
    assert await lease.take(db, "job", other)
    assert not await lease.take(db, "job", holder)
    assert await lease.join(db, other) == 1


def test_two_relays_share_and_an_idle_one_is_woken_at_once(trap: Callable[..., Trap]) -> None:
    service = trap(**QUICK)
    service.start()
    service.start()
    wait_until(lambda: len(service.db.leases.distinct("owner", {"member": {"$exists": False}})) == 2, 20, "two holders")
    waits = []
    for n in range(20):
        time.sleep(0.05)
        began = time.monotonic()
        service.db.outbox.insert_one(outbox.entry(happened(f"i{n}", subject=f"k{n}"), at=n))
        wait_until(lambda: service.db.outbox.estimated_document_count() == 0, 10, "empty outbox")
        waits.append(time.monotonic() - began)
    assert sorted(waits)[10] < 0.4, waits  # far below a poll; the measured median is in docs
    service.db.outbox.drop()  # ends the change stream
    service.db.outbox.insert_one(outbox.entry(happened("last"), at=1))
    wait_until(lambda: service.db.log.find_one({"event_id": "last"}), 10, "entry in the log")


# -- chassis/topology.py, publisher.py ---------------------------------------------------------------------------------
@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "SETTLE_SECONDS", 0.1)


@pytest.mark.usefixtures("settled")
def test_unrouted_is_kept_and_unroutable_counts_as_not_sent(amqp_uri: str) -> None:
    publisher = Publisher(amqp_uri, lambda channel: topology.declare(channel, services=["lonely"]))
    assert publisher.publish([Outgoing("lonely.events", "nobody.wants.it", b"{}", "u1", "text/plain")]) == {0}
    outs = [
        Outgoing("", "no-such-queue", b"{}", "u2", "text/plain"),
        Outgoing("", topology.UNROUTED, b"{}", "u3", "text/plain"),
    ]
    assert publisher.publish(outs) == {1}
    channel = publisher._channel
    assert channel.queue_declare(topology.UNROUTED, passive=True).message_count == 2
    publisher.close()


@pytest.mark.usefixtures("settled")
def test_a_publisher_survives_a_frozen_broker(rabbit: Rabbit) -> None:
    publisher = Publisher(new_virtual_host(rabbit.uri, rabbit.api), topology.declare, timeout=2)
    outs = [Outgoing("", topology.UNROUTED, b"{}", f"w{n}", "text/plain") for n in range(300)]
    publisher.timeout = 20
    assert len(publisher.publish(outs)) == 300
    publisher.timeout = 2
    rabbit.pause()
    try:
        assert publisher.publish(outs) == set()
    finally:
        rabbit.resume()
    publisher.timeout = 20
    wait_until(lambda: len(publisher.publish(outs)) == 300, 30, "confirms")
    publisher.close()
