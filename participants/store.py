"""Queries and indexes of the views `participants` and `affiliations`."""

from typing import Any

from msgspec.structs import replace

import vocabularies
from chassis import views
from chassis.mongo import to_document
from chassis.paging import Page, page
from chassis.tx import Tx
from participants.model import Affiliation, Participant, ParticipantNotFound

PARTICIPANTS, AFFILIATIONS = "participants", "affiliations"


async def migrate(db: Any) -> None:
    """The first generation of both views."""
    for view, index in ((PARTICIPANTS, index_participants), (AFFILIATIONS, index_affiliations)):
        await views.ensure(db, view)
        await index(await views.live(db, view))


async def index_participants(collection: Any) -> None:
    """Of each generation of the view."""
    await collection.create_index([("place_code", 1), ("_id", 1)])
    await collection.create_index([("kind", 1), ("_id", 1)])
    await collection.create_index([("account_id", 1), ("kind", 1)])
    await collection.create_index([("tokens", 1), ("_id", 1)])


async def index_affiliations(collection: Any) -> None:
    """Of each generation of the view."""
    await collection.create_index([("account_id", 1), ("organization_id", 1)])


def show_participant(tx: Tx, participant: Participant) -> None:
    """Newer wins. It is found by the words of its name."""
    found_by = vocabularies.analyser().tokens_of(participant.display_name)
    row = to_document(replace(participant, tokens=tuple(sorted(set(found_by)))))
    tx.upsert_newer(PARTICIPANTS, participant.participant_id, participant.version, row)


def show_affiliation(tx: Tx, affiliation: Affiliation) -> None:
    """Newer wins."""
    tx.upsert_newer(AFFILIATIONS, affiliation.affiliation_id, affiliation.version, to_document(affiliation))


async def get_participant(tx: Tx, participant_id: str) -> Participant:
    """Raises ParticipantNotFound."""
    if found := await find_participant(tx, participant_id):
        return found
    raise ParticipantNotFound


async def find_participant(tx: Tx, participant_id: str) -> Participant | None:
    shown = await views.live(tx.db, PARTICIPANTS)
    return await tx.get(shown.name, participant_id, Participant)


async def find_person(tx: Tx, account_id: str) -> Participant | None:
    """The person who signs in with this account."""
    shown = await views.live(tx.db, PARTICIPANTS)
    return await tx.find(shown.name, {"account_id": account_id, "kind": "PERSON"}, Participant)


async def list_participants(
    tx: Tx, *, kind: str | None, place_code: str, query: str, page_size: int, page_token: str
) -> Page[Participant]:
    """`place_code`: a governorate holds its districts; `query`: all of its words."""
    wanted: dict[str, Any] = {"kind": kind} if kind else {}
    if place_code:
        wanted["place_code"] = {"$regex": f"^{place_code}"}
    if words := sorted(set(vocabularies.analyser().tokens(query))):
        wanted["tokens"] = {"$all": words}
    shown = await views.live(tx.db, PARTICIPANTS)
    return await page(shown, wanted, Participant, page_size=page_size, page_token=page_token)


async def list_affiliations(tx: Tx, *, account_id: str, organization_id: str) -> list[Affiliation]:
    """Of a person with an organization; few."""
    shown = await views.live(tx.db, AFFILIATIONS)
    query = {"account_id": account_id, "organization_id": organization_id}
    return await tx.find_all(shown.name, query, Affiliation)
