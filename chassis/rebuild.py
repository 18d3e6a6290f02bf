"""Rebuilds a view from nothing: reads the source's event log into a new generation while readers see the old one.

Events that arrive meanwhile are applied to both generations (chassis/views.py). One that was applied before the new
generation was begun had been committed by then, so it is in the log by the time that `ReadEvents` says `complete`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from chassis import client, events, views
from chassis.tx import Tx
from wasl.log.v1 import log_pb2, log_pb2_grpc

# Longer than a reader's cache and than the longest transaction that may still write to the old generation.
KEEP_OLD_SECONDS = 10.0

Apply = Callable[[Any, events.Event], Awaitable[None]]
Index = Callable[[Any], Awaitable[None]]


class Failed(RuntimeError):
    """The view is what it was; its text says why."""


class Superseded(Failed):
    """Another rebuild of the same view was begun later, or took over first."""


async def rebuild(
    database: Any,
    view: str,
    index: Index,
    source: str,
    secret: str,
    handlers: Mapping[str, Apply],
) -> int:
    """Builds `view` in `database` (motor's) from the log at `source` (host:port); `handlers` by event type.

    `index` makes the new generation's indexes before anything is in it.

    Returns the number of events applied. Raises Failed when the log cannot be read to its end, Superseded.
    """
    try:
        generation = await views.begin(database, view, index)
    except LookupError as error:
        raise Failed(str(error)) from error
    if generation is None:
        raise Superseded(f"another rebuild of {view} has begun")
    building = _Building(database, view, generation)
    try:
        applied = await _apply_log(building, view, source, secret, handlers)
        if (old := await views.finish(database, view, generation)) is None:
            raise Superseded(f"another rebuild of {view} took over")
    except BaseException as error:  # Ctrl-C as well
        await asyncio.shield(views.abandon(database, view, generation))
        if isinstance(error, grpc.RpcError):
            raise Failed(f"the event log at {source} cannot be read: {error.details()}") from error
        if isinstance(error, events.Invalid):
            raise Failed(f"the event log at {source} holds what this version does not understand") from error
        raise
    await asyncio.sleep(KEEP_OLD_SECONDS)
    await database[old].drop()
    return applied


async def _apply_log(building: "_Building", view: str, source: str, secret: str, handlers: Mapping[str, Apply]) -> int:
    applied, complete = 0, False
    async with client.channel(source) as channel:
        stub = log_pb2_grpc.EventLogServiceStub(channel)
        request = log_pb2.ReadEventsRequest(event_types=sorted(handlers))
        async for reply in stub.ReadEvents(request, metadata=client.service_metadata(secret)):
            received = [events.decode(entry.cloud_event) for entry in reply.entries]
            await building.apply(received, handlers)
            applied += len(received)
            complete = reply.complete
            position = reply.entries[-1].position if reply.entries else reply.end_position
            _progress(view, applied, position, reply.end_position)
    if not complete:
        raise Failed(f"the event log at {source} ended before it was complete")
    return applied


class _Building(Tx):
    """A Tx whose views are the one generation that is being built; nothing else may be written."""

    def __init__(self, database: Any, view: str, generation: int) -> None:
        super().__init__(database, None)
        self._target = database[views.collection(view, generation)]
        self._view = view

    async def apply(self, received: list[events.Event], handlers: Mapping[str, Apply]) -> None:
        for event in received:
            await handlers[event.type](self, event)
        operations = self._views.pop(self._view, [])
        if self._views or self._later or self._outbox:
            raise RuntimeError(f"a handler of {self._view} writes something else than the view")
        if operations:
            await self._target.bulk_write(operations)


def _progress(view: str, applied: int, position: int, end: int) -> None:
    share = 100 * position // end if end else 100
    print(
        f"{view}: {applied} events, position {position} of {end} ({share} %)",
        file=sys.stderr,
        flush=True,
    )
