"""Many who want the same at the same moment: what they ask for, what it begins with, and what must be true at the end.

A contest's `service` is the one that answers it, `peer` what bench/peers/bare_mongo.py calls it, `kept` the collections
that it writes.
"""

import collections
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from pymongo.database import Database

import vocabularies
from bench.load import Request
from chassis import mongo, timers
from chassis.ids import new_id
from chassis.mongo import Document
from chassis.values import LocalizedText
from participants.model import Participant, ParticipantKind
from services.events import store as events
from services.events.model import Audience, Convening, ConveningState, Kind, Session
from services.events.registrations import Seats
from services.matching import store as matching
from services.matching.matches import PROPOSAL_LIFE, Match, MatchState
from services.matching.model import Line, Posting, PostingState, Side

VIEW = "participants.1"
TITLE = LocalizedText(ar="ورشة في تعليم القراءة", en="A workshop on teaching to read")
Db = Database[Document]


class Contest(Protocol):
    service: str
    peer: str
    kept: Sequence[str]

    def begin(self, db: Db) -> list[Document]:
        """Stores what one round begins with; what is then asked for, once by each account."""

    def request(self, wanted: Document, token: str) -> Request: ...

    def check(self, db: Db, wanted: list[Document]) -> None:
        """Raises AssertionError unless all were served, and nothing was given twice."""


class Registrations:
    """For one convening, with seats for a third of those who come."""

    service, peer = "events", "register"
    kept: Sequence[str] = ("seats", "registrations", "requests", "outbox")

    def __init__(self, account_ids: list[str]) -> None:
        self._account_ids, self._capacity = account_ids, len(account_ids) // 3

    def begin(self, db: Db) -> list[Document]:
        now = _now()
        convening = Convening(
            convening_id=new_id(),
            organizer_id=new_id(),
            kind=Kind.WORKSHOP,
            state=ConveningState.PUBLISHED,
            title=TITLE,
            sessions=(Session(start_time=now + timedelta(days=9), end_time=now + timedelta(days=9, hours=2)),),
            time_zone="Asia/Damascus",
            capacity=self._capacity,
            audience=Audience.EVERYBODY,
            create_time=now,
            update_time=now,
            publish_time=now,
            version=2,
        )
        db.convenings.insert_one(document(events.searchable(convening)))
        db.seats.insert_one(document(Seats(convening_id=convening.convening_id, version=1)))
        return [
            {"convening_id": convening.convening_id, "account_id": one, "request_id": str(uuid.uuid4())}
            for one in self._account_ids
        ]

    def request(self, wanted: Document, token: str) -> Request:
        body = f'{{"conveningId": "{wanted["convening_id"]}"}}'
        return Request("POST", f"/v1/registrations?requestId={wanted['request_id']}", token, body)

    def check(self, db: Db, wanted: list[Document]) -> None:
        convening_id = wanted[0]["convening_id"]
        seats = db.seats.find_one({"_id": convening_id})
        assert seats is not None
        assert (seats["taken"], seats["entries"]) == (self._capacity, len(wanted)), seats
        found = list(db.registrations.find({"convening_id": convening_id}).sort("entry", 1))
        assert [one["entry"] for one in found] == list(range(1, len(wanted) + 1))
        assert {one["account_id"] for one in found} == set(self._account_ids)
        states = ["ADMITTED"] * self._capacity + ["WAITING"] * (len(wanted) - self._capacity)
        assert [one["state"] for one in found] == states, "a seat for whoever came later"
        _check_announced(db, [one["_id"] for one in found], 1)


class Acceptances:
    """Of matches that an organization with one need has proposed, each by whoever offers; together they cover it."""

    service, peer = "matching", "accept"
    kept: Sequence[str] = ("matches", "postings", "open_lines", "requests", "outbox")

    def __init__(self, account_ids: list[str]) -> None:
        self._need_id, self._people = new_id(), {one: new_id() for one in account_ids}
        self._quantities = [1 + number % 5 for number in range(len(account_ids))]
        self._help = next(term for term in vocabularies.load("help").terms if term.units)

    def begin(self, db: Db) -> list[Document]:
        if not db[VIEW].find_one({"_id": self._need_id}):
            db[VIEW].insert_many(self._participants())
        need = self._posting(Side.NEED, self._need_id, sum(self._quantities))
        offers = [
            self._posting(Side.OFFER, person, 2 * quantity)
            for person, quantity in zip(self._people.values(), self._quantities, strict=True)
        ]
        matches = [self._match(need, offer, quantity) for offer, quantity in zip(offers, self._quantities, strict=True)]
        db.postings.insert_many([document(one) for one in (need, *offers)])
        db.open_lines.insert_many([open_line(one) for one in (need, *offers)])
        db.matches.insert_many([document(one) for one in matches])
        db.timers.bulk_write(
            [timers.setting(matching.MATCH_EXPIRES, one.match_id, one.expire_time, "", {}) for one in matches]
        )
        return [
            {"match_id": match.match_id, "account_id": account_id, "request_id": str(uuid.uuid4())}
            for match, account_id in zip(matches, self._people, strict=True)
        ]

    def request(self, wanted: Document, token: str) -> Request:
        body = f'{{"requestId": "{wanted["request_id"]}"}}'
        return Request("POST", f"/v1/matches/{wanted['match_id']}:accept", token, body)

    def check(self, db: Db, wanted: list[Document]) -> None:
        matches = list(db.matches.find({"_id": {"$in": [one["match_id"] for one in wanted]}}))
        assert {one["state"] for one in matches} == {"ACCEPTED"}
        assert sorted(one["quantity"] for one in matches) == sorted(self._quantities)
        (need,) = db.postings.find({"_id": matches[0]["need_id"]})
        assert need["lines"][0]["committed_quantity"] == need["lines"][0]["quantity"] == sum(self._quantities), need
        assert not db.open_lines.count_documents({"posting_id": need["_id"]})
        promised = {one["offer_id"]: one["quantity"] for one in matches}
        for offer in db.postings.find({"_id": {"$in": list(promised)}}):
            assert offer["lines"][0]["committed_quantity"] == promised[offer["_id"]], offer
        for line in db.open_lines.find({"posting_id": {"$in": list(promised)}}):
            assert line["open_quantity"] == promised.pop(line["posting_id"]), line  # half of what was offered
        assert not promised
        assert not db.timers.count_documents({"subject": {"$in": [one["_id"] for one in matches]}})
        _check_announced(db, [one["_id"] for one in matches], 1)
        _check_announced(db, [need["_id"]], len(matches))

    def _participants(self) -> list[Document]:
        kinds = {self._need_id: (ParticipantKind.ORGANIZATION, new_id())}
        kinds |= {person: (ParticipantKind.PERSON, account) for account, person in self._people.items()}
        return [
            mongo.to_document(
                Participant(
                    participant_id=one, kind=kind, account_id=account, display_name=TITLE, join_time=_now(), version=1
                )
            )
            for one, (kind, account) in kinds.items()
        ]

    def _posting(self, side: Side, participant_id: str, quantity: int) -> Posting:
        line = Line(
            line_id=new_id(),
            help_code=self._help.code,
            quantity=quantity,
            unit_code=self._help.units[0],
            place_code="SY",
        )
        return posting(side, participant_id, TITLE, line)

    def _match(self, need: Posting, offer: Posting, quantity: int) -> Match:
        return Match(
            match_id=new_id(),
            need_id=need.posting_id,
            need_line_id=need.lines[0].line_id,
            offer_id=offer.posting_id,
            offer_line_id=offer.lines[0].line_id,
            need_participant_id=need.participant_id,
            offer_participant_id=offer.participant_id,
            proposed_by=Side.NEED,
            proposed_quantity=quantity,
            help_code=need.lines[0].help_code,
            unit_code=need.lines[0].unit_code,
            state=MatchState.PROPOSED,
            create_time=need.create_time,
            update_time=need.create_time,
            expire_time=need.create_time + PROPOSAL_LIFE,
            version=1,
        )


def posting(side: Side, participant_id: str, title: LocalizedText, line: Line, **said: Any) -> Posting:
    """A published one, as the service stores it."""
    now = _now()
    return matching.searchable(
        Posting(
            posting_id=new_id(),
            side=side,
            participant_id=participant_id,
            state=PostingState.PUBLISHED,
            title=title,
            lines=(line,),
            create_time=now,
            update_time=now,
            version=2,
            **{"publish_time": now, **said},
        )
    )


def open_line(posting: Posting) -> Document:
    """Of its only line, as the service stores it."""
    return mongo.to_document(matching._open_line(posting, posting.lines[0]))


def document(aggregate: Any) -> Document:
    """As chassis/tx.py stores it."""
    return {**mongo.to_document(aggregate), "at": 1}


def check_same_documents(contest: Contest, sides: Sequence[Db]) -> None:
    """Raises AssertionError unless what was written last has the same fields on all sides."""
    for name in contest.kept:
        last = [side[name].find_one({}, sort=[("$natural", -1)]) for side in sides]
        shapes = [_shape({**(one or {}), "reply": None}) for one in last]
        assert all(shape == shapes[0] for shape in shapes), f"{name}: {shapes}"


def _shape(value: Any) -> Any:
    return {name: _shape(one) for name, one in value.items()} if isinstance(value, dict) else None


def _check_announced(db: Db, subjects: list[str], times: int) -> None:
    """Each so many times, each with the next version."""
    found = collections.defaultdict(list)
    for one in db.outbox.find({"subject": {"$in": subjects}}, {"subject": 1, "sequence": 1}):
        found[one["subject"]].append(one["sequence"])
    assert set(found) == set(subjects)
    for sequences in found.values():
        assert len(sequences) == times
        assert max(sequences) - min(sequences) == times - 1


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
