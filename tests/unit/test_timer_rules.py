"""What of timers needs no database: how they are told apart and declared, and that their times fit each other."""

import datetime
from typing import Any

import pytest
from pymongo import DeleteOne, ReplaceOne

from chassis import timekeeper, timers, worker
from chassis.timers import Timer
from chassis.tx import Tx
from chassis.worker import Worker, on_timer

AT = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class Keeper(Worker):
    name = "keeper"

    @on_timer("offer_expires")
    async def on_offer_expires(self, tx: Tx, timer: Timer) -> None: ...

    @on_timer("remind")
    async def on_remind(self, tx: Tx, timer: Timer) -> None: ...


def test_a_worker_says_which_timers_it_handles() -> None:
    assert Keeper.timers() == {"offer_expires": "on_offer_expires", "remind": "on_remind"}
    assert (Keeper.subscriptions(), worker.handlers(Keeper)) == ([], {})


def test_two_handlers_of_one_timer_are_refused() -> None:
    class Twice(Keeper):
        @on_timer("remind")
        async def on_remind_again(self, tx: Tx, timer: Timer) -> None: ...

    with pytest.raises(TypeError, match="Twice handles a timer twice"):
        Twice.timers()


@pytest.mark.parametrize("name", ["", "Remind", "a:b", "a b", "1st", "a\n"])
def test_a_name_that_could_be_another_timers_is_refused(name: str) -> None:
    tx = Tx(None, None)
    for use in (
        lambda: on_timer(name),
        lambda: tx.set_timer(name, subject="s", at=AT),
        lambda: tx.cancel_timer(name, subject="s"),
    ):
        with pytest.raises(ValueError, match="is no name of a timer"):
            use()
    assert not tx._later


def test_what_was_set_and_cancelled_is_sent_in_this_order() -> None:
    tx: Any = Tx(None, None)
    tx.set_timer("remind", subject="m:1", at=AT, name="payload may be called anything", n=1)
    tx.cancel_timer("remind", subject="m:1")
    (correlation_id,) = [one._doc.pop("correlation_id") for one in tx._later["timers"][:1]]
    assert correlation_id, "though nothing is being answered"
    document = {
        **{"_id": "remind:m:1", "name": "remind", "subject": "m:1", "at": AT, "next": AT},
        **{"attempts": 0, "claim": "", "payload": {"name": "payload may be called anything", "n": 1}},
    }
    assert tx._later["timers"] == [
        ReplaceOne({"_id": "remind:m:1"}, document, upsert=True),
        DeleteOne({"_id": "remind:m:1"}),
    ]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        Tx(None, None).set_timer("remind", subject="m1", at=AT.replace(tzinfo=None))


def test_an_attempt_ends_before_its_claim_and_pauses_grow() -> None:
    assert timekeeper.ATTEMPT_SECONDS + timers.POLL_SECONDS < timers.CLAIM_SECONDS
    assert list(timekeeper.PAUSES) == sorted(set(timekeeper.PAUSES))
    assert worker.__doc__
    assert f"{sum(timekeeper.PAUSES) / 60:.0f} minutes" in worker.__doc__
