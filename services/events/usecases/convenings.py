"""Convenings: written, published, moved, cancelled, over."""

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
from services.events import store
from services.events.model import (
    Audience,
    Convening,
    ConveningNotFound,
    ConveningState,
    Kind,
    Session,
    check_times,
    check_to_come,
    identified,
)
from services.events.registrations import RegistrationState, Seats
from services.events.usecases import seats
from wasl.events.v1 import events_pb2

REQUIRED = ("kind", "title", "sessions", "time_zone", "capacity", "audience")
WRITTEN = (
    *REQUIRED,
    *("description", "place_code", "address", "online_uri", "approval_required", "accept_seconds"),
)


async def create_convening(tx: Tx, *, convening: dict[str, Any], organization_id: str, by: Caller) -> Convening:
    """Begin a draft. Raises what participants.acting_for raises, SessionUnknown, SessionsOverlap, TimeZoneUnknown."""
    organizer = await participants.acting_for(tx, by=by, organization_id=organization_id)
    convening_id, values = new_id(), _written(convening)
    values["sessions"] = identified(convening_id, values["sessions"])
    made = Convening(
        convening_id=convening_id,
        organizer_id=organizer.participant_id,
        state=ConveningState.DRAFT,
        create_time=tx.now,
        update_time=tx.now,
        **values,
    )
    check_times(made.sessions, made.time_zone)
    made = await store.add(tx, store.searchable(made))
    await store.add(tx, Seats(convening_id=made.convening_id))
    return made


def _written(given: dict[str, Any]) -> dict[str, Any]:
    """What an organizer writes, as the model's values."""
    values = {name: given[name] for name in WRITTEN if name in given}
    for name in ("title", "description", "address"):
        if values.get(name):
            values[name] = msgspec.convert(values[name], LocalizedText)
    for name, kind in (("kind", Kind), ("audience", Audience)):
        if name in values:
            values[name] = kind(values[name])
    if "sessions" in values:
        values["sessions"] = tuple(Session(**one) for one in values["sessions"])
    if (code := values.get("place_code")) and vocabularies.find("places", code) is None:
        raise errors.CodeUnknown(field="convening.place_code", code=code, vocabulary="places")
    return values


async def get_convening(tx: Tx, *, convening_id: str, by: Caller) -> Convening:
    """As the caller may see it: without the online address for who has no seat. Raises ConveningNotFound."""
    found = await store.get(tx, Convening, convening_id)
    if await _is_organizer(tx, found, by):
        return found
    registration = by.subject and await store.find_live_registration(
        tx, convening_id=convening_id, account_id=by.subject
    )
    # Who registered while it was for everybody goes on seeing it.
    for_others = found.audience is Audience.MEMBERS and not registration and not participants.is_member(by)
    if found.state is ConveningState.DRAFT or for_others:
        raise ConveningNotFound
    if COORDINATOR in by.roles or (registration and registration.state is RegistrationState.ADMITTED):
        return found
    return msgspec.structs.replace(found, online_uri="")


async def list_convenings(tx: Tx, *, organizer_id: str, by: Caller, **known: Any) -> Page[Convening]:
    """Newest first or by time, without online addresses; with the drafts of an organizer whom the caller acts for."""
    own = bool(organizer_id) and await participants.acts_for(tx, by=by, participant_id=organizer_id)
    members = own or participants.is_member(by)
    unsaid = {"state": None, "kind": None, "from_time": None, "until_time": None}
    found = await store.list_convenings(
        tx, organizer_id=organizer_id, drafts=own, members=members, **{**unsaid, **known}
    )
    hidden = [msgspec.structs.replace(one, online_uri="") for one in found.items]
    return msgspec.structs.replace(found, items=hidden)


async def update_convening(
    tx: Tx, *, convening: dict[str, Any], by: Caller, update_mask: tuple[str, ...] = ()
) -> Convening:
    """Change what the mask names, or else what is given; announced when it is published.

    Raises NotActingFor, ConveningNotFound, FieldNotChangeable, ConveningInOtherState, TimePassed, BelowSeatsTaken,
    and what create_convening raises.
    """
    before = await _own(tx, convening["convening_id"], by)
    errors.check_etag(before.version, convening["etag"])
    changes = _written(masks.chosen(convening, update_mask, of=WRITTEN, required=REQUIRED))
    if "sessions" in changes:
        changes["sessions"] = identified(before.convening_id, changes["sessions"], before=before)
    after = before.change(at=tx.now, **changes)
    check_times(after.sessions, after.time_zone)
    if after.state is ConveningState.PUBLISHED:
        check_to_come(before.sessions, after.sessions, at=tx.now)
    (await store.get(tx, Seats, after.convening_id)).check_fits(after.capacity)
    after = await store.save(tx, store.searchable(after))
    if after.state is ConveningState.PUBLISHED:
        tx.set_timer(store.CONVENING_ENDS, subject=after.convening_id, at=after.end_time)
        moved = after.sessions != before.sessions
        _announce(tx, events_pb2.ConveningMoved if moved else events_pb2.ConveningUpdated, after)
        if moved or after.capacity != before.capacity:
            await seats.settle(tx, after)
    return after


async def publish_convening(tx: Tx, *, convening_id: str, etag: str, by: Caller) -> Convening:
    """Open it for registration, and announce it. Raises ConveningInOtherState, TimePassed."""
    before = await _own(tx, convening_id, by)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.publish(at=tx.now))
    tx.set_timer(store.CONVENING_ENDS, subject=convening_id, at=after.end_time)
    _announce(tx, events_pb2.ConveningPublished, after)
    return after


async def cancel_convening(
    tx: Tx, *, convening_id: str, cancel_reason: dict[str, str], etag: str, by: Caller
) -> Convening:
    """It will not take place; registrations stay as they are. Raises ConveningInOtherState."""
    before = await _own(tx, convening_id, by, coordinators=True)
    errors.check_etag(before.version, etag)
    reason = msgspec.convert(cancel_reason, LocalizedText)
    after = await store.save(tx, before.cancel(reason=reason, at=tx.now))
    tx.cancel_timer(store.CONVENING_ENDS, subject=convening_id)
    _announce(tx, events_pb2.ConveningCancelled, after)
    await seats.settle(tx, after)
    return after


async def end_convening(tx: Tx, *, convening_id: str) -> None:
    """Its last session is over."""
    after = await store.save(tx, (await store.get(tx, Convening, convening_id)).hold(at=tx.now))
    _announce(tx, events_pb2.ConveningHeld, after)
    await seats.settle(tx, after)


async def _is_organizer(tx: Tx, convening: Convening, by: Caller) -> bool:
    return bool(by.subject) and await participants.acts_for(tx, by=by, participant_id=convening.organizer_id)


async def _own(tx: Tx, convening_id: str, by: Caller, *, coordinators: bool = False) -> Convening:
    """Raises NotActingFor, and ConveningNotFound for somebody else's draft."""
    found = await store.get(tx, Convening, convening_id)
    if await _is_organizer(tx, found, by):
        return found
    if found.state is ConveningState.DRAFT:
        raise ConveningNotFound
    if coordinators and COORDINATOR in by.roles:
        return found
    raise NotActingFor


def _announce(tx: Tx, kind: Any, convening: Convening) -> None:
    summary = pb.to_pb(events_pb2.ConveningSummary, convening)
    tx.emit(kind(convening=summary), subject=convening.convening_id, sequence=convening.version)
