"""python -m services.members api|worker|migrate|rotate"""

import functools

from chassis import cli
from services.members.config import Config


def api(config: Config) -> None:
    from chassis.server import serve
    from services.members.api import load_keys, register

    serve(config, functools.partial(register, config), load_keys=load_keys)


def worker(config: Config) -> None:
    from chassis.worker import run_worker
    from services.members.worker import MembersWorker

    run_worker(MembersWorker, config)


def migrate(config: Config) -> None:
    from services.members.migrate import migrate as run

    run(config)


def rotate(config: Config) -> None:
    from services.members.migrate import rotate as run

    run(config)


cli.main(Config, "members", api=api, worker=worker, migrate=migrate, rotate=rotate)
