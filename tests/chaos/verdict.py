"""Compares independent records of one run: what callers were told, what the services keep, and what they show."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

import msgspec

PROMISED = ("ACCEPTED", "IN_DELIVERY", "DELIVERED")
HAS_SEAT = ("OFFERED", "ADMITTED")


class Line(msgspec.Struct, frozen=True):
    """Of a need or an offer."""

    line_id: str
    asked: int
    committed: int
    delivered: int


class Match(msgspec.Struct, frozen=True):
    match_id: str
    line_ids: tuple[str, str]
    state: str
    quantity: int
    delivered: int


class Seats(msgspec.Struct, frozen=True):
    """Of a convening."""

    convening_id: str
    capacity: int
    taken: int
    entries: int


class Registration(msgspec.Struct, frozen=True):
    """`offered`: it was on the waiting list, and got a seat from there."""

    registration_id: str
    convening_id: str
    account_id: str
    entry: int
    state: str
    offered: bool


class Version(msgspec.Struct, frozen=True):
    """Of a record."""

    record_id: str
    concept_id: str
    state: str


class Log(msgspec.Struct, frozen=True):
    """Of one service: aggregates and their versions at the positions, and those that must be among them."""

    positions: Sequence[int]
    announced: Sequence[tuple[str, int]]
    expected: Sequence[tuple[str, int]] = ()
    waiting: int = 0  # entries left in the outbox


class Told(msgspec.Struct, frozen=True):
    """What the journeys' callers were answered, the last word about each: states, but for the acceptances and files."""

    acceptances: Sequence[str] = ()  # of matches
    matches: Mapping[str, str] = {}
    registrations: Mapping[str, str] = {}
    records: Mapping[str, str] = {}
    files: Mapping[str, str] = {}  # SHA-256


class Records(msgspec.Struct, frozen=True):
    """Member ids as each one has them; a list may hold an id twice, and must not. Then what the journeys left."""

    answered: Sequence[str]  # approvals that callers were told of
    approved: Sequence[str]  # approved applications
    organizations: Sequence[str]
    announced: Sequence[str]  # MemberJoined in the log
    applied: Sequence[Sequence[str]]  # MemberJoined marked in each inbox
    shown: Sequence[Sequence[str]]  # in the participants of each service
    logs: Sequence[Log]
    told: Told = Told()
    lines: Sequence[Line] = ()
    matches: Sequence[Match] = ()
    seats: Sequence[Seats] = ()
    registrations: Sequence[Registration] = ()
    versions: Sequence[Version] = ()
    found: Mapping[str, Sequence[str]] = {}  # record ids that a search finds, by the concept that it is to find
    files: Mapping[str, str] = {}  # SHA-256 of the bytes that are given out
    parked: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """Everything but the first four has to be 0."""

    answered: int
    unanswered: int  # approved, but the answer got lost: no harm
    kept: int  # matches, registrations, records and files of the journeys
    events: int  # in all logs
    lost: int  # answered, and not in every record
    twice: int  # in one record more than once
    strange: int  # shown, and never approved
    forgotten: int  # answered on a journey, and not there, or in another state
    unasked: int  # there, and nobody was told of it
    accepted_twice: int
    quantities: int  # lines whose numbers are not the sums of their matches, or are more than asked
    seats: int  # convenings with other seats than are taken, too many, or a free one beside who waits
    order: int  # convenings whose entries are not 1, 2, 3 …, or where somebody was overtaken
    registered_twice: int
    currency: int  # concepts without exactly one current version, found exactly once
    bytes: int  # files with others than were sent
    unannounced: int
    announced_twice: int
    log_gaps: int
    waiting: int
    parked: int

    @property
    def holds(self) -> bool:
        return not any(msgspec.structs.astuple(self)[4:])


def judge(records: Records) -> Verdict:
    kept = (records.approved, records.organizations, records.announced, *records.applied, *records.shown)
    told = set(records.answered) | set(records.approved)
    states = (
        (records.told.matches, {one.match_id: one.state for one in records.matches}),
        (records.told.registrations, {one.registration_id: one.state for one in records.registrations}),
        (records.told.records, {one.record_id: one.state for one in records.versions}),
    )
    return Verdict(
        answered=len(records.answered),
        unanswered=len(set(records.approved) - set(records.answered)),
        kept=sum(len(there) for _, there in states) + len(records.files),
        events=sum(len(log.positions) for log in records.logs),
        lost=sum(len(told - set(record)) for record in kept),
        twice=sum(_doubles(record) for record in (records.answered, *kept)),
        strange=sum(len(set(record) - set(records.approved)) for record in kept),
        forgotten=sum(not _bears_out(there.get(key), state) for said, there in states for key, state in said.items()),
        unasked=sum(len(there.keys() - said.keys()) for said, there in states),
        accepted_twice=_doubles(records.told.acceptances),
        quantities=_quantities(records.lines, records.matches),
        seats=sum(_miscounted(one, _of(one, records.registrations)) for one in records.seats),
        order=sum(_disordered(one, _of(one, records.registrations)) for one in records.seats),
        registered_twice=_doubles((one.convening_id, one.account_id) for one in records.registrations),
        currency=sum(not _found_once(concept_id, ids, records.versions) for concept_id, ids in records.found.items()),
        bytes=sum(records.files.get(key) != digest for key, digest in records.told.files.items()),
        unannounced=sum(len(set(log.expected) - set(log.announced)) for log in records.logs),
        announced_twice=sum(_doubles(log.announced) for log in records.logs),
        log_gaps=sum(
            position != number for log in records.logs for number, position in enumerate(sorted(log.positions), 1)
        ),
        waiting=sum(log.waiting for log in records.logs),
        parked=records.parked,
    )


def _doubles(ids: Iterable[Hashable]) -> int:
    return sum(count - 1 for count in Counter(ids).values())


def _bears_out(state: str | None, said: str) -> bool:
    """Who waited when asked last may have been offered a seat since."""
    return state == said or (said, state) == ("WAITING", "OFFERED")


def _quantities(lines: Sequence[Line], matches: Sequence[Match]) -> int:
    committed: dict[str, int] = defaultdict(int)
    delivered: dict[str, int] = defaultdict(int)
    for match in matches:
        for line_id in match.line_ids:
            if match.state in PROMISED:
                committed[line_id] += match.quantity
            elif match.state == "CONFIRMED":
                committed[line_id] += match.delivered
                delivered[line_id] += match.delivered
    return sum(
        (line.committed, line.delivered) != (committed[line.line_id], delivered[line.line_id])
        or line.committed > line.asked
        for line in lines
    )


def _of(seats: Seats, registrations: Sequence[Registration]) -> list[Registration]:
    return [one for one in registrations if one.convening_id == seats.convening_id]


def _miscounted(seats: Seats, registrations: Sequence[Registration]) -> bool:
    taken = sum(one.state in HAS_SEAT for one in registrations)
    waits = any(one.state == "WAITING" for one in registrations)
    return taken != seats.taken or taken > seats.capacity or (waits and taken < seats.capacity)


def _disordered(seats: Seats, registrations: Sequence[Registration]) -> bool:
    entries = sorted(one.entry for one in registrations)
    first_waiting = min((one.entry for one in registrations if one.state == "WAITING"), default=seats.entries + 1)
    overtook = any(one.entry > first_waiting for one in registrations if one.offered)
    return entries != list(range(1, seats.entries + 1)) or overtook


def _found_once(concept_id: str, found: Sequence[str], versions: Sequence[Version]) -> bool:
    """Is there one current version, and is it what the search finds, once?"""
    current = [one.record_id for one in versions if one.concept_id == concept_id and one.state == "PUBLISHED"]
    return len(current) == 1 and list(found) == current
