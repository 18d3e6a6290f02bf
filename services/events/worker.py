"""The events worker: keeps the participants up to date, lets seats lapse that nobody accepts, and ends convenings."""

from chassis.timers import Timer
from chassis.tx import Tx
from chassis.worker import on_timer
from participants.worker import ParticipantsWorker
from services.events import store
from services.events.usecases import convenings, seats


class EventsWorker(ParticipantsWorker):
    name = "events"

    @on_timer(store.SEAT_LAPSES)
    async def on_seat_lapses(self, tx: Tx, timer: Timer) -> None:
        await seats.lapse_seat(tx, registration_id=timer.subject)

    @on_timer(store.CONVENING_ENDS)
    async def on_convening_ends(self, tx: Tx, timer: Timer) -> None:
        await convenings.end_convening(tx, convening_id=timer.subject)
