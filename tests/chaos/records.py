"""Reads what a run has left: the databases, the broker's parked messages, and what the gateway gives out."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
import pymongo

from chassis.mongo import from_document
from chassis.parked import waiting
from chassis.publisher import FAILURES, connect
from services.events import model as events
from services.events import registrations as registration_model
from services.matching import matches as match_model
from services.matching import model as matching
from services.resources import model as resources
from tests.chaos.journeys import Journeys
from tests.chaos.load import Load
from tests.chaos.stack import Stack
from tests.chaos.verdict import Line, Log, Match, Records, Registration, Seats, Told, Version

JOINED = "org.wasl.members.member.joined.v1"
CONSUMERS = ("matching", "events", "resources")  # of what members announces


def collect(stack: Stack, load: Load) -> Records:
    """Everything that a verdict needs. Raises pymongo's and httpx's errors while a server is away."""
    with pymongo.MongoClient[dict[str, Any]](
        stack.variable("WASL_MONGO_URI"), timeoutMS=20_000, tz_aware=True
    ) as client:
        members = client.wasl_members
        joined = {one["event_id"]: one["subject"] for one in members.log.find({"type": JOINED})}
        marks = {name: _ids(client[f"wasl_{name}"].inbox, {"_id": {"$regex": f"^{JOINED}:"}}) for name in CONSUMERS}
        postings = _all(client.wasl_matching.postings, matching.Posting)
        matches = _all(client.wasl_matching.matches, match_model.Match)
        convenings = _all(client.wasl_events.convenings, events.Convening)
        registrations = _all(client.wasl_events.registrations, registration_model.Registration)
        versions = _all(client.wasl_resources.records, resources.Record)
        capacity = {one.convening_id: one.capacity for one in convenings}
        return Records(
            answered=list(load.approved),
            approved=[one["member_id"] for one in members.applications.find({"state": "APPROVED"}, {"member_id": 1})],
            organizations=_ids(members.organizations),
            announced=list(joined.values()),
            applied=[
                [joined[event] for _, _, event in (one.partition(":") for one in found) if event in joined]
                for found in marks.values()
            ],
            shown=[_shown(client[f"wasl_{name}"]) for name in CONSUMERS],
            logs=[
                _log(members, ()),
                _log(client.wasl_matching, [*_each(matches, 1), *_each(_published(postings), 2)]),
                _log(client.wasl_events, [*_each(registrations, 1), *_each(_published(convenings), 2)]),
                _log(client.wasl_resources, [(one.record_id, one.version) for one in versions if one.is_public]),
            ],
            told=_told(load.journeys),
            lines=[
                Line(line.line_id, line.quantity, line.committed_quantity, line.delivered_quantity)
                for posting in postings
                for line in posting.lines
            ],
            matches=[
                Match(
                    one.match_id,
                    (one.need_line_id, one.offer_line_id),
                    one.state,
                    one.quantity,
                    one.delivered_quantity,
                )
                for one in matches
            ],
            seats=[
                Seats(one.convening_id, capacity[one.convening_id], one.taken, one.entries)
                for one in _all(client.wasl_events.seats, registration_model.Seats)
            ],
            registrations=[
                Registration(
                    one.registration_id,
                    one.convening_id,
                    one.account_id,
                    one.entry,
                    one.state,
                    one.accept_by_time is not None,
                )
                for one in registrations
            ],
            versions=[Version(one.record_id, one.concept_id, one.state) for one in versions],
            **_given_out(stack.url, load.journeys),
            parked=_parked(stack.variable("WASL_AMQP_URI")),
        )


def _told(journeys: Journeys) -> Told:
    return Told(
        acceptances=list(journeys.acceptances),
        matches={match_id: one["state"] for match_id, one in journeys.matches.items()},
        registrations={registration_id: one["state"] for registration_id, one in journeys.registrations.items()},
        records=dict(journeys.records),
        files=dict(journeys.files),
    )


def _ids(collection: Any, query: dict[str, Any] | None = None) -> list[str]:
    return [one["_id"] for one in collection.find(query or {}, {"_id": 1})]


def _all(collection: Any, kind: Any) -> list[Any]:
    return [from_document(kind, one) for one in collection.find()]


def _shown(db: Any) -> list[str]:
    live = db["views"].find_one({"_id": "participants"}) or {"live": 1}
    return _ids(db[f"participants.{live['live']}"])


def _log(db: Any, expected: Sequence[tuple[str, int]]) -> Log:
    found = list(db.log.find({}, {"subject": 1, "sequence": 1}))
    return Log(
        positions=[one["_id"] for one in found],
        announced=[(one["subject"], one["sequence"]) for one in found],
        expected=expected,
        waiting=db.outbox.count_documents({}),
    )


def _published(found: Iterable[Any]) -> list[Any]:
    return [one for one in found if one.publish_time is not None]


def _each(aggregates: Iterable[Any], first: int) -> list[tuple[str, int]]:
    """All versions of them from the first that is announced."""
    return [
        (getattr(one, one.__struct_fields__[0]), number)
        for one in aggregates
        for number in range(first, one.version + 1)
    ]


def _given_out(url: str, journeys: Journeys) -> dict[str, dict[str, Any]]:
    """What everybody finds and downloads."""
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
        found, files = {}, {}
        for concept_id, word in journeys.words.items():
            results = http.get("/v1/records:search", params={"q": word}).raise_for_status().json().get("results", [])
            found[concept_id] = [one["record"]["recordId"] for one in results]
        for file_id in journeys.files:
            content = http.get(f"/v1/files/{file_id}").raise_for_status().content
            files[file_id] = hashlib.sha256(content).hexdigest()
    return {"found": found, "files": files}


def _parked(uri: str) -> int:
    """How many messages are parked; -1 while the broker is still coming up."""
    try:
        connection = connect(uri)
    except FAILURES:
        return -1
    try:
        return len(list(waiting(connection, ["members", *CONSUMERS])))
    finally:
        connection.collect()
