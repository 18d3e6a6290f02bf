"""Runs a worker: Nameko's container and life cycle without its command line, which monkey-patches.

Traps guarded here: a handler of signal.signal runs in whatever greenlet is current (so: the loop's); a stop that hangs
must still end the process (so: a deadline); Nameko is imported after the hub is chosen.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from chassis import green, http, mongo, process, topology
from chassis.settings import Settings
from chassis.worker import Subscription, Worker

SWITCH_SECONDS = 0.001  # how long the loop may keep motor's threads from an answer that has come; Python's is 5 ms
STOP_SECONDS = 10.0  # after the grace period; then the process ends whatever it does
_log = structlog.get_logger(__name__)


def run(worker: type[Worker], settings: Settings) -> None:
    """Blocks until SIGTERM or SIGINT, or until a bug ends the worker (then raises)."""
    sys.setswitchinterval(SWITCH_SECONDS)
    loop = green.install()
    from nameko.runners import ServiceRunner

    from chassis.consumer import LANES

    client = mongo.client(settings.mongo_uri, loop=loop)
    service = nameko_class(worker, client, settings.database)
    runner = ServiceRunner(
        {
            "AMQP_URI": settings.amqp_uri,
            "GRACE_SECONDS": settings.grace_seconds,
            "max_workers": max(64, LANES * len(worker.subscriptions())),
        }
    )
    runner.add_service(service)
    (container,) = runner.containers
    stopping = False

    async def ready() -> dict[str, str]:
        extensions = [one for one in container.extensions if hasattr(one, "connected")]
        broker = "" if all(one.connected for one in extensions) else "not connected"
        try:
            await client.admin.command("ping")
            database = ""
        except PyMongoError as error:
            database = type(error).__name__
        return {"broker": broker, "database": database, "process": "stopping" if stopping else ""}

    def stop() -> None:
        nonlocal stopping
        if stopping:
            return
        stopping = True
        _log.info("worker.stopping")
        green.spawn_after(settings.grace_seconds + STOP_SECONDS, os._exit, 70)
        runner.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        green.on_signal(number, stop)
    serving = http.serve(http.probes(ready), settings.bind, settings.http_port, grace_seconds=settings.grace_seconds)
    probes = asyncio.ensure_future(serving, loop=loop)
    runner.start()
    process.keep_what_is_loaded()
    _log.info("worker.started", handlers=len(worker.subscriptions()), timers=len(worker.timers()))
    try:
        runner.wait()
    finally:
        probes.cancel()
        client.close()
    _log.info("worker.stopped")


def nameko_class(worker: type[Worker], client: mongo.Client, database: str) -> type:
    """The Nameko service of a worker: its handlers as entrypoints, its outbox's relay, its timers' keeper."""
    import functools

    from nameko.extensions import Entrypoint, register_entrypoint

    from chassis import inbox
    from chassis.consumer import EventConsumer
    from chassis.relay import Relay
    from chassis.timekeeper import Timekeeper

    db = client[database]

    class Handler(Entrypoint):  # type: ignore[misc]
        """A quorum queue of its own; batches in lanes instead of a worker for each message."""

        consumer = EventConsumer()

        def __init__(self, subscription: Subscription) -> None:
            super().__init__()
            self.event_type = subscription.event_type
            self.queue = topology.consumer_queue(worker.name, subscription.event_type, subscription.source)

        def setup(self) -> None:
            self.consumer.register(self)

        def stop(self) -> None:
            self.consumer.leave()

    def entrypoint(subscription: Subscription) -> Any:
        handle = getattr(worker, subscription.method)

        @functools.wraps(handle)
        def run(self: Any, events: Any) -> Any:
            apply = inbox.apply(client, db, subscription.event_type, events, functools.partial(handle, self))
            return green.await_(apply)

        register_entrypoint(run, Handler(subscription))
        return run

    def fire_timers(_: Any) -> None:
        """Nobody calls it: the timekeeper awaits the handlers itself, and is here to be started and stopped."""

    methods = {one.method: entrypoint(one) for one in worker.subscriptions()}
    if names := worker.timers():
        timer_handlers = {name: getattr(worker(), method) for name, method in names.items()}
        register_entrypoint(fire_timers, Timekeeper(client, db, timer_handlers))
        methods["fire_timers"] = fire_timers
    return type(worker.__name__, (worker,), {**methods, "relay": Relay(client, db, worker.name)})
