"""Every query, index and collection name of the matching service; the only file of it that knows MongoDB."""

from typing import Any

from chassis import app, eventlog, inbox, mongo, outbox, views
from chassis.mongo import to_document
from chassis.paging import Page, page
from chassis.tx import Tx
from services.matching.model import Participant, ParticipantNotFound

PARTICIPANTS = "participants"


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    await mongo.ensure_collections(db, "requests", "outbox", "log", "inbox")
    await app.ensure_indexes(db)
    await outbox.ensure_indexes(db)
    await eventlog.ensure_indexes(db)
    await inbox.ensure_indexes(db)
    await views.ensure(db, PARTICIPANTS)
    await index_participants(await views.live(db, PARTICIPANTS))


async def index_participants(collection: Any) -> None:
    """Of each generation of the view."""
    await collection.create_index([("place_code", 1), ("_id", 1)])
    await collection.create_index([("kind", 1), ("_id", 1)])


def show_participant(tx: Tx, participant: Participant) -> None:
    """Newer wins."""
    document = to_document(participant)
    tx.upsert_newer(PARTICIPANTS, document["_id"], participant.version, document)


async def get_participant(tx: Tx, participant_id: str) -> Participant:
    """Raises ParticipantNotFound."""
    shown = await views.live(tx.db, PARTICIPANTS)
    if found := await tx.get(shown.name, participant_id, Participant):
        return found
    raise ParticipantNotFound


async def list_participants(
    tx: Tx, *, kind: str | None, place_code: str, page_size: int, page_token: str
) -> Page[Participant]:
    """`place_code`: a governorate holds its districts."""
    query: dict[str, Any] = {"kind": kind} if kind else {}
    if place_code:
        query["place_code"] = {"$regex": f"^{place_code}"}
    shown = await views.live(tx.db, PARTICIPANTS)
    return await page(shown, query, Participant, page_size=page_size, page_token=page_token)
