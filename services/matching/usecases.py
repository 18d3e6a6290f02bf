"""What the matching service does, one verb each. A body may run twice (see chassis/tx.py)."""

from chassis import pb
from chassis.paging import Page
from chassis.tx import Tx
from chassis.values import LocalizedText
from services.matching import store
from services.matching.model import Participant, ParticipantKind
from wasl.members.v1 import events_pb2


async def show_participant(tx: Tx, *, member: events_pb2.Member, version: int) -> None:
    """Keep the newest public state of a member."""
    store.show_participant(
        tx,
        Participant(
            participant_id=member.member_id,
            kind=ParticipantKind(events_pb2.MemberKind.Name(member.kind)),
            display_name=LocalizedText(ar=member.display_name.ar, en=member.display_name.en),
            place_code=member.place_code,
            organization_type_code=member.organization_type_code,
            join_time=pb.moment(member.join_time),
            version=version,
        ),
    )


async def get_participant(tx: Tx, *, participant_id: str) -> Participant:
    """Raises ParticipantNotFound."""
    return await store.get_participant(tx, participant_id)


async def list_participants(
    tx: Tx, *, page_size: int, page_token: str, place_code: str, kind: str | None = None
) -> Page[Participant]:
    """In the order in which they joined the network."""
    return await store.list_participants(
        tx, kind=kind, place_code=place_code, page_size=page_size, page_token=page_token
    )
