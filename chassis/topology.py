"""Every exchange and queue of the bus with its arguments, in one place.

Traps guarded here:
* an event that no queue wants vanishes (so: alternate exchange);
* dead-lettering loses messages by default (so: quorum queue, at-least-once, reject-publish; any one missing and the
  broker silently falls back to at-most-once);
* a message that kills its worker comes back for ever (so: a delivery limit, then parking);
* RabbitMQ 4 limits deliveries of *every* quorum queue to 20: looking at parked messages twenty times would drop them
  (so: no limit there; on RabbitMQ 3 the argument is unknown and there is no limit anyway);
* a broker killed within a second of a quorum queue's declaration comes back without the queue's leader and without
  what it had confirmed in it (so: a new queue is bound after `SETTLE_SECONDS` only; before, nothing can reach it);
* arguments of an existing queue cannot change (406): a change needs a new name. tests/contract pins the list.
Queues are deleted by an operator on a broker at rest, never by code: one deleted while the broker comes up, then
declared again, cannot be consumed.
"""

import os
from collections.abc import Iterable
from typing import Any

from amqp.exceptions import NotFound
from kombu import Exchange, Queue

from chassis import green

DELAYS = (1, 5, 30)  # seconds before attempts 2, 3, and 4 to 6
SETTLE_SECONDS = float(os.environ.get("WASL_QUEUE_SETTLE_SECONDS", "2"))  # shorter only where no broker is killed
DELIVERY_LIMIT = 50  # counts what the broker took back (crashed workers), not failures of a handler
UNROUTED = "wasl.unrouted"
UNROUTED_KEPT = 10_000  # messages
_QUORUM = {"x-queue-type": "quorum"}
_SAFE_DEAD_LETTER = {
    **_QUORUM,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": "",
}


def events(service: str) -> Exchange:
    """What a service announces; the routing key is the event type."""
    return Exchange(f"{service}.events", "topic", durable=True, arguments={"alternate-exchange": UNROUTED})


def consumer_queue(consumer: str, event_type: str, source: str) -> Queue:
    """Of one handler: a handler is known by the type of event that it handles."""
    return Queue(
        f"{consumer}.{event_type}",
        events(source),
        event_type,
        durable=True,
        queue_arguments={
            **_SAFE_DEAD_LETTER,
            "x-dead-letter-routing-key": parking_name(consumer),
            "x-delivery-limit": DELIVERY_LIMIT,
        },
    )


def retry_queue(seconds: int) -> Queue:
    """Shared by all consumers: what is published with a queue's name as routing key goes home to it when it expires,
    through the default exchange. One queue for each delay, since messages expire at a queue's head only."""
    return Queue(
        retry_name(seconds),
        Exchange(retry_name(seconds), "fanout", durable=True),
        durable=True,
        queue_arguments={**_SAFE_DEAD_LETTER, "x-message-ttl": seconds * 1000},
    )


def unrouted_queue() -> Queue:
    """The newest events that nobody hears, to look at; the event log has all of them."""
    return Queue(
        UNROUTED,
        Exchange(UNROUTED, "fanout", durable=True),
        durable=True,
        queue_arguments={**_QUORUM, "x-max-length": UNROUTED_KEPT, "x-overflow": "drop-head"},
    )


def parking_queue(consumer: str, broker_major: int) -> Queue:
    """Where a consumer's hopeless messages wait for an operator (chassis/parked.py)."""
    unlimited = {"x-delivery-limit": -1} if broker_major >= 4 else {}
    return Queue(parking_name(consumer), durable=True, queue_arguments={**_QUORUM, **unlimited})


def parking_name(consumer: str) -> str:
    return f"{consumer}.parking"


def retry_name(seconds: int) -> str:
    return f"wasl.retry.{seconds}s"


def delay(attempt: int) -> int:
    """Seconds to wait after the failure number `attempt` (1, 2, …)."""
    return DELAYS[min(attempt, len(DELAYS)) - 1]


def plan(
    broker_major: int, *, services: Iterable[str] = (), consumer: str = "", queues: Iterable[Queue] = ()
) -> tuple[list[Exchange], list[Queue]]:
    """What is shared, `services`' event exchanges, and `consumer`'s queues and parking."""
    parking = [parking_queue(consumer, broker_major)] if consumer else []
    wanted = [unrouted_queue(), *map(retry_queue, DELAYS), *parking, *queues]
    return [*map(events, services), *(queue.exchange for queue in wanted if queue.exchange.name)], wanted


def declare(channel: Any, *, services: Iterable[str] = (), consumer: str = "", queues: Iterable[Queue] = ()) -> None:
    """Declares the plan, and binds last. Blocks the greenlet for SETTLE_SECONDS if any queue is new."""
    major = int(channel.connection.server_properties["version"].split(".")[0])
    exchanges, wanted = plan(major, services=services, consumer=consumer, queues=queues)
    missing = {queue.name for queue in wanted if not _exists(channel, queue.name)}
    for exchange in exchanges:
        exchange(channel).declare()
    for queue in wanted:
        if queue.name == parking_name(consumer) and queue.name not in missing:
            continue  # made by RabbitMQ 3 before the broker became a 4: other arguments would be refused
        queue(channel).queue_declare()
    if missing:
        green.sleep(SETTLE_SECONDS)
    for queue in wanted:
        if queue.exchange.name:
            queue(channel).queue_bind()


def _exists(channel: Any, name: str) -> bool:
    with channel.connection.channel() as trial:  # a 404 closes it
        try:
            trial.queue_declare(name, passive=True)
        except NotFound:
            return False
        return True
