"""Seats: given, kept for who waited, accepted, lapsed and given back. Whatever changes them saves `Seats`."""

from typing import Any

from chassis import errors, pb
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from participants import usecases as participants
from participants.model import COORDINATOR, NotActingFor
from services.events import store
from services.events.model import Audience, Convening, ConveningNotFound, ConveningState, MembersOnly
from services.events.registrations import (
    HAS_SEAT,
    Registration,
    RegistrationExists,
    RegistrationNotFound,
    RegistrationState,
    Seats,
)
from wasl.events.v1 import events_pb2

_ANNOUNCED: dict[RegistrationState, Any] = {
    RegistrationState.REQUESTED: events_pb2.RegistrationRequested,
    RegistrationState.WAITING: events_pb2.RegistrationQueued,
    RegistrationState.OFFERED: events_pb2.RegistrationOffered,
    RegistrationState.ADMITTED: events_pb2.RegistrationAdmitted,
    RegistrationState.DECLINED: events_pb2.RegistrationDeclined,
    RegistrationState.WITHDRAWN: events_pb2.RegistrationWithdrawn,
    RegistrationState.LAPSED: events_pb2.RegistrationLapsed,
}


async def create_registration(tx: Tx, *, registration: dict[str, Any], by: Caller) -> Registration:
    """A seat while there are some, else the waiting list; the organizer's decision where it is asked for.

    Raises ConveningNotFound, ConveningInOtherState, ConveningBegun, MembersOnly, RegistrationExists.
    """
    convening = await store.get(tx, Convening, registration["convening_id"])
    if convening.state is ConveningState.DRAFT:
        raise ConveningNotFound
    if convening.audience is Audience.MEMBERS and not participants.is_member(by):
        raise MembersOnly
    convening.check_open(tx.now)
    seats = (await store.get(tx, Seats, convening.convening_id)).enter()
    if await store.find_live_registration(tx, convening_id=convening.convening_id, account_id=by.subject):
        raise RegistrationExists
    if convening.approval_required:
        state = RegistrationState.REQUESTED
    elif seats.has_room(convening.capacity):
        state, seats = RegistrationState.ADMITTED, seats.take()
    else:
        state = RegistrationState.WAITING
    await store.save(tx, seats)
    person = await participants.find_person(tx, by=by)
    made = await store.add(
        tx,
        Registration(
            registration_id=new_id(),
            convening_id=convening.convening_id,
            account_id=by.subject,
            participant_id=person.participant_id if person else "",
            entry=seats.entries,
            state=state,
            create_time=tx.now,
            update_time=tx.now,
        ),
    )
    _announce(tx, made)
    return made


async def get_registration(tx: Tx, *, registration_id: str, by: Caller) -> Registration:
    """Raises RegistrationNotFound, also for what is neither the caller's nor of a convening of his."""
    found = await store.get(tx, Registration, registration_id)
    if found.account_id == by.subject or COORDINATOR in by.roles or await _organizes(tx, found.convening_id, by):
        return found
    raise RegistrationNotFound


async def list_registrations(
    tx: Tx, *, convening_id: str, own: bool, by: Caller, state: str | None = None, **paging: Any
) -> Page[Registration]:
    """All of a convening, for its organizer and for coordinators; else one's own. `own`: these only, newest first."""
    organizes = bool(convening_id) and not own and (COORDINATOR in by.roles or await _organizes(tx, convening_id, by))
    return await store.list_registrations(
        tx,
        convening_id=convening_id,
        account_id="" if organizes else by.subject,
        state=state,
        newest_first=own,
        **paging,
    )


async def approve_registration(tx: Tx, *, registration_id: str, etag: str, by: Caller) -> Registration:
    """A seat, or the waiting list when all are taken.

    Raises RegistrationInOtherState, ConveningInOtherState, ConveningBegun, NotActingFor.
    """
    before, convening = await _decided(tx, registration_id, etag, by)
    convening.check_open(tx.now)
    seats = await store.get(tx, Seats, convening.convening_id)
    if seats.has_room(convening.capacity):
        after, seats = before.admit(at=tx.now), seats.take()
    else:
        after = before.queue(at=tx.now)
    await store.save(tx, seats)
    return await _save(tx, after)


async def decline_registration(tx: Tx, *, registration_id: str, etag: str, by: Caller) -> Registration:
    """Raises RegistrationInOtherState, ConveningInOtherState, NotActingFor."""
    before, convening = await _decided(tx, registration_id, etag, by)
    convening.check_published()
    return await _save(tx, before.decline(at=tx.now))


async def accept_registration(tx: Tx, *, registration_id: str, etag: str, by: Caller) -> Registration:
    """Take the seat that was kept. Raises RegistrationInOtherState, ConveningInOtherState, ConveningBegun."""
    before = await _own(tx, registration_id, etag, by)
    (await store.get(tx, Convening, before.convening_id)).check_open(tx.now)
    tx.cancel_timer(store.SEAT_LAPSES, subject=registration_id)
    return await _save(tx, before.accept(at=tx.now))


async def withdraw_registration(tx: Tx, *, registration_id: str, etag: str, by: Caller) -> Registration:
    """Give the seat back, or leave the list; who has waited longest is offered the seat.

    Raises RegistrationInOtherState, ConveningInOtherState.
    """
    before = await _own(tx, registration_id, etag, by)
    (await store.get(tx, Convening, before.convening_id)).check_published()
    after = await _save(tx, before.withdraw(at=tx.now))
    tx.cancel_timer(store.SEAT_LAPSES, subject=registration_id)
    await _freed(tx, before)
    return after


async def lapse_seat(tx: Tx, *, registration_id: str) -> None:
    """The seat was not accepted in time: it goes to the next one. Nothing once the convening is closed."""
    before = await store.get(tx, Registration, registration_id)
    if (await store.get(tx, Convening, before.convening_id)).state is not ConveningState.PUBLISHED:
        return
    await _save(tx, before.lapse(at=tx.now))
    await _freed(tx, before)


async def _freed(tx: Tx, before: Registration) -> None:
    seats = await store.get(tx, Seats, before.convening_id)
    if before.state in HAS_SEAT:
        seats = seats.free()
    await _give(tx, await store.get(tx, Convening, before.convening_id), seats)


async def settle(tx: Tx, convening: Convening) -> None:
    """For whatever changes the capacity or the times, or closes it: what is free is offered, and the seats are saved.

    Whoever registers at the same moment has seen the convening as it was, conflicts with that, and is tried again.
    """
    await _give(tx, convening, await store.get(tx, Seats, convening.convening_id))


async def _give(tx: Tx, convening: Convening, seats: Seats) -> None:
    """Offers free seats in the order of entry, while the convening is open; saves `seats`."""
    if convening.state is ConveningState.PUBLISHED and tx.now < convening.start_time:
        while seats.has_room(convening.capacity):
            waiting = await store.find_first_waiting(tx, convening.convening_id)
            if waiting is None:
                break
            accept_by = convening.accept_by(tx.now)
            await _save(tx, waiting.offer(accept_by=accept_by, at=tx.now))
            tx.set_timer(store.SEAT_LAPSES, subject=waiting.registration_id, at=accept_by)
            seats = seats.take()
    await store.save(tx, seats)


# -- shared --------------------------------------------------------------------------------------------------------
async def _organizes(tx: Tx, convening_id: str, by: Caller) -> bool:
    convening = await store.get(tx, Convening, convening_id)
    return await participants.acts_for(tx, by=by, participant_id=convening.organizer_id)


async def _own(tx: Tx, registration_id: str, etag: str, by: Caller) -> Registration:
    """Raises RegistrationNotFound."""
    found = await store.get(tx, Registration, registration_id)
    if found.account_id != by.subject:
        raise RegistrationNotFound
    errors.check_etag(found.version, etag)
    return found


async def _decided(tx: Tx, registration_id: str, etag: str, by: Caller) -> tuple[Registration, Convening]:
    """For the organizer. Raises RegistrationNotFound, NotActingFor."""
    found = await get_registration(tx, registration_id=registration_id, by=by)
    convening = await store.get(tx, Convening, found.convening_id)
    if not await participants.acts_for(tx, by=by, participant_id=convening.organizer_id):
        raise NotActingFor
    errors.check_etag(found.version, etag)
    return found, convening


async def _save(tx: Tx, registration: Registration) -> Registration:
    saved = await store.save(tx, registration)
    _announce(tx, saved)
    return saved


def _announce(tx: Tx, registration: Registration) -> None:
    summary = pb.to_pb(events_pb2.RegistrationSummary, registration)
    kind = _ANNOUNCED[registration.state]
    tx.emit(kind(registration=summary), subject=registration.registration_id, sequence=registration.version)
