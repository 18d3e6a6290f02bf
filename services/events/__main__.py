"""python -m services.events api|worker|migrate|rebuild"""

import asyncio
import contextlib

from chassis import cli
from services.events.config import Config


def api(config: Config) -> None:
    from chassis.server import serve
    from services.events.api import register

    serve(config, register)


def worker(config: Config) -> None:
    from chassis.worker import run_worker
    from services.events.worker import EventsWorker

    run_worker(EventsWorker, config)


def migrate(config: Config) -> None:
    from chassis import mongo
    from services.events import store

    async def run() -> None:
        with contextlib.closing(mongo.client(config.mongo_uri)) as client:
            await store.migrate(client[config.database])

    asyncio.run(run())


def rebuild(config: Config) -> None:
    from participants.rebuild import run

    run(config)


cli.main(Config, "events", api=api, worker=worker, migrate=migrate, rebuild=rebuild)
