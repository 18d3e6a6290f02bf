"""Events per second from a queue to their effect, and how long an approval takes to show in another service's view.

What is compared, all in one run, in turn: a quorum queue, declared alike for every side, is filled with the same
`MemberJoined` CloudEvents; then the side starts, and from the first commit that is seen in its database to the last it
is timed from outside. The effect is the same for all: an inbox mark and a row of the `participants` view, in the same
collections with the same indexes, in one transaction that is durable on a majority's journals; then the ack.

* `wasl`: the matching worker as it is deployed: decoded into protobuf messages, newer wins, retries, parking, metrics.
* `bare_kombu`: kombu and PyMongo in eight threads, one event in each transaction; json only, none of the above,
  but the row's tokens by our analyser.
* `bare_kombu_batched`: the same in one thread, 64 events in each transaction, as ours does.

Figures besides: `outbox_to_effect_per_s`, the whole way with our relay, its confirms and the move to the event log in
front; and `approval_to_view`, on a stack that does nothing else: from the moment a coordinator sends ApproveApplication
(over gRPC) until a majority read of the view, tried every millisecond, shows the new member.
"""

import asyncio
import contextlib
import datetime
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pymongo
from kombu import Connection

from bench import data
from bench.report import finish, in_turn, median, ratio, table
from bench.stack import Stack
from chassis import events, mongo, outbox, pb, settings, topology
from chassis.app import App
from chassis.call import Caller
from chassis.ids import new_id
from chassis.publisher import Outgoing, Publisher
from chassis.servers import Process, wait_until
from participants.model import COORDINATOR
from services.matching import store as matching_store
from services.members.config import Config
from services.members.usecases import accounts, applications
from wasl.members.v1 import events_pb2, members_pb2_grpc
from wasl.members.v1 import members_pb2 as m
from wasl.type.v1.localized_text_pb2 import LocalizedText

VIEW = "participants.1"
JOINED = events.event_type(events_pb2.MemberJoined)
Document = dict[str, Any]


def main(*, quick: bool) -> None:
    count, rounds, approvals = (2000, 2, 10) if quick else (12_000, 9, 100)
    with Stack() as stack:
        stack.start_servers()
        bodies = [events.encode(one) for one in _joined(count)]
        with pymongo.MongoClient[Document](stack.mongo.uri) as client:
            sides = {
                "wasl": _Side(stack, client, "matching", _start_worker),
                "bare_kombu": _Side(stack, client, "threads", _start_peer),
                "bare_kombu_batched": _Side(stack, client, "batches", _start_peer),
            }
            print(f"{count} events each, from the queue to the effect")
            rates = in_turn({name: side.round(bodies) for name, side in sides.items()}, rounds)
            _compare([side.db for side in sides.values()])
            print("\nfrom the outbox to the effect, through the relay")
            stack.migrate("members")
            relayed = in_turn({"wasl": lambda: _relay(stack, client, sides["wasl"], count)}, rounds)
            print(f"\n{approvals} approvals, one after the other")
            latency = _approve(stack, client, sides["wasl"], approvals)
    _tell(rates, median(relayed["wasl"]), latency)


class Rate(float):
    """Events per second."""

    def __str__(self) -> str:
        return f"{float(self):7.0f}/s"


class _Side:
    """A consumer with a queue and a database of its own, which look like those of the matching service."""

    def __init__(
        self, stack: Stack, client: pymongo.MongoClient[Document], name: str, start: Callable[..., Process]
    ) -> None:
        self.stack, self.name, self._start = stack, name, start
        self.queue = topology.consumer_queue(name, JOINED, "members")
        self.db = client[f"wasl_{name}"]
        self.publisher = Publisher(stack.rabbit.uri, self._declare)

    def _declare(self, channel: Any) -> None:
        topology.declare(channel, services=["members"], consumer=self.name, queues=[self.queue])

    def round(self, bodies: list[bytes]) -> Callable[[], Rate]:
        def run() -> Rate:
            self.empty()
            out = [Outgoing("", self.queue.name, body, f"{i}", events.CONTENT_TYPE) for i, body in enumerate(bodies)]
            if len(self.publisher.publish(out)) < len(out):
                raise RuntimeError("the broker did not take all events")
            self.publisher.close()  # it would miss heartbeats
            with self.running():
                return self.drained(len(bodies))

        return run

    def empty(self) -> None:
        """A database without events, as a migration leaves it."""
        self.db.client.drop_database(self.db.name)
        asyncio.run(_migrate_matching(self.stack.mongo.uri, self.db.name))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The side works inside of it, and must have acked everything at its end."""
        self.process = self._start(self)
        try:
            yield
            time.sleep(0.5)  # the last acks follow the last commit
        finally:
            self.process.stop()
        with Connection(self.stack.rabbit.uri) as connection:
            left = self.queue(connection.channel()).queue_declare(passive=True).message_count
        if left:
            raise RuntimeError(f"{self.name} left {left} events without an ack")

    def drained(self, count: int) -> Rate:
        """Waits until `count` events took effect. Raises RuntimeError when the side does not get there."""
        marks = self.db.inbox
        while not (first := marks.count_documents({})):
            if not self.process.running:
                raise RuntimeError(self.process.output()[-3000:])
            time.sleep(0.005)
        began = time.perf_counter()
        # The estimate costs nothing, and also counts what is not committed yet.
        while (seen := marks.estimated_document_count()) < count or (seen := marks.count_documents({})) < count:
            if not self.process.running or time.perf_counter() - began > 300:
                raise RuntimeError(f"{seen} of {count} events took effect\n{self.process.output()[-3000:]}")
            time.sleep(0.005)
        rate = (count - first) / (time.perf_counter() - began)
        rows = self.db[VIEW].count_documents({})
        if rows != count:
            raise RuntimeError(f"{count} events made {rows} rows")
        return Rate(rate)


def _compare(databases: list[Any]) -> None:
    """Raises RuntimeError unless all sides have written the same view."""
    first, *others = [list(one[VIEW].find().sort("_id", 1)) for one in databases]
    if any(rows != first for rows in others):
        raise RuntimeError("the sides wrote different rows")


async def _migrate_matching(uri: str, database: str) -> None:
    client = mongo.client(uri)
    await matching_store.migrate(client[database])
    client.close()


def _start_worker(side: _Side) -> Process:
    return side.stack.service("matching", "worker")[0]


def _start_peer(side: _Side) -> Process:
    words = [side.name, side.queue.name, side.db.name]
    return side.stack.python(f"kombu-{side.name}-{time.monotonic_ns()}", "bench.peers.bare_kombu", *words)


# -- data ----------------------------------------------------------------------------------------------------------
def _joined(count: int) -> list[Document]:
    """CloudEvents of `count` organizations that joined."""
    now = datetime.datetime.now(datetime.UTC)
    found = []
    for profile in data.profiles(count):
        member = events_pb2.Member(
            member_id=new_id(),
            kind=events_pb2.ORGANIZATION,
            display_name=pb.to_pb(LocalizedText, profile.display_name),
            place_code=profile.place_code,
            organization_type_code=profile.type_code,
            join_time=pb.timestamp(now),
            update_time=pb.timestamp(now),
        )
        event = events.document(
            events_pb2.MemberJoined(member=member),
            event_id=new_id(),
            subject=member.member_id,
            sequence=1,
            time=now,
            correlation_id=new_id(),
        )
        found.append(event)
    return found


# -- the whole way -------------------------------------------------------------------------------------------------
def _relay(stack: Stack, client: pymongo.MongoClient[Document], matching: _Side, count: int) -> Rate:
    """Both workers run when the outbox fills at once; from the first effect to the last."""
    members = client["wasl_members"]
    matching.empty()
    entries = [outbox.entry(event, at=index) for index, event in enumerate(_joined(count))]
    with matching.running():
        relay, _ = stack.service("members", "worker")
        try:
            members.outbox.insert_many(entries)
            rate = matching.drained(count)
            wait_until(lambda: members.outbox.count_documents({}) == 0, 20, "empty outbox")
        finally:
            relay.stop()
    return rate


# -- from an approval to the view ----------------------------------------------------------------------------------
def _approve(stack: Stack, client: pymongo.MongoClient[Document], matching: _Side, count: int) -> list[list[float]]:
    """Milliseconds from sending each approval to its answer, and to the view."""
    matching.empty()
    config = settings.load(Config, "members", stack.environment)
    applications, token = asyncio.run(_submit(config, count + 5))
    view = matching.db[VIEW].with_options(read_concern=pymongo.read_concern.ReadConcern("majority"))
    found = []
    _, port = stack.service("members", "api")
    stack.service("members", "worker")
    with matching.running(), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        members = members_pb2_grpc.MembersServiceStub(channel)
        wait_until(lambda: client["wasl_members"].outbox.count_documents({}) == 0, 30, "empty outbox")
        for application_id in applications:
            time.sleep(0.1)  # idle
            began = time.perf_counter()
            request = m.ApproveApplicationRequest(application_id=application_id)
            member_id = members.ApproveApplication(request, metadata=(("authorization", f"Bearer {token}"),)).member_id
            answered = time.perf_counter()
            while view.find_one({"_id": member_id}, {"_id": 1}) is None:
                if time.perf_counter() - answered > 30:
                    raise TimeoutError("an approved member did not show")
                time.sleep(0.001)
            found.append([(at - began) * 1000 for at in (answered, time.perf_counter())])
    return found[5:]  # the first ones warm up


async def _submit(config: Config, count: int) -> tuple[list[str], str]:
    """Ids of submitted applications, and a coordinator's access token."""
    app = App(config, mongo.client(config.mongo_uri))
    ids = []
    for profile in data.profiles(count):
        email = f"{new_id()}@wasl.example"
        account = await app.run(accounts.create_account, account={"email": email}, password_hash="")
        by = Caller(account.account_id)
        organization = {
            "display_name": {"ar": profile.display_name.ar, "en": profile.display_name.en},
            "type_code": profile.type_code,
            "place_code": profile.place_code,
        }
        draft = await app.run(applications.create_application, application={"organization": organization}, by=by)
        await app.run(applications.submit_application, application_id=draft.application_id, etag="", by=by)
        ids.append(draft.application_id)
    return ids, await data.access_token(app.db, config, COORDINATOR)


# -- the result ----------------------------------------------------------------------------------------------------
def _tell(rates: dict[str, list[Rate]], relayed: float, latency: list[list[float]]) -> None:
    ratios = {name: ratio(rates["wasl"], found) for name, found in rates.items()}
    table("events", ["per second", "wasl / it"], {name: [median(rates[name]), ratios[name]] for name in rates})
    print(f"\nfrom the outbox, through the relay: {relayed:,.0f} per second")
    answers, views = ([each[part] for each in latency] for part in (0, 1))
    figures = {f"{name}_per_s": median(found) for name, found in rates.items()} | {"outbox_to_effect_per_s": relayed}
    for name, values in {"approval_to_answer": answers, "approval_to_view": views}.items():
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        figures |= {f"{name}_p50_ms": cuts[49], f"{name}_p99_ms": cuts[98]}
        print(f"{name:20} p50 {cuts[49]:6.1f} ms   p99 {cuts[98]:6.1f} ms")
    finish("events", {f"events/{name}": found for name, found in ratios.items() if name != "wasl"}, figures)
