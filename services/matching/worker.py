"""The matching worker: keeps the participants view up to date with what members announce."""

from chassis.events import Event
from chassis.tx import Tx
from chassis.worker import Worker, on
from services.matching import usecases
from wasl.members.v1.events_pb2 import MemberJoined, MemberUpdated


class MatchingWorker(Worker):
    name = "matching"

    @on(MemberJoined)
    async def on_member_joined(self, tx: Tx, event: Event) -> None:
        await usecases.show_participant(tx, member=event.data.member, version=event.sequence)

    @on(MemberUpdated)
    async def on_member_updated(self, tx: Tx, event: Event) -> None:
        await usecases.show_participant(tx, member=event.data.member, version=event.sequence)
