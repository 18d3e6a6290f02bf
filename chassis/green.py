"""One thread, one asyncio loop, two worlds: greenlets (Nameko, AMQP) and coroutines (motor).

Traps guarded here:
* `eventlet.monkey_patch()` breaks motor ("Cannot switch to a different thread") and grpc.aio (SIGSEGV). So nothing is
  patched globally: the hub is an asyncio hub, and only what AMQP uses is made green, by name.
* a name lookup blocks the process, and eventlet's own resolver costs each start a second of CPU (so: asyncio's).
* kombu's back-off calls `time.sleep`, and its pools use `queue.LifoQueue`: each stops the whole process.
* py-amqp holds a `threading.Lock` while it writes a frame. A green write may switch to another greenlet inside it,
  whose own write then blocks the thread for ever. The lock must be green; it also keeps two frames from mixing.
* `asyncio.CancelledError` is no Exception: Nameko would not see it and would leak the delivery.
* killing a greenlet does not touch the task that it waits for; `await_` cancels it.
* libuv aborts the process when a descriptor is closed that two wait for: one greenlet reads, and what the others write
  (acks, never more than the prefetch) always fits into the socket.
* a greenlet begins with an empty context, so nothing may be expected of the one that spawned it.
"""

import asyncio
import os
import types
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import greenlet
import uvloop

from chassis import frames

os.environ["EVENTLET_NO_GREENDNS"] = "yes"  # read when eventlet is imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # eventlet says that it is in maintenance: why no other module names it
    import eventlet
    from eventlet import hubs
    from eventlet.event import Event as Signal
    from eventlet.hubs import asyncio as stock
    from eventlet.semaphore import Semaphore

__all__ = [
    "Cancelled",
    "Semaphore",
    "Signal",
    "Timeout",
    "await_",
    "install",
    "on_signal",
    "sleep",
    "spawn",
    "spawn_after",
]
sleep, spawn, spawn_after, Timeout = eventlet.sleep, eventlet.spawn, eventlet.spawn_after, eventlet.Timeout

T = TypeVar("T")


class Cancelled(Exception):
    """The awaited task was cancelled."""


class Hub(stock.Hub):  # type: ignore[misc]
    """eventlet's asyncio hub with a cheaper idle turn: a future and one timer instead of a Task and a wait_for."""

    def _post_initialize(self) -> None:
        super()._post_initialize()
        self.sleep_event = self  # whatever wakes the hub calls sleep_event.set()
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        self.running = False

    def set(self) -> None:
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def run(self, *_: Any, **__: Any) -> None:
        self.loop.run_until_complete(self._run())

    async def _run(self) -> None:
        if self.running:
            raise RuntimeError("the hub is running already")
        self.running, self.stopping = True, False
        try:
            while not self.stopping:
                while self.closed:
                    self.close_one()
                self._woken = False
                self.prepare_timers()
                self.fire_timers(self.clock())
                self.prepare_timers()
                when = self.sleep_until()
                delay = self.default_sleep() if when is None else when - self.clock()
                if delay <= 0:
                    await asyncio.sleep(0)
                elif not self._woken:
                    await self._sleep(delay)
            self.timers_canceled = 0
            del self.timers[:], self.next_timers[:]
        finally:
            self.running = self.stopping = False

    async def _sleep(self, seconds: float) -> None:
        self._waiter = self.loop.create_future()
        timer = self.loop.call_later(seconds, self.set)
        await self._waiter
        timer.cancel()
        self._waiter = None


def install() -> asyncio.AbstractEventLoop:
    """Makes this process a worker; the first thing it does. Returns the loop, for motor (`io_loop`)."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the hub makes its loop by it
    hubs.use_hub(types.SimpleNamespace(Hub=Hub, is_available=lambda: True))
    _green_amqp()
    loop: asyncio.AbstractEventLoop = hubs.get_hub().loop
    return loop


def _green_amqp() -> None:
    import amqp.method_framing
    import amqp.transport
    import eventlet.green.socket
    import eventlet.green.ssl
    import eventlet.queue
    import kombu.mixins
    import kombu.resource
    import kombu.utils.functional

    eventlet.green.socket.getaddrinfo = _getaddrinfo
    amqp.transport.socket = eventlet.green.socket
    amqp.transport.ssl = eventlet.green.ssl
    amqp.transport.TCPTransport.read_frame = frames.read
    frames.tolerate()
    amqp.method_framing.threading = types.SimpleNamespace(Lock=Semaphore)
    kombu.utils.functional.sleep = eventlet.sleep
    kombu.mixins.sleep = eventlet.sleep
    kombu.resource.LifoQueue = eventlet.queue.LifoQueue
    kombu.resource.Empty = eventlet.queue.Empty


def _getaddrinfo(host: str, port: int, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0) -> Any:
    lookup = hubs.get_hub().loop.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
    return await_(lookup)


def await_(awaitable: Awaitable[T]) -> T:
    """Waits in this greenlet for a coroutine or future on the hub's loop, while others go on.

    The task begins in this greenlet's context. When the greenlet is killed or an eventlet.Timeout fires, the task is
    cancelled. Raises what the awaitable raises; Cancelled when it was cancelled itself.
    """
    hub, me = hubs.get_hub(), greenlet.getcurrent()
    if me is hub.greenlet:
        raise RuntimeError("await_ was called from the loop itself; use await there")
    task = asyncio.ensure_future(awaitable, loop=hub.loop)  # motor returns futures, which create_task refuses

    def wake(_: Any) -> None:
        me.switch()

    task.add_done_callback(wake)
    try:
        while not task.done():
            hub.switch()
    except BaseException:  # GreenletExit, Timeout
        task.remove_done_callback(wake)
        task.cancel()
        raise
    task.remove_done_callback(wake)
    try:
        return task.result()
    except asyncio.CancelledError as error:
        raise Cancelled(str(error)) from error


def on_signal(number: int, function: Callable[[], None]) -> None:
    """Runs `function` in a greenlet of its own; a handler of signal.signal may run inside any greenlet."""
    hubs.get_hub().loop.add_signal_handler(number, lambda: eventlet.spawn(function))
