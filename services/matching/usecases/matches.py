"""Matches: proposed by one side, answered by the other, delivered and confirmed."""

import contextlib
from typing import Any

import msgspec

from chassis import errors, pb
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from chassis.values import LocalizedText
from participants import usecases as participants
from participants.model import COORDINATOR, NotActingFor
from services.matching import store
from services.matching.matches import (
    COMMITTED,
    PROPOSAL_LIFE,
    LinesChanged,
    LinesDoNotFit,
    Match,
    MatchExists,
    MatchNotFound,
    MatchState,
    OtherSideDecides,
)
from services.matching.model import Line, LineNotFound, NothingOpen, Posting, Side
from services.matching.usecases.postings import UPDATED, announce, get_posting
from wasl.matching.v1 import events_pb2, matches_pb2


async def create_match(tx: Tx, *, match: dict[str, Any], by: Caller) -> Match:
    """Propose a match for the side that the caller acts for, and announce it.

    Raises NeedNotFound, OfferNotFound, LineNotFound, PostingInOtherState, LinesDoNotFit, NothingOpen, MatchExists,
    NotActingFor.
    """
    need = await get_posting(tx, side=Side.NEED, posting_id=match["need_id"], by=by)
    offer = await get_posting(tx, side=Side.OFFER, posting_id=match["offer_id"], by=by)
    acting = [one.side for one in (need, offer) if await _acts_for(tx, one.participant_id, by)]
    if not acting:
        raise NotActingFor
    for posting in (need, offer):
        posting.check_published()
    if need.participant_id == offer.participant_id:
        raise LinesDoNotFit(why_en="both are of the same participant", why_ar="كلاهما للمشارك نفسه")
    need_line, offer_line = need.line(match["need_line_id"]), offer.line(match["offer_line_id"])
    _check_fit(need_line, offer_line)
    if not (need_line.open_quantity and offer_line.open_quantity):
        raise NothingOpen
    if await store.find_proposal(tx, need_line.line_id, offer_line.line_id):
        raise MatchExists
    note = msgspec.convert(match["note"], LocalizedText) if "note" in match else None
    made = await store.add(
        tx,
        Match(
            match_id=new_id(),
            need_id=need.posting_id,
            need_line_id=need_line.line_id,
            offer_id=offer.posting_id,
            offer_line_id=offer_line.line_id,
            need_participant_id=need.participant_id,
            offer_participant_id=offer.participant_id,
            proposed_by=acting[0],
            proposed_quantity=match["proposed_quantity"],
            help_code=need_line.help_code,
            unit_code=need_line.unit_code,
            place_code=need_line.place_code or offer_line.place_code,
            state=MatchState.PROPOSED,
            create_time=tx.now,
            update_time=tx.now,
            expire_time=tx.now + PROPOSAL_LIFE,
            note=note,
        ),
    )
    tx.set_timer(store.MATCH_EXPIRES, subject=made.match_id, at=made.expire_time)
    _announce(tx, events_pb2.MatchProposed, made)
    return made


async def get_match(tx: Tx, *, match_id: str, by: Caller) -> Match:
    """Raises MatchNotFound, also for who has no part in it."""
    found = await store.get(tx, Match, match_id)
    if COORDINATOR in by.roles or await _sides(tx, found, by):
        return found
    raise MatchNotFound


async def list_matches(
    tx: Tx, *, page_size: int, page_token: str, participant_id: str, by: Caller, state: str | None = None, **of: str
) -> Page[Match]:
    """Newest first: a participant's whom the caller acts for, or all, for coordinators.

    By default that of the named need or offer, if the caller acts for it, else himself or herself. Raises NotActingFor,
    NoParticipant.
    """
    if COORDINATOR not in by.roles:
        if not participant_id:
            own = await _owner(tx, by, **of)
            participant_id = own or (await participants.acting_for(tx, by=by)).participant_id
        elif not await _acts_for(tx, participant_id, by):
            raise NotActingFor
    return await store.list_matches(
        tx, participant_id=participant_id, state=state, page_size=page_size, page_token=page_token, **of
    )


async def _owner(tx: Tx, by: Caller, *, need_id: str, offer_id: str) -> str:
    """The participant of the need or the offer, if there is one that the caller acts for; else empty."""
    for side, posting_id in ((Side.NEED, need_id), (Side.OFFER, offer_id)):
        with contextlib.suppress(errors.NotFound):  # a filter does not tell what is there
            posting = await store.get_posting(tx, side, posting_id)
            if await _acts_for(tx, posting.participant_id, by):
                return posting.participant_id
    return ""


async def accept_match(tx: Tx, *, match_id: str, etag: str, by: Caller) -> Match:
    """Commit what is open on both lines, at most what was proposed; announces the match and both sides.

    Raises OtherSideDecides, MatchInOtherState, PostingInOtherState, LinesChanged, LinesDoNotFit, NothingOpen.
    """
    before = await _of_side(tx, match_id, etag, by, answers=True)
    need, offer = await _both(tx, before)
    for posting in (need, offer):
        posting.check_published()
    try:
        need_line, offer_line = need.line(before.need_line_id), offer.line(before.offer_line_id)
    except LineNotFound as error:  # nobody asked for it by its id here
        raise LinesChanged from error
    _check_fit(need_line, offer_line)
    if need_line.unit_code != before.unit_code:
        raise LinesChanged
    quantity = min(before.proposed_quantity, need_line.open_quantity, offer_line.open_quantity)
    after = before.accept(quantity=quantity, at=tx.now)
    await _save_sides(
        tx,
        need.with_line(need_line.commit(quantity), at=tx.now),
        offer.with_line(offer_line.commit(quantity), at=tx.now),
    )
    tx.cancel_timer(store.MATCH_EXPIRES, subject=match_id)
    return await _save(tx, events_pb2.MatchAccepted, after)


async def decline_match(tx: Tx, *, match_id: str, reason: dict[str, str], etag: str, by: Caller) -> Match:
    """Refuse what the other side has proposed. Raises OtherSideDecides, MatchInOtherState."""
    before = await _of_side(tx, match_id, etag, by, answers=True)
    tx.cancel_timer(store.MATCH_EXPIRES, subject=match_id)
    return await _save(
        tx, events_pb2.MatchDeclined, before.decline(reason=msgspec.convert(reason, LocalizedText), at=tx.now)
    )


async def withdraw_match(tx: Tx, *, match_id: str, reason: dict[str, str], etag: str, by: Caller) -> Match:
    """Take it back; what was committed is open again. Raises MatchInOtherState."""
    before = await _of_side(tx, match_id, etag, by)
    after = before.withdraw(reason=msgspec.convert(reason, LocalizedText), at=tx.now)
    if before.state in COMMITTED:
        need, offer = await _both(tx, before)
        await _save_sides(
            tx,
            need.with_line(need.line(before.need_line_id).release(before.quantity), at=tx.now),
            offer.with_line(offer.line(before.offer_line_id).release(before.quantity), at=tx.now),
        )
    tx.cancel_timer(store.MATCH_EXPIRES, subject=match_id)
    return await _save(tx, events_pb2.MatchWithdrawn, after)


async def expire_match(tx: Tx, *, match_id: str) -> None:
    """The other side did not answer in time."""
    before = await store.get(tx, Match, match_id)
    await _save(tx, events_pb2.MatchExpired, before.expire(at=tx.now))


async def dispatch_match(tx: Tx, *, match_id: str, etag: str, by: Caller) -> Match:
    """It is on its way. Raises OtherSideDecides, MatchInOtherState."""
    before = await _of_side(tx, match_id, etag, by, side=Side.OFFER)
    return await _save(tx, events_pb2.MatchDispatched, before.dispatch(at=tx.now))


async def deliver_match(tx: Tx, *, match_id: str, delivered_quantity: int, etag: str, by: Caller) -> Match:
    """So much was given, says who offers. Raises OtherSideDecides, MatchInOtherState, MoreThanCommitted."""
    before = await _of_side(tx, match_id, etag, by, side=Side.OFFER)
    return await _save(tx, events_pb2.MatchDelivered, before.deliver(quantity=delivered_quantity, at=tx.now))


async def confirm_match(tx: Tx, *, match_id: str, etag: str, by: Caller) -> Match:
    """It has arrived, says who needs; what is missing is open again. Raises OtherSideDecides, MatchInOtherState."""
    before = await _of_side(tx, match_id, etag, by, side=Side.NEED)
    after = before.confirm(at=tx.now)
    need, offer = await _both(tx, before)
    missing = before.quantity - before.delivered_quantity
    need_line, offer_line = need.line(before.need_line_id), offer.line(before.offer_line_id)
    await _save_sides(
        tx,
        need.with_line(need_line.release(missing).deliver(before.delivered_quantity), at=tx.now),
        offer.with_line(offer_line.release(missing).deliver(before.delivered_quantity), at=tx.now),
    )
    return await _save(tx, events_pb2.MatchConfirmed, after)


def _check_fit(need_line: Line, offer_line: Line) -> None:
    """Raises LinesDoNotFit: a line may have changed since it was suggested or proposed."""
    if need_line.unit_code != offer_line.unit_code:
        raise LinesDoNotFit(why_en="their units differ", why_ar="وحدتاهما مختلفتان")
    if not store.related("help", need_line.help_code, offer_line.help_code):
        raise LinesDoNotFit(why_en="they are different kinds of help", why_ar="هما نوعان مختلفان من المساعدة")


# -- shared --------------------------------------------------------------------------------------------------------
async def _acts_for(tx: Tx, participant_id: str, by: Caller) -> bool:
    return await participants.acts_for(tx, by=by, participant_id=participant_id)


async def _sides(tx: Tx, match: Match, by: Caller) -> list[Side]:
    """The sides of a match that the caller acts for."""
    members = {Side.NEED: match.need_participant_id, Side.OFFER: match.offer_participant_id}
    return [side for side, participant_id in members.items() if await _acts_for(tx, participant_id, by)]


async def _of_side(
    tx: Tx, match_id: str, etag: str, by: Caller, *, side: Side | None = None, answers: bool = False
) -> Match:
    """The match, for `side` of it, or for the side that `answers`, or for any of the two.

    Raises MatchNotFound, OtherSideDecides, VersionConflict.
    """
    found = await store.get(tx, Match, match_id)
    sides = await _sides(tx, found, by)
    if not sides:
        raise MatchNotFound
    wanted = found.proposed_by.other if answers else side
    if wanted is not None and wanted not in sides:
        raise OtherSideDecides
    errors.check_etag(found.version, etag)
    return found


async def _both(tx: Tx, match: Match) -> tuple[Posting, Posting]:
    return (
        await store.get_posting(tx, Side.NEED, match.need_id),
        await store.get_posting(tx, Side.OFFER, match.offer_id),
    )


async def _save_sides(tx: Tx, *postings: Posting) -> None:
    for posting in postings:
        announce(tx, UPDATED, await store.save_posting(tx, posting))


async def _save(tx: Tx, kind: Any, match: Match) -> Match:
    saved = await store.save(tx, match)
    _announce(tx, kind, saved)
    return saved


def _announce(tx: Tx, kind: Any, match: Match) -> None:
    """Without what one side wrote to the other."""
    public = pb.to_pb(matches_pb2.Match, msgspec.structs.replace(match, note=None, reason=None))
    tx.emit(kind(match=public), subject=match.match_id, sequence=match.version)
