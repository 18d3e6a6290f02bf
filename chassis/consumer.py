"""Nameko's queue consumer, made to lose nothing. Any number of workers share a queue, and an event that fails or is
parked holds up no other.

in stock Nameko                                  here
-----------------------------------------------  -------------------------------------------------------------------
a failed handler is acked: the event is lost     each delivery has an outcome: ack, delayed retry, park; the next life
                                                   is published with confirm, then the old one is acked
prefetch is max_workers                          a setting of its own
a reconnect waits up to 30 s                     0.2 to 3 s
SIGTERM hangs while the broker is away           `_stop` is looked at wherever the loop waits
start and stop hang on a frozen broker           time-outs around set-up and goodbye
an ack on a dead channel kills the container     what came over another channel is not settled: the broker redelivers
no heartbeat while busy                          checked by the clock
undecodable messages are acked                   parked, with the reason
a stuck handler blocks the stop                  grace period, then kill; the broker redelivers
two events of one subject at once conflict       a subject has one lane, and a lane runs one batch at a time
"""

import contextlib
import functools
import time
import zlib
from typing import Any

import structlog
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import SharedExtension

from chassis import events, frames, green, topology
from chassis.delivery import Delivery, Lane, next_life
from chassis.publisher import FAILURES, Publisher, connect

HEARTBEAT = 10  # seconds; two missed ones close the connection
PREFETCH = 300  # messages; RabbitMQ recommends 100 to 300
SETUP_SECONDS = 10.0 + topology.SETTLE_SECONDS
LANES = 3  # of a handler, one batch at once in each; a subject is always in the same
BATCH = 64  # events in one transaction, at most
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 3.0  # seconds between two attempts to connect
_log = structlog.get_logger(__name__)


class EventConsumer(SharedExtension):  # type: ignore[misc]
    """One connection for all handlers of the service. Nameko calls setup, start, stop and kill; a handler is an
    extension with `event_type` and `queue`."""

    def __init__(self) -> None:
        self.handlers: list[Any] = []
        self._stop, self._left = green.Signal(), green.Signal()
        self._drain_until = 0.0
        self._channel: Any = None
        self._running = 0  # batches
        self._lanes: dict[Any, list[Lane]] = {}

    # -- life cycle ------------------------------------------------------------------------------------------------
    @property
    def connected(self) -> bool:
        return self._channel is not None

    def register(self, handler: Any) -> None:
        self.handlers.append(handler)
        self._lanes[handler] = [Lane(handler) for _ in range(LANES)]

    def setup(self) -> None:
        self._publisher = Publisher(self.container.config["AMQP_URI"])

    def start(self) -> None:
        self.container.spawn_managed_thread(self._run, identifier="consumer")

    def leave(self) -> None:
        """Takes no more, finishes what runs within the grace period, and returns when the loop has ended."""
        self._request_stop(self.container.config["GRACE_SECONDS"])
        self._left.wait()

    def stop(self) -> None:
        self._publisher.close()

    def kill(self) -> None:
        self._request_stop(0.0)
        self._publisher.close()

    def _request_stop(self, grace: float) -> None:
        if not self._stop.ready():
            self._drain_until = time.monotonic() + grace
            self._stop.send()

    # -- the loop --------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        pause = FIRST_PAUSE
        try:
            while not self._stop.ready():
                began = time.monotonic()
                try:
                    self._consume()
                except (*FAILURES, green.Timeout) as error:
                    _log.warning("broker.away", error=type(error).__name__)
                    pause = FIRST_PAUSE if time.monotonic() - began > 5 else min(pause * 2, LONGEST_PAUSE)
                    with green.Timeout(pause, False):
                        self._stop.wait()  # a sleep that a stop ends
            self._finish_running()
            self.container._kill_worker_threads()  # what did not finish in time; the broker redelivers it
        finally:
            self._left.send()

    def _consume(self) -> None:
        connection = None
        for lane in (lane for lanes in self._lanes.values() for lane in lanes):
            lane.waiting.clear()  # they came over the old channel and will come again
        try:
            with green.Timeout(SETUP_SECONDS):
                connection = connect(self.container.config["AMQP_URI"], heartbeat=HEARTBEAT)
                channel = connection.channel()
                queues = [handler.queue for handler in self.handlers]
                topology.declare(channel, consumer=self.container.service_name, queues=queues)
                channel.basic_qos(0, PREFETCH, False)
                channel.auto_decode = False  # an event is bytes
                self._channel = channel
                tags = [
                    # Without kombu's Consumer, which wraps each message once more.
                    channel.basic_consume(handler.queue.name, callback=functools.partial(self._arrived, handler))
                    for handler in self.handlers
                ]
            _log.info("consumer.ready", queues=len(tags))
            self._drain(connection)
            with green.Timeout(1, False):
                for tag in tags:
                    channel.basic_cancel(tag)
            self._finish_running()  # the connection stays, so that they can be acked
            with green.Timeout(1, False):
                connection.release()  # else the acks on their way may be lost and what they settled comes again
        finally:
            self._channel = None
            if connection is not None:
                connection.collect()  # hard: never talk politely to a peer that may be gone

    def _drain(self, connection: Any) -> None:
        amqp, checked = connection.connection, time.monotonic()
        amqp.transport.sock.settimeout(0.5)  # once: drain_events would set it anew and take it back for each frame
        while not self._stop.ready():
            with contextlib.suppress(TimeoutError):
                amqp.drain_events()
            if time.monotonic() - checked > 1:  # also while busy
                connection.heartbeat_check()
                checked = time.monotonic()
        amqp.transport.sock.settimeout(None)

    def _finish_running(self) -> None:
        while self._running and time.monotonic() < self._drain_until:
            green.sleep(0.02)

    # -- deliveries ------------------------------------------------------------------------------------------------
    def _arrived(self, handler: Any, message: Any) -> None:
        delivery = Delivery(message)
        try:
            delivery.event = events.decode(message.body)
        except Exception as error:  # noqa: BLE001 - whatever is in it, it must not end the loop
            self._park_raw(handler, delivery, error)
            return
        lane = self._lanes[handler][zlib.crc32(delivery.event.subject.encode()) % LANES]
        lane.waiting.append(delivery)
        self._pump(lane)

    def _pump(self, lane: Lane) -> None:
        if lane.busy or not lane.waiting or self._stop.ready():
            return
        batch, lane.waiting = lane.waiting[:BATCH], lane.waiting[BATCH:]
        try:
            context = self.container.spawn_worker(
                lane.handler,
                ([delivery.event for delivery in batch],),
                {},
                handle_result=functools.partial(self._finished, lane, batch),
            )
        except ContainerBeingKilled:
            return  # the broker redelivers
        lane.busy, self._running = True, self._running + 1
        self.container._worker_threads[context].link(self._released, lane)

    def _released(self, _: Any, lane: Lane) -> None:
        """However the batch ended, kill included: the lane goes on."""
        lane.busy, self._running = False, self._running - 1
        self._pump(lane)

    def _finished(
        self, lane: Lane, batch: list[Delivery], _: Any, result: Any = None, exc_info: Any = None
    ) -> tuple[Any, None]:
        outcomes = result if exc_info is None else [exc_info[1]] * len(batch)
        self._ack([delivery for delivery, error in zip(batch, outcomes, strict=True) if error is None])
        if failed := [pair for pair in zip(batch, outcomes, strict=True) if pair[1] is not None]:
            self._move(lane.handler, failed)
        return result, None  # dealt with

    # -- settling --------------------------------------------------------------------------------------------------
    def _move(self, handler: Any, failed: list[tuple[Delivery, Exception]]) -> None:
        """Publishes to a retry queue or to parking, then acks; what the broker did not take is given back."""
        name = self.container.service_name
        moved = self._publisher.publish([next_life(name, handler.event_type, *pair) for pair in failed])
        if len(moved) < len(failed):
            green.sleep(0.5)  # it comes back at once
        for index, (delivery, _) in enumerate(failed):
            self._settle(delivery, requeue=index not in moved)

    def _ack(self, deliveries: list[Delivery]) -> None:
        """In one write: a system call for each ack was a tenth of the work on an event."""
        tags = [one.message.delivery_tag for one in deliveries if one.message.channel is self._channel]
        if not tags:
            return
        try:
            if acks := b"".join(frames.ack(self._channel.channel_id, tag) for tag in tags[:-1]):
                frames.write_first(self._channel.connection.transport, acks)
            self._channel.basic_ack(tags[-1])
        except (*FAILURES, AttributeError):  # AttributeError: the channel was collected under us
            _log.debug("settle.stale")

    def _settle(self, delivery: Delivery, *, requeue: bool = False) -> None:
        channel, tag = delivery.message.channel, delivery.message.delivery_tag
        if channel is not self._channel:
            return
        try:
            if requeue:
                channel.basic_reject(tag, requeue=True)
            else:
                channel.basic_ack(tag)
        except (*FAILURES, AttributeError):  # AttributeError: the channel was collected under us
            _log.debug("settle.stale")

    def _park_raw(self, handler: Any, delivery: Delivery, error: Exception) -> None:
        # In a greenlet of its own: the loop's must not wait for another connection.
        green.spawn(self._move, handler, [(delivery, error)])
