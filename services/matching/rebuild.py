"""`rebuild`: the participants view from nothing, out of the members service's event log."""

from chassis import events, mongo
from chassis.events import Event
from chassis.rebuild import rebuild as rebuild_view
from chassis.tx import Tx
from services.matching import store, usecases
from services.matching.config import Config
from wasl.members.v1.events_pb2 import MemberJoined, MemberUpdated


async def rebuild(config: Config) -> None:
    """Prints its progress; readers see the old view until the new one is whole."""
    database = mongo.client(config.mongo_uri)[config.database]

    async def show(tx: Tx, event: Event) -> None:
        await usecases.show_participant(tx, member=event.data.member, version=event.sequence)

    handlers = {events.event_type(kind): show for kind in (MemberJoined, MemberUpdated)}
    applied = await rebuild_view(
        database,
        store.PARTICIPANTS,
        store.index_participants,
        config.members_address,
        config.service_secret,
        handlers,
    )
    print(f"{store.PARTICIPANTS}: rebuilt from {applied} events")
