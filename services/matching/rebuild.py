"""`rebuild`: the participants view from nothing, out of the members service's event log."""

import contextlib

from chassis import mongo
from chassis.rebuild import rebuild as rebuild_view
from chassis.worker import handlers
from services.matching import store
from services.matching.config import Config
from services.matching.worker import MatchingWorker


async def rebuild(config: Config) -> None:
    """Prints its progress; readers see the old view until the new one is whole."""
    with contextlib.closing(mongo.client(config.mongo_uri)) as client:
        applied = await rebuild_view(
            client[config.database],
            store.PARTICIPANTS,
            store.index_participants,
            config.members_address,
            config.service_secret,
            handlers(MatchingWorker),
        )
    print(f"{store.PARTICIPANTS}: rebuilt from {applied} events")
