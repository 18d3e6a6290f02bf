"""What a service's worker.py is written with: `Worker`, `@on`, `@on_timer`, `run_worker`. No Nameko, no hub.

    class MatchingWorker(Worker):
        name = "matching"

        @on(MemberJoined)
        async def on_member_joined(self, tx: Tx, event: Event) -> None: ...

        @on_timer("offer_expires")
        async def on_offer_expires(self, tx: Tx, timer: Timer) -> None: ...

Exchange, routing key and queue come from the message's descriptor. Each event takes effect once, in no order, in a
transaction that may run twice: a handler does nothing but through `tx`. What it raises decides what becomes of the
event: an error with `permanent` is parked at once, any other is tried again after 1, 5, 30, 30 and 30 seconds.

A timer takes effect once in the same way, not before its time (chassis/timers.py). With a permanent error, or after
seven attempts in 73 minutes, it is kept as failed. One whose name no handler has is left alone, for a version that has.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import msgspec
from google.protobuf.message import Message

from chassis import events, timers
from chassis.settings import Settings

F = TypeVar("F", bound=Callable[..., Awaitable[None]])


class Subscription(msgspec.Struct, frozen=True):
    """One handler: `method` of the worker, for `event_type` of the service `source`."""

    method: str
    event_type: str
    source: str


def on(kind: type[Message]) -> Callable[[F], F]:
    """Marks `async def handler(self, tx, event)` as the handler of an event."""

    def mark(function: F) -> F:
        function.subscription = Subscription(  # type: ignore[attr-defined]
            function.__name__, events.event_type(kind), events.source_service(kind)
        )
        return function

    return mark


def on_timer(name: str) -> Callable[[F], F]:
    """Marks `async def handler(self, tx, timer)` as what `tx.set_timer(name, …)` sets a time for."""
    timers.key(name, "")

    def mark(function: F) -> F:
        function.timer = name  # type: ignore[attr-defined]
        return function

    return mark


class Worker:
    """Base of a service's worker; without handlers it relays the outbox only."""

    name: ClassVar[str]  # the service's: it names its exchange, queues and parking

    @classmethod
    def subscriptions(cls) -> list[Subscription]:
        """By event type. Raises TypeError if two handlers share one: they would share its queue."""
        found: list[Subscription] = [
            function.subscription
            for _, function in inspect.getmembers(cls, inspect.isfunction)
            if hasattr(function, "subscription")
        ]
        if len({one.event_type for one in found}) < len(found):
            raise TypeError(f"{cls.__name__} handles an event twice")
        return sorted(found, key=lambda one: one.event_type)

    @classmethod
    def timers(cls) -> dict[str, str]:
        """The handlers' methods by the timer's name. Raises TypeError if two share one."""
        functions = [one for _, one in inspect.getmembers(cls, inspect.isfunction) if hasattr(one, "timer")]
        found = {one.timer: one.__name__ for one in functions}
        if len(found) < len(functions):
            raise TypeError(f"{cls.__name__} handles a timer twice")
        return found


def run_worker(worker: type[Worker], settings: Settings) -> None:
    """Blocks until SIGTERM or SIGINT, or until a bug ends the worker (then raises)."""
    from chassis import runner

    runner.run(worker, settings)


def handlers(worker: type[Worker]) -> dict[str, Callable[..., Awaitable[Any]]]:
    """The bound handlers by event type, to apply events that did not come over the bus (a rebuild)."""
    instance = worker()
    return {one.event_type: getattr(instance, one.method) for one in worker.subscriptions()}
