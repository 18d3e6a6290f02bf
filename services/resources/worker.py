"""The resources worker: announces what the outbox holds, keeps the participants up to date, forgets uploads."""

from chassis.timers import Timer
from chassis.tx import Tx
from chassis.worker import on_timer
from participants.worker import ParticipantsWorker
from services.resources import store
from services.resources.usecases import uploads


class ResourcesWorker(ParticipantsWorker):
    name = "resources"

    @on_timer(store.UPLOAD_EXPIRES)
    async def on_upload_expires(self, tx: Tx, timer: Timer) -> None:
        await uploads.expire_upload(tx, file_id=timer.subject)
