"""Needs and offers: the same verbs for both sides."""

import heapq
from typing import Any

import msgspec

import vocabularies
from chassis import errors, masks, pb
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from chassis.values import LocalizedText
from participants import usecases as participants
from participants.model import COORDINATOR, NotActingFor
from services.matching import store
from services.matching.model import (
    NOT_FOUND,
    Audience,
    Line,
    Posting,
    PostingState,
    Side,
    merged,
)
from services.matching.ranking import Suggestion, rank
from wasl.matching.v1 import events_pb2, postings_pb2

WRITTEN = ("title", "description", "lines", "expire_time", "audience")
MESSAGES: dict[Side, Any] = {Side.NEED: postings_pb2.Need, Side.OFFER: postings_pb2.Offer}
UPDATED = {Side.NEED: events_pb2.NeedUpdated, Side.OFFER: events_pb2.OfferUpdated}
PUBLISHED = {Side.NEED: events_pb2.NeedPublished, Side.OFFER: events_pb2.OfferPublished}
CLOSED = {Side.NEED: events_pb2.NeedClosed, Side.OFFER: events_pb2.OfferClosed}


async def create_posting(tx: Tx, *, side: Side, given: dict[str, Any], organization_id: str, by: Caller) -> Posting:
    """Begin a draft. Raises what participants.acting_for raises, CodeUnknown, EndsBeforeItStarts."""
    participant = await participants.acting_for(tx, by=by, organization_id=organization_id)
    values = _written(side, given)
    values["lines"] = merged((), values["lines"], new_id=new_id, field=f"{side.noun}.lines")
    return await store.add_posting(
        tx,
        Posting(
            posting_id=new_id(),
            side=side,
            participant_id=participant.participant_id,
            state=PostingState.DRAFT,
            create_time=tx.now,
            update_time=tx.now,
            **values,
        ),
    )


def _written(side: Side, given: dict[str, Any]) -> dict[str, Any]:
    """What an author writes, as the model's values."""
    noun = side.noun
    values: dict[str, Any] = {}
    for name in ("title", "description"):
        if name in given:
            values[name] = given[name] and msgspec.convert(given[name], LocalizedText)
    if "lines" in given:
        values["lines"] = tuple(_line(f"{noun}.lines[{n}]", line) for n, line in enumerate(given["lines"]))
    if "expire_time" in given:
        values["expire_time"] = given["expire_time"]
    if "audience" in given:
        values["audience"] = Audience(given["audience"] or Audience.MEMBERS)
    return values


def _line(path: str, given: dict[str, Any]) -> Line:
    line = msgspec.convert(given, Line)
    for vocabulary, field in (("help", "help_code"), ("units", "unit_code"), ("places", "place_code")):
        if given[field] and vocabularies.find(vocabulary, given[field]) is None:
            raise errors.CodeUnknown(field=f"{path}.{field}", code=given[field], vocabulary=vocabulary)
    if line.start_time and line.end_time and line.end_time <= line.start_time:
        raise errors.EndsBeforeItStarts(field=f"{path}.end_time")
    return msgspec.structs.replace(line, committed_quantity=0, delivered_quantity=0)


async def get_posting(tx: Tx, *, side: Side, posting_id: str, by: Caller) -> Posting:
    """What is no draft for members, what is published for everybody for all, whatever it is for who acts for its
    participant. Raises NeedNotFound or OfferNotFound."""
    found = await store.get_posting(tx, side, posting_id)
    if participants.is_member(by):
        seen = found.state is not PostingState.DRAFT
    else:
        seen = found.state is PostingState.PUBLISHED and found.audience is Audience.EVERYBODY
    if not seen and not await participants.acts_for(tx, by=by, participant_id=found.participant_id):
        raise NOT_FOUND[side]
    return found


async def list_postings(
    tx: Tx, *, side: Side, by: Caller, participant_id: str, state: str | None = None, **known: Any
) -> Page[Posting]:
    """Newest first; with the drafts of a participant whom the caller acts for. Who is no member sees what is published
    for everybody."""
    own = bool(participant_id) and await participants.acts_for(tx, by=by, participant_id=participant_id)
    members = own or participants.is_member(by)
    return await store.list_postings(
        tx, side=side, participant_id=participant_id, state=state, drafts=own, members=members, **known
    )


async def update_posting(
    tx: Tx, *, side: Side, given: dict[str, Any], by: Caller, update_mask: tuple[str, ...] = ()
) -> Posting:
    """Change what the mask names, or else what is given. Announced when it is published.

    Raises FieldNotChangeable, PostingInOtherState, BelowCommitted, and what create_posting raises.
    """
    before = await _own(tx, side, given[f"{side.noun}_id"], by)
    errors.check_etag(before.version, given["etag"])
    changes = _written(side, masks.chosen(given, update_mask, of=WRITTEN, required=("title", "lines")))
    if "lines" in changes:
        changes["lines"] = merged(before.lines, changes["lines"], new_id=new_id, field=f"{side.noun}.lines")
    after = await store.save_posting(tx, store.searchable(before.change(at=tx.now, **changes)))
    if after.state is PostingState.PUBLISHED:
        _expires(tx, after)
        announce(tx, UPDATED, after)
    return after


async def publish_posting(tx: Tx, *, side: Side, posting_id: str, etag: str, by: Caller) -> Posting:
    """Show it to its audience, and announce it."""
    before = await _own(tx, side, posting_id, by)
    errors.check_etag(before.version, etag)
    after = await store.save_posting(tx, before.publish(at=tx.now))
    _expires(tx, after)
    announce(tx, PUBLISHED, after)
    return after


async def close_posting(
    tx: Tx, *, side: Side, posting_id: str, etag: str, by: Caller, close_reason: dict[str, str] | None = None
) -> Posting:
    """Close it; matches that were accepted go on. Announced when it was published."""
    before = await _own(tx, side, posting_id, by, coordinators=True)
    errors.check_etag(before.version, etag)
    reason = msgspec.convert(close_reason, LocalizedText) if close_reason else None
    after = await store.save_posting(tx, before.close(reason=reason, at=tx.now))
    tx.cancel_timer(store.POSTING_EXPIRES, subject=posting_id)
    if before.state is PostingState.PUBLISHED:
        announce(tx, CLOSED, after)
    return after


async def expire_posting(tx: Tx, *, posting_id: str) -> None:
    """Its time has passed."""
    before = await store.get_posting(tx, None, posting_id)
    after = await store.save_posting(tx, before.expire(at=tx.now))
    announce(tx, CLOSED, after)


def _expires(tx: Tx, posting: Posting) -> None:
    if posting.expire_time is not None:
        tx.set_timer(store.POSTING_EXPIRES, subject=posting.posting_id, at=posting.expire_time)


async def _own(tx: Tx, side: Side, posting_id: str, by: Caller, *, coordinators: bool = False) -> Posting:
    """Raises NotActingFor unless the caller acts for its participant; NeedNotFound or OfferNotFound for drafts."""
    found = await store.get_posting(tx, side, posting_id)
    if await participants.acts_for(tx, by=by, participant_id=found.participant_id):
        return found
    if found.state is PostingState.DRAFT:
        raise NOT_FOUND[side]
    if coordinators and COORDINATOR in by.roles:
        return found
    raise NotActingFor


def announce(tx: Tx, kinds: dict[Side, Any], posting: Posting) -> None:
    """`kinds`: the event's message for either side."""
    message = pb.to_pb(MESSAGES[posting.side], posting)
    event = kinds[posting.side](**{posting.side.noun: message})
    tx.emit(event, subject=posting.posting_id, sequence=posting.version)


# -- suggestions ---------------------------------------------------------------------------------------------------
SUGGESTED, MOST_SUGGESTED = 20, 100


async def suggest(tx: Tx, *, side: Side, posting_id: str, page_size: int, by: Caller) -> tuple[list[Suggestion], bool]:
    """The lines of the other side that fit the open lines of a posting, best first. Was all that fits ranked?"""
    posting = await get_posting(tx, side=side, posting_id=posting_id, by=by)
    size = min(page_size or SUGGESTED, MOST_SUGGESTED)
    alike: dict[Any, list[Line]] = {}  # lines that ask the same: they share candidates and scores
    for line in posting.lines if posting.state is PostingState.PUBLISHED else ():
        if line.open_quantity and not line.is_over(tx.now):
            asked = (line.help_code, line.unit_code, line.place_code, line.start_time, line.end_time)
            alike.setdefault(asked, []).append(line)
    found: list[Suggestion] = []
    is_complete = True
    for first, *others in alike.values():
        most = max(store.CANDIDATES // len(alike), store.LEAST_CANDIDATES)
        rows, are_all = await store.find_open_lines(tx, posting, first, most=most)
        is_complete = is_complete and are_all
        ranked = [(rank(posting, first, row, at=tx.now), row) for row in rows]
        best = heapq.nsmallest(size, ranked, key=lambda one: _best_first(one[0]))
        found += [one for one, _ in best]
        found += [rank(posting, line, row, at=tx.now) for line in others for _, row in best]
    return heapq.nsmallest(size, found, key=_best_first), is_complete


def _best_first(one: Suggestion) -> tuple[int, str, str]:
    return -one.score, one.need_line_id, one.offer_line_id
