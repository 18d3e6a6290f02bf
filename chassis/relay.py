"""From the outbox to RabbitMQ and to the event log: lease, read, publish with confirms, move what is confirmed.

Traps guarded here:
* two relays at once publish everything twice (so: leases on parts of the outbox; they only save work, for the inboxes
  drop doubles and a move takes only what is still there: a relay that was paused beyond its lease does no harm);
* what is not majority-committed may be taken back by a failover (so: a snapshot read);
* version 4 of an aggregate in the log before 3 (so: the snapshot, and only the confirmed *prefix* moves; what was
  confirmed behind a hole is published again);
* a poll makes an idle system slow, or busy with nothing (so: a change stream says when there is something; it is open
  before the read that finds nothing, or an insert between the two would wait). Where there is no change stream, the
  outbox is read once a second.
"""

import asyncio
import os
import secrets
import time
from typing import Any

import structlog
from nameko.extensions import DependencyProvider
from prometheus_client import Counter, Gauge
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from chassis import eventlog, events, green, lease, outbox, topology
from chassis.mongo import Client, Document
from chassis.publisher import WINDOW, Outgoing, Publisher

LISTEN_MS = 500  # how long one look at the change stream waits; also how long an idle relay takes to stop
POLL_SECONDS = 1.0  # between two reads where there is no change stream
AWAY_SECONDS = 0.3  # between two attempts while the broker is away
_INSERTS = [{"$match": {"operationType": "insert"}}, {"$project": {"_id": 1}}]
SIZE = Gauge("wasl_outbox_size", "Events that wait to be announced, sampled about once a second")
PUBLISHED = Counter("wasl_relay_published_total", "Events that the broker confirmed and the log took")
_log = structlog.get_logger(__name__)


class Relay(DependencyProvider):  # type: ignore[misc]
    """Runs in every worker of `service`; the parts of the outbox are shared fairly among the relays alive."""

    def __init__(self, client: Client, db: Any, service: str) -> None:
        self.client, self.db, self.service = client, db, service
        self._owner = f"{os.getpid()}-{secrets.token_hex(3)}"
        self._parts: list[int] = []
        self._renew_at = 0.0
        self._stream: Any = None
        self._unheard = 0  # entries that were relayed since the stream was opened
        self._stopping = False
        self._thread: Any = None

    # -- life cycle, as Nameko calls it ----------------------------------------------------------------------------
    def setup(self) -> None:
        self.publisher = Publisher(
            self.container.config["AMQP_URI"], lambda channel: topology.declare(channel, services=[self.service])
        )

    def start(self) -> None:
        self._thread = self.container.spawn_managed_thread(self._run, identifier="relay")

    def stop(self) -> None:
        self._stopping = True
        with green.Timeout(self.publisher.timeout, False):
            if self._thread is not None:  # stopped before it was started
                self._thread.wait()
        self.publisher.close()

    kill = stop

    def get_dependency(self, _: Any) -> "Relay":
        return self

    def _run(self) -> None:
        pause = 0.2
        while not self._stopping:
            try:
                self._turn()
                pause = 0.2
            except (PyMongoError, green.Cancelled) as error:  # the database is away: begin anew, leases too
                _log.warning("database.away", error=type(error).__name__)
                self._parts, self._renew_at = [], 0.0
                green.sleep(pause)
                pause = min(pause * 2, 3.0)
        try:
            green.await_(self._close_stream())
            green.await_(lease.leave(self.db, self._owner))
        except (PyMongoError, green.Cancelled):
            pass  # it runs out by itself

    def _turn(self) -> None:
        if time.monotonic() >= self._renew_at:
            self._parts = green.await_(self._lease())
            self._renew_at = time.monotonic() + lease.SECONDS / 3
            SIZE.set(green.await_(self.db.outbox.estimated_document_count()))
        if not self.publisher.connected and not self.publisher.open():
            green.sleep(AWAY_SECONDS)  # writes go on, the outbox waits
            return
        entries = green.await_(self._read()) if self._parts else []
        if entries:
            self._send(entries)
        else:
            green.await_(self._listen())

    # -- outbox → broker → log -------------------------------------------------------------------------------------
    async def _read(self) -> list[Document]:
        committed = self.db.outbox.with_options(read_concern=ReadConcern("snapshot"))
        found: list[Document] = (
            await committed.find({"part": {"$in": self._parts}}).sort("at", 1).limit(WINDOW).to_list(None)
        )
        return found

    def _send(self, entries: list[Document]) -> None:
        confirmed = self.publisher.publish([self._outgoing(entry) for entry in entries])
        prefix = next((index for index in range(len(entries)) if index not in confirmed), len(entries))
        if prefix:
            moved = green.await_(eventlog.move(self.client, self.db, [entry["_id"] for entry in entries[:prefix]]))
            PUBLISHED.inc(moved)
            self._unheard += prefix
            _log.debug("relay.published", count=moved)

    def _outgoing(self, entry: Document) -> Outgoing:
        return Outgoing(
            f"{self.service}.events", entry["type"], events.encode(entry["event"]), entry["_id"], events.CONTENT_TYPE
        )

    # -- waiting ---------------------------------------------------------------------------------------------------
    async def _listen(self) -> None:
        """Returns when the outbox may have something: after an insert, after LISTEN_MS, or when a stream was opened."""
        try:
            if self._unheard > WINDOW:  # else it would tell one by one of what has long been relayed
                await self._close_stream()
            if self._stream is None or not self._stream.alive:
                self._stream, self._unheard = self.db.outbox.watch(_INSERTS, max_await_time_ms=LISTEN_MS), 0
                await self._stream.__aenter__()
            else:
                await self._stream.try_next()
        except PyMongoError as error:
            _log.warning("relay.polling", error=type(error).__name__)
            self._stream = None
            await asyncio.sleep(POLL_SECONDS)

    async def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    # -- shares ----------------------------------------------------------------------------------------------------
    async def _lease(self) -> list[int]:
        """Renews, takes what is free up to the fair share, gives back what is above it."""
        share = -(-outbox.PARTS // await lease.join(self.db, self._owner))
        if len(self._parts) == share and await lease.renew(self.db, [f"part-{n}" for n in self._parts], self._owner):
            return self._parts
        mine: list[int] = []
        for part in sorted(range(outbox.PARTS), key=lambda part: part not in self._parts):
            if len(mine) >= share:
                await lease.release(self.db, f"part-{part}", self._owner)
            elif await lease.take(self.db, f"part-{part}", self._owner):
                mine.append(part)
        return mine
