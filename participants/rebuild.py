"""`rebuild`: both views from nothing, out of the members service's event log."""

import asyncio
import contextlib
import sys

from chassis import mongo, rebuild
from chassis.worker import handlers
from participants import store
from participants.config import ParticipantsConfig
from participants.worker import ParticipantsWorker

VIEWS = {
    store.PARTICIPANTS: (store.index_participants, "member"),
    store.AFFILIATIONS: (store.index_affiliations, "affiliation"),
}


def run(config: ParticipantsConfig) -> None:
    """The command. Prints its progress; exits with what went wrong."""
    try:
        asyncio.run(rebuild_views(config))
    except rebuild.Failed as error:
        sys.exit(f"nothing has changed: {error}")


async def rebuild_views(config: ParticipantsConfig) -> None:
    """One view after the other; readers see the old one until the new one is whole. Raises chassis.rebuild.Failed."""
    known = handlers(ParticipantsWorker)
    with contextlib.closing(mongo.client(config.mongo_uri)) as client:
        for view, (index, noun) in VIEWS.items():
            own = {kind: handle for kind, handle in known.items() if kind.split(".")[-3] == noun}
            applied = await rebuild.rebuild(
                client[config.database], view, index, config.members_address, config.service_secret, own
            )
            print(f"{view}: rebuilt from {applied} events")
