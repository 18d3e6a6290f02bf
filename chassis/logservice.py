"""Serves a service's event log to other services: `wasl.log.v1.EventLogService/ReadEvents`, on every api process."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from chassis import errors, eventlog, events
from chassis.app import App
from wasl.log.v1 import log_pb2, log_pb2_grpc

BATCH = 500
SETTLE_SECONDS = 30.0  # how long the last announcements may take to reach the log


class LogStuck(errors.Unavailable):
    """Events that were committed have not reached the log: the broker is away, or no relay runs."""

    en = "{waiting} events wait to be announced; the log is not whole yet"
    ar = "أحداث تنتظر الإعلان: {waiting}؛ السجل غير مكتمل بعد"


class EventLog(log_pb2_grpc.EventLogServiceServicer):
    """The log is whole when every entry that was in the outbox at the beginning has moved to it."""

    def __init__(self, app: App) -> None:
        self._db = app.db

    async def ReadEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:
        newest = await self._db.outbox.find_one({}, {"_id": 1}, sort=[("_id", -1)])
        position, wanted = request.after_position, set(request.event_types)
        give_up = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while True:
            # Ids sort by time. One of a slower clock that came later is waited for as well, which does no harm.
            waiting = await self._db.outbox.count_documents({"_id": {"$lte": newest["_id"]}}) if newest else 0
            settled, end = not waiting, await eventlog.end(self._db)
            while entries := await eventlog.read(self._db, position, BATCH):
                position = entries[-1]["_id"]
                yield log_pb2.ReadEventsResponse(
                    entries=[
                        log_pb2.ReadEventsResponse.Entry(position=one["_id"], cloud_event=events.encode(one["event"]))
                        for one in entries
                        if not wanted or one["type"] in wanted
                    ],
                    end_position=max(end, position),
                )
            if settled:
                yield log_pb2.ReadEventsResponse(end_position=position, complete=True)
                return
            if asyncio.get_running_loop().time() > give_up:
                raise LogStuck(waiting=waiting)
            await asyncio.sleep(0.2)
