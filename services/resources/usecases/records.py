"""Records, their curation and versions, and how they are found."""

from typing import Any

import msgspec
from msgspec.structs import replace

import vocabularies
from chassis import errors, masks, pb
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import BadPageToken, Page, seal, unseal
from chassis.tx import Tx
from chassis.values import LocalizedText
from participants import usecases as participants
from services.resources import contents, search, store
from services.resources.model import (
    CURATOR,
    UNFINISHED,
    Found,
    NotPublisher,
    Record,
    RecordNotFound,
    RecordState,
    RecordType,
    SearchResult,
    StateNotListed,
    VersionUnfinished,
)
from wasl.resources.v1 import events_pb2

WRITTEN: dict[str, Any] = {  # by whoever publishes it
    "title": LocalizedText,
    "description": LocalizedText,
    "keywords": tuple[LocalizedText, ...],
    "creators": tuple[str, ...],
    "licence": str,
    "type": RecordType,
    "language_codes": tuple[str, ...],
    "subject_codes": tuple[str, ...],
    "level_codes": tuple[str, ...],
    "place_codes": tuple[str, ...],
}
DEFAULT_FOUND, MOST_FOUND = 20, 50  # records on a page of a search
PUBLIC_STATES = (RecordState.PUBLISHED, RecordState.WITHDRAWN, RecordState.SUPERSEDED)


# -- reading -------------------------------------------------------------------------------------------------------
async def get_record(tx: Tx, *, record_id: str, by: Caller) -> Record:
    """Raises RecordNotFound, also for what the caller may not know of."""
    record = await store.get(tx, Record, record_id)
    if record.is_public or _is_curators(record, by) or await _acts_for(tx, record, by):
        return record
    raise RecordNotFound


def _is_curators(record: Record, by: Caller) -> bool:
    """May the caller see it as a curator?"""
    return CURATOR in by.roles and record.state is not RecordState.DRAFT


async def _acts_for(tx: Tx, record: Record, by: Caller) -> bool:
    return await participants.acts_for(tx, by=by, participant_id=record.publisher_id)


async def own_record(tx: Tx, *, record_id: str, by: Caller) -> Record:
    """A record whose publisher the caller acts for. Raises RecordNotFound, NotPublisher."""
    record = await get_record(tx, record_id=record_id, by=by)
    if not await _acts_for(tx, record, by):
        raise NotPublisher
    return record


async def list_records(
    tx: Tx, *, by: Caller, publisher_id: str, concept_id: str, state: str | None = None, **pages: Any
) -> Page[Record]:
    """Newest first. Raises StateNotListed."""
    wanted = [RecordState(state)] if state else [*PUBLIC_STATES] if concept_id else [RecordState.PUBLISHED]
    if wanted[0] in UNFINISHED:
        curated = CURATOR in by.roles and wanted[0] is not RecordState.DRAFT
        own = bool(publisher_id) and await participants.acts_for(tx, by=by, participant_id=publisher_id)
        if not (curated or own):
            raise StateNotListed
    return await store.list_records(tx, states=wanted, publisher_id=publisher_id, concept_id=concept_id, **pages)


async def search_records(tx: Tx, *, q: str, page_size: int, page_token: str, **filters: str) -> Found:
    """Raises paging.BadPageToken."""
    size, behind = min(page_size or DEFAULT_FOUND, MOST_FOUND), _place(page_token)
    stems = search.question(q)
    terms = [search.filter_term(name, value) for name, value in filters.items() if value]
    found = await store.find_entries(tx, stems=search.numbers(stems), terms=search.numbers(terms))
    rows = [row for row in found.rows if (row.tier, row.age) > behind]
    shown = rows[:size]
    return Found(
        results=tuple(
            SearchResult(record=replace(record, description=None), snippets=search.snippets(record, stems))
            for record in await store.get_records(tx, [row.record_id for row in shown])
        ),
        next_page_token=seal(f"{shown[-1].tier}:{-shown[-1].age}") if len(rows) > size else "",
        total_size=len(found.rows),
        facets=search.facets(found.counted),
        is_complete=found.complete,
    )


def _place(token: str) -> tuple[int, int]:
    """Tier and age behind which a page begins; all of an order are above zero. Raises BadPageToken."""
    if not token:
        return 0, -(1 << 62)
    tier, _, order = unseal(token).partition(":")
    if not (tier in ("0", "1", "2") and order.isdecimal() and len(order) <= 18):
        raise BadPageToken
    return int(tier), -int(order)


# -- writing -------------------------------------------------------------------------------------------------------
async def create_record(tx: Tx, *, record: dict[str, Any], by: Caller) -> Record:
    """Begin a concept with its first draft.

    Raises CodeUnknown, and what participants.acting_for raises.
    """
    publisher = await participants.acting_for(tx, by=by, organization_id=record["publisher_id"])
    record_id = new_id()
    return await store.add(
        tx,
        Record(
            record_id=record_id,
            concept_id=record_id,
            version_number=1,
            state=RecordState.DRAFT,
            publisher_id=publisher.participant_id,
            create_time=tx.now,
            **_written(record),
        ),
    )


def _written(given: dict[str, Any]) -> dict[str, Any]:
    """What a publisher writes, as the model's values."""
    values = {
        name: given[name] if given[name] is None else msgspec.convert(given[name], kind)
        for name, kind in WRITTEN.items()
        if name in given
    }
    for name, vocabulary in search.ABOUT.items():
        for number, code in enumerate(values.get(f"{name}s") or ()):
            term = vocabularies.find(vocabulary, code)
            if term is None or (vocabulary == "help" and not vocabularies.within("help", code, search.SUBJECTS)):
                raise errors.CodeUnknown(field=f"record.{name}s[{number}]", code=code, vocabulary=vocabulary)
    return values


async def update_record(tx: Tx, *, record: dict[str, Any], by: Caller, update_mask: tuple[str, ...] = ()) -> Record:
    """Change what the mask names, or else all that is given.

    Raises FieldNotChangeable, RecordInOtherState, NotPublisher, VersionConflict, CodeUnknown.
    """
    before = await own_record(tx, record_id=record["record_id"], by=by)
    errors.check_etag(before.version, record["etag"])
    changes = masks.chosen(record, update_mask, of=WRITTEN, required=("title", "licence", "type"))
    return await store.save_record(tx, before.change(**_written(changes)))


async def remove_file(tx: Tx, *, record_id: str, file_id: str, etag: str, by: Caller) -> Record:
    """Take a file out of a draft; its bytes are forgotten with the last version that has it.

    Raises FileNotFound, RecordInOtherState, NotPublisher.
    """
    before = await own_record(tx, record_id=record_id, by=by)
    errors.check_etag(before.version, etag)
    after = await store.save_record(tx, before.without_file(file_id))
    if not await store.find_records_with(tx, file_id):  # no other version has it
        contents.drop(tx, file_id)
    return after


async def submit_record(tx: Tx, *, record_id: str, etag: str, by: Caller) -> Record:
    """Hand it to the curators, and announce that."""
    before = await own_record(tx, record_id=record_id, by=by)
    errors.check_etag(before.version, etag)
    after = await store.save_record(tx, before.submit(at=tx.now))
    _announce(tx, events_pb2.RecordSubmitted, after)
    return after


async def return_record(tx: Tx, *, record_id: str, return_note: dict[str, str], etag: str, by: Caller) -> Record:
    """Give it back with a note, and announce that (without the note)."""
    before = await get_record(tx, record_id=record_id, by=by)
    errors.check_etag(before.version, etag)
    after = await store.save_record(tx, before.give_back(note=msgspec.convert(return_note, LocalizedText)))
    _announce(tx, events_pb2.RecordReturned, after)
    return after


async def publish_record(tx: Tx, *, record_id: str, etag: str, by: Caller) -> Record:
    """Make it the current version in place of the former one; announces both."""
    before = await get_record(tx, record_id=record_id, by=by)
    errors.check_etag(before.version, etag)
    published = before.publish(at=tx.now)
    if former := await store.find_current(tx, before.concept_id):  # saved first: there is one at most at any moment
        superseded = await store.save_record(tx, former.supersede())
        _announce(tx, events_pb2.RecordSuperseded, superseded)
    after = await store.save_record(tx, published)
    _announce(tx, events_pb2.RecordPublished, after)
    return after


async def withdraw_record(tx: Tx, *, record_id: str, withdraw_reason: dict[str, str], etag: str, by: Caller) -> Record:
    """Take it back with a reason, and announce that (without the reason). Raises NotPublisher."""
    before = await get_record(tx, record_id=record_id, by=by)
    if not _is_curators(before, by) and not await _acts_for(tx, before, by):
        raise NotPublisher
    errors.check_etag(before.version, etag)
    after = await store.save_record(tx, before.withdraw(reason=msgspec.convert(withdraw_reason, LocalizedText)))
    _announce(tx, events_pb2.RecordWithdrawn, after)
    return after


async def create_version(tx: Tx, *, record_id: str, by: Caller) -> Record:
    """Begin the next version as a copy. Raises VersionUnfinished, RecordInOtherState, NotPublisher."""
    before = await own_record(tx, record_id=record_id, by=by)
    if await store.find_unfinished(tx, before.concept_id):
        raise VersionUnfinished
    number = await store.last_number(tx, before.concept_id) + 1
    return await store.add(tx, before.next_version(record_id=new_id(), number=number, at=tx.now))


Announcement = (
    type[events_pb2.RecordSubmitted]
    | type[events_pb2.RecordReturned]
    | type[events_pb2.RecordPublished]
    | type[events_pb2.RecordSuperseded]
    | type[events_pb2.RecordWithdrawn]
)


def _announce(tx: Tx, kind: Announcement, record: Record) -> None:
    summary = pb.to_pb(events_pb2.RecordSummary, record.announced())
    tx.emit(kind(record=summary), subject=record.record_id, sequence=record.version)
