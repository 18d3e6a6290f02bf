"""python -m services.resources api|http|worker|migrate|rebuild"""

import asyncio
import contextlib

from chassis import cli
from services.resources.config import Config


def api(config: Config) -> None:
    from chassis.server import serve
    from services.resources.api import register

    serve(config, register)


def http(config: Config) -> None:
    from services.resources.http import run

    run(config)


def worker(config: Config) -> None:
    from chassis.worker import run_worker
    from services.resources.worker import ResourcesWorker

    run_worker(ResourcesWorker, config)


def migrate(config: Config) -> None:
    from chassis import mongo
    from services.resources import store

    async def run() -> None:
        with contextlib.closing(mongo.client(config.mongo_uri)) as client:
            await store.migrate(client[config.database])

    asyncio.run(run())


def rebuild(config: Config) -> None:
    from participants.rebuild import run

    run(config)


cli.main(Config, "resources", api=api, http=http, worker=worker, migrate=migrate, rebuild=rebuild)
