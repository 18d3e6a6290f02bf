"""Handlers that keep the participants; a service's worker inherits them."""

from chassis.events import Event, Invalid
from chassis.tx import Tx
from chassis.worker import Worker, on
from participants import usecases
from wasl.members.v1 import events_pb2


class ParticipantsWorker(Worker):
    """Hears what members announces of members and of affiliations."""

    @on(events_pb2.MemberJoined)
    async def on_member_joined(self, tx: Tx, event: Event) -> None:
        await self._show(tx, event)

    @on(events_pb2.MemberUpdated)
    async def on_member_updated(self, tx: Tx, event: Event) -> None:
        await self._show(tx, event)

    @on(events_pb2.AffiliationConfirmed)
    async def on_affiliation_confirmed(self, tx: Tx, event: Event) -> None:
        await usecases.show_affiliation(tx, affiliation=event.data.affiliation, version=event.sequence)

    @on(events_pb2.AffiliationEnded)
    async def on_affiliation_ended(self, tx: Tx, event: Event) -> None:
        await usecases.show_affiliation(tx, affiliation=event.data.affiliation, version=event.sequence)

    async def _show(self, tx: Tx, event: Event) -> None:
        """Raises events.Invalid when the event is of another than its subject."""
        if event.data.member.member_id != event.subject:
            raise Invalid(f"{event.subject} is not the member")
        await usecases.show_participant(tx, member=event.data.member, version=event.sequence)
