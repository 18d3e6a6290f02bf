"""A small service for test_timers.py, run as a child: `python -m tests.integration.timer_worker`."""

import asyncio
import os

import msgspec
from pymongo import InsertOne

from chassis import errors, log, settings, timekeeper, timers
from chassis.timers import Timer
from chassis.tx import Tx
from chassis.worker import Worker, on_timer, run_worker
from tests.integration.trap_worker import Happened


class Refused(errors.FailedPrecondition):
    en, ar = "of Amal, amal@example.org", "لأمل، amal@example.org"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    thing_id: str
    version: int = 0


class TimerWorker(Worker):
    name = "source"  # announces what trap_worker.py hears

    @on_timer("note")
    async def on_note(self, tx: Tx, timer: Timer) -> None:
        effect = {"subject": timer.subject, "by": os.getpid(), "at": tx.now, "due": timer.at, **timer.payload}
        # Without any unique key, so that a double can show.
        tx.later("effects", InsertOne({**effect, "correlation_id": log.correlation_id()}))

    @on_timer("announce")
    async def on_announce(self, tx: Tx, timer: Timer) -> None:
        assert tx.cause is None
        await tx.insert("things", Thing(thing_id=timer.subject))
        tx.emit(Happened(), subject=timer.subject, sequence=1)

    @on_timer("again")
    async def on_again(self, tx: Tx, timer: Timer) -> None:
        await self.on_note(tx, timer)
        if (left := timer.payload["left"]) > 1:
            tx.set_timer("again", subject=timer.subject, at=timer.at, left=left - 1)

    @on_timer("trouble")
    async def on_trouble(self, tx: Tx, timer: Timer) -> None:
        await self.on_note(tx, timer)
        await tx.flush()  # what a failure takes back
        match timer.payload["how"]:
            case "slow":
                await asyncio.sleep(timer.payload["seconds"])
            case "die":
                os._exit(9)
            case "refused":
                raise Refused
            case "until healed" if not await tx.db.healed.find_one({}):
                raise RuntimeError("not yet, amal@example.org")
        tx._later.clear()


if __name__ == "__main__":
    timers.CLAIM_SECONDS = 2.0
    timekeeper.ATTEMPT_SECONDS = float(os.environ.get("TIMER_ATTEMPT_SECONDS", "20"))
    timekeeper.PAUSES = (1, 1)  # type: ignore[assignment]
    timekeeper.SAMPLE_SECONDS = 1.0
    loaded = settings.load(settings.Settings, "source")
    log.configure("source", "worker", loaded.log_level)
    run_worker(TimerWorker, loaded)
