"""The matching worker: keeps the participants up to date, and ends what nobody answers or closes in time."""

from chassis.timers import Timer
from chassis.tx import Tx
from chassis.worker import on_timer
from participants.worker import ParticipantsWorker
from services.matching import store
from services.matching.usecases import matches, postings


class MatchingWorker(ParticipantsWorker):
    name = "matching"

    @on_timer(store.POSTING_EXPIRES)
    async def on_posting_expires(self, tx: Tx, timer: Timer) -> None:
        await postings.expire_posting(tx, posting_id=timer.subject)

    @on_timer(store.MATCH_EXPIRES)
    async def on_match_expires(self, tx: Tx, timer: Timer) -> None:
        await matches.expire_match(tx, match_id=timer.subject)
