"""A delivery, its lane, and what becomes of a failed one: a delayed retry or parking, the reason in its headers.

Traps guarded here: `reject` with requeue comes back at once, in front, for ever; a dead-letter for each failure
carries x-death headers that the broker may take for a cycle. So the next life of a message is a new publish, confirmed
before the old one is acked, with our headers only.
"""

import datetime
from typing import Any

import structlog
from prometheus_client import Counter

from chassis import events, log, topology
from chassis.ids import new_id
from chassis.publisher import Outgoing

MAX_ATTEMPTS = 6
REASON_LENGTH = 500  # characters of an error's text that travel in the header
RETRIED = Counter("wasl_events_retried_total", "Failed attempts that will be tried again", ["handler"])
PARKED = Counter("wasl_events_parked_total", "Events that were parked", ["handler"])
_log = structlog.get_logger(__name__)


class Delivery:
    """One message, and the event in it once it is decoded."""

    __slots__ = ("event", "message")

    def __init__(self, message: Any) -> None:
        self.message = message
        self.event: events.Event | None = None


class Lane:
    """A share of one handler's subjects; one batch at a time, and what arrives meanwhile is the next one."""

    __slots__ = ("busy", "handler", "waiting")

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self.waiting: list[Delivery] = []
        self.busy = False


def next_life(consumer: str, handler: str, delivery: Delivery, error: Exception) -> Outgoing:
    """The message that takes a failed delivery's place. `handler` is the event type that names the queue."""
    message, home = delivery.message, f"{consumer}.{handler}"
    message_id = message.properties.get("message_id") or new_id()  # an operator must be able to name it
    known = (message.headers or {}).get("wasl-attempt", 0)  # anybody who may publish could have written it
    attempt = (known if isinstance(known, int) and 0 <= known < MAX_ATTEMPTS else 0) + 1
    # Nothing of what stood there: for x-death and the like the broker may think that it goes in a circle, and drop it.
    headers = {
        "wasl-attempt": attempt,
        "wasl-queue": home,
        "wasl-reason": f"{type(error).__name__}: {error}"[:REASON_LENGTH],
    }
    said = {"handler": handler, "attempt": attempt, "event_id": message_id}
    if delivery.event is not None:
        said["correlation_id"] = delivery.event.correlation_id
    said |= {"error": type(error).__name__, "where": log.where(error)}  # its text may hold what a person wrote
    hopeless = isinstance(error, events.Invalid) or getattr(error, "permanent", False)
    if hopeless or attempt >= MAX_ATTEMPTS:
        headers["wasl-since"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        exchange, key = "", topology.parking_name(consumer)
        PARKED.labels(handler).inc()
        _log.error("event.parked", **said)
    else:
        delay = topology.delay(attempt)
        exchange, key = topology.retry_name(delay), home
        RETRIED.labels(handler).inc()
        _log.warning("event.retried", delay_seconds=delay, **said)
    return Outgoing(
        exchange,
        key,
        message.body,
        message_id,
        message.properties.get("content_type", "application/octet-stream"),
        headers,
    )
