"""Fires timers that are due: claim a few, then each in a transaction of its own, which first deletes it.

Traps guarded here:
* mark fired and crash: never; do it and crash: twice. So the deletion and the effect are one transaction, on condition
  of the time that the timer was claimed for: moved, cancelled or fired meanwhile, and nothing happens. A claim only
  spares others the work;
* timers in one transaction see each other half done (one that cancels the next), and a bad one takes the others along:
  so one for each, several at the same time;
* a handler that hangs keeps its lane (so: an attempt has a limit, shorter than its claim), one that fails would be
  first in the line for ever (so: growing pauses, and after the last it is kept as failed);
* the worker's clock may be behind the server's, by which the timer is due; a handler that asks whether the deadline has
  passed would hear no (so: `tx.now` is not before the timer's time);
* a stop that waits for events and then for timers takes two grace periods (so: an entrypoint, for Nameko stops those
  first and together).
Idle it costs one query of an index a second. That query also sees what falls due until the next one, so the wait ends
then: a timer that was set more than a second ahead is not late by half a poll.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram
from pymongo.errors import PyMongoError

from chassis import green, log, timers
from chassis.mongo import ABORT_SECONDS, Client, run_transaction
from chassis.timers import Timer
from chassis.tx import Tx

# isort: split
from nameko.extensions import Entrypoint  # after green, which says how eventlet is loaded

LANES = 8  # timers at the same time
ATTEMPT_SECONDS = 20.0  # then it has failed; shorter than a claim. A database that is away is waited for meanwhile
# After each failed attempt; after one more it is kept as failed. Longer than an event's: nobody looks at a deadline
# while a fault is mended, and no queue fills up behind it.
PAUSES = (1, 5, 30, 120, 600, 3600)
REASON_LENGTH = 500  # characters of an error's text that are kept with the timer
SAMPLE_SECONDS = 15.0
FIRED = Counter("wasl_timers_fired_total", "Timers whose effect was committed", ["timer"])
RETRIED = Counter("wasl_timers_retried_total", "Failed attempts that will be tried again", ["timer"])
LAG = Histogram(
    "wasl_timer_lag_seconds",
    "From a timer's time to the commit of its effect",
    ["timer"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600),
)
_SAMPLED = f"sampled every {SAMPLE_SECONDS:.0f} s; every worker of a service says the same"
WAITING = Gauge("wasl_timers_waiting", f"Timers that are set and have not failed, {_SAMPLED}")
OVERDUE = Gauge("wasl_timers_overdue", f"Timers that should have been fired a minute ago, {_SAMPLED}")
FAILED = Gauge("wasl_timers_failed", f"Timers that were given up and wait for an operator, {_SAMPLED}")
Handle = Callable[[Tx, Timer], Awaitable[None]]
_log = structlog.get_logger(__name__)


class Unfinished(Exception):
    """Attempts that told nobody how they ended: they killed their worker, or each lost its database."""


async def fire(client: Client, db: Any, timer: Timer, handle: Handle) -> bool:
    """The timer's end and its effect, or neither; says whether it was still due."""

    async def body(session: Any) -> bool:
        due = await timers.take(db, session, timer)
        if due is None:
            return False
        tx = Tx(db, session)
        tx.now = max(tx.now, due.at)
        await handle(tx, due)
        await tx.flush()
        return True

    return await run_transaction(client, body)


class Timekeeper(Entrypoint):  # type: ignore[misc]
    """Runs in every worker that has handlers of timers, given by the timer's name; the workers share what is due."""

    def __init__(self, client: Client, db: Any, handlers: Mapping[str, Handle]) -> None:
        super().__init__()
        self.client, self.db, self.handlers = client, db, handlers
        self._running: dict[asyncio.Task[None], Timer] = {}
        self._wake, self._left = asyncio.Event(), green.Signal()
        self._stop_by: float | None = None
        self._sample_at = 0.0

    # -- life cycle, as Nameko calls it ----------------------------------------------------------------------------
    def start(self) -> None:
        self.container.spawn_managed_thread(self._run, identifier="timekeeper")

    def stop(self) -> None:
        """Takes no more and finishes what runs within the grace period; what does not is left to others at once."""
        self._leave(self.container.config["GRACE_SECONDS"])

    def kill(self) -> None:
        self._leave(0.0)

    def _leave(self, grace: float) -> None:
        if self._stop_by is None:
            self._stop_by = time.monotonic() + grace
            self._wake.set()
        with green.Timeout(grace + 3 * ABORT_SECONDS, False):
            self._left.wait()

    def _run(self) -> None:
        try:
            green.await_(self._work())
        finally:
            self._left.send()

    # -- the loop --------------------------------------------------------------------------------------------------
    async def _work(self) -> None:
        while self._stop_by is None:
            self._wake.clear()
            try:
                pause = await self._turn()
            except PyMongoError as error:
                _log.warning("database.away", error=type(error).__name__)
                pause = timers.POLL_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
        await self._finish(self._stop_by)

    async def _turn(self) -> float:
        """Begins what is due, as far as there are lanes; returns the seconds until the next turn."""
        if time.monotonic() >= self._sample_at:
            waiting, overdue, failed = await timers.count(self.db)
            WAITING.set(waiting)
            OVERDUE.set(overdue)
            FAILED.set(failed)
            self._sample_at = time.monotonic() + SAMPLE_SECONDS
        free = LANES - len(self._running)
        if not free:
            return timers.POLL_SECONDS
        claimed, pause = await timers.claim(self.db, list(self.handlers), free)
        for timer in claimed:
            task = asyncio.ensure_future(self._attempt(timer))
            self._running[task] = timer
            task.add_done_callback(self._done)
        return pause

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if len(self._running) == LANES // 2:  # a claim costs as much as a timer: several at once
            self._wake.set()

    async def _finish(self, deadline: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=max(deadline - time.monotonic(), 0))
        if cut := dict(self._running):
            for task in cut:
                task.cancel()
            with contextlib.suppress(PyMongoError, TimeoutError):  # then the claims run out by themselves
                async with asyncio.timeout(2 * ABORT_SECONDS):
                    await asyncio.wait(cut)
                    await asyncio.gather(*(timers.give_back(self.db, timer) for timer in cut.values()))

    # -- one timer -------------------------------------------------------------------------------------------------
    async def _attempt(self, timer: Timer) -> None:
        with structlog.contextvars.bound_contextvars(correlation_id=timer.correlation_id):
            try:
                if timer.attempts > len(PAUSES) + 1:
                    raise Unfinished
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    fired = await fire(self.client, self.db, timer, self.handlers[timer.name])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this timer's
                await self._failed(timer, error)
                return
            if fired:
                lag = max((datetime.now(UTC) - timer.at).total_seconds(), 0)
                FIRED.labels(timer.name).inc()
                LAG.labels(timer.name).observe(lag)
                _log.info("timer.fired", timer=timer.name, subject=timer.subject, lag_seconds=round(lag, 3))

    async def _failed(self, timer: Timer, error: Exception) -> None:
        """It is tried again after a pause, or kept. When that cannot be written, its claim runs out."""
        reason = f"{type(error).__name__}: {error}"[:REASON_LENGTH]
        said = {"timer": timer.name, "subject": timer.subject, "attempt": timer.attempts}
        said |= {"error": type(error).__name__, "where": log.where(error)}  # its text may hold what a person wrote
        hopeless = timer.attempts > len(PAUSES) or getattr(error, "permanent", False)
        try:
            if hopeless:
                if await timers.give_up(self.db, timer, reason):
                    _log.error("timer.failed", **said)
                    self._sample_at = 0.0
                return
            pause = PAUSES[timer.attempts - 1]
            if await timers.postpone(self.db, timer, pause, reason):
                RETRIED.labels(timer.name).inc()
                _log.warning("timer.retried", delay_seconds=pause, **said)
        except PyMongoError as away:
            _log.warning("database.away", error=type(away).__name__)
