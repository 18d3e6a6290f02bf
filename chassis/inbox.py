"""Applying events exactly once: the inbox mark and the effect are one transaction, the ack comes after.

Traps guarded here:
* mark first and crash: lost; effect first and crash: twice; so neither first. A crash between commit and ack brings
  the delivery back, the mark says "done", and it is only acked;
* one bad event must not take its batch down: the batch is an optimistic fast path, and on any error each event runs
  in a transaction of its own;
* a database that is away is nobody's fault: the transaction is tried again in place and costs the event no attempt.
No order is kept and none is needed: an event carries its aggregate's whole state and version, so a view takes the
newer (`tx.upsert_newer`) and a count takes each once.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from pymongo.errors import BulkWriteError

from chassis import tracing
from chassis.events import Event
from chassis.mongo import Client, is_duplicate, run_transaction
from chassis.tx import Tx

KEEP_SECONDS = 14 * 86_400  # no message may wait longer; one replayed after that would take effect again
APPLIED = Counter("wasl_events_applied_total", "Events that took effect", ["handler"])
LAG = Histogram(
    "wasl_event_lag_seconds",
    "From an event's time to the commit of its effect",
    ["handler"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
Handle = Callable[[Tx, Event], Awaitable[None]]
_log = structlog.get_logger(__name__)


class _AlreadyApplied(Exception):
    pass


async def apply(client: Client, db: Any, handler: str, events: list[Event], handle: Handle) -> list[Exception | None]:
    """For each event None if it has taken effect, now or before, else the exception that says why not."""
    if len(events) > 1:
        try:
            await _together(client, db, handler, events, handle)
        except Exception as error:  # noqa: BLE001 - whose fault it was shows one by one
            _log.debug("batch.split", handler=handler, size=len(events), error=type(error).__name__)
        else:
            return [None] * len(events)
    outcomes: list[Exception | None] = []
    for event in events:
        try:
            await _together(client, db, handler, [event], handle)
        except _AlreadyApplied:
            outcomes.append(None)
        except Exception as error:  # noqa: BLE001 - it becomes the event's outcome
            outcomes.append(error)
        else:
            outcomes.append(None)
    return outcomes


async def _together(client: Client, db: Any, handler: str, events: list[Event], handle: Handle) -> None:
    """One transaction for all. Raises _AlreadyApplied if one of them has been applied."""

    async def body(session: Any) -> None:
        tx = Tx(db, session)
        try:
            await db.inbox.insert_many(
                [{"_id": f"{handler}:{event.id}", "at": tx.now} for event in events], session=session
            )
        except BulkWriteError as error:
            if is_duplicate(error):
                raise _AlreadyApplied from error
            raise
        with structlog.contextvars.bound_contextvars(correlation_id="", event_id=""):  # puts back what there was
            for event in events:
                tx.cause = event
                structlog.contextvars.bind_contextvars(correlation_id=event.correlation_id, event_id=event.id)
                with tracing.consume(event, handler):
                    await handle(tx, event)
        await tx.flush()

    await run_transaction(client, body)
    APPLIED.labels(handler).inc(len(events))
    now, lag = datetime.now(UTC), LAG.labels(handler)
    for event in events:
        lag.observe(max((now - event.time).total_seconds(), 0))
    # One line for the batch: a correlation id leads from the caller's answer to here.
    applied = [{"event_id": event.id, "correlation_id": event.correlation_id} for event in events]
    _log.info("events.applied", handler=handler, events=applied)


async def ensure_indexes(db: Any) -> None:
    await db.inbox.create_index("at", expireAfterSeconds=KEEP_SECONDS)
