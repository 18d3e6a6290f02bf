"""The envelope of events: a CloudEvent by another library's judgement, and nothing but `Invalid` for anything else."""

import datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from descriptors import events as contract_events
from google.protobuf import message_factory
from google.protobuf.message import Message
from hypothesis import example, given
from hypothesis import strategies as st

from chassis import events
from tests.support import of
from tests.unit import strategies
from wasl.members.v1 import events_pb2, members_pb2

MOMENT = datetime.datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=datetime.UTC)
JOINED = of(events_pb2.MemberJoined, member={"member_id": "m-1", "kind": "PERSON", "display_name": {"ar": "ليلى"}})
KINDS = [message_factory.GetMessageClass(descriptor) for descriptor, _ in contract_events()]
any_event = st.sampled_from(KINDS).flatmap(lambda kind: strategies.message(kind.DESCRIPTOR))


def envelope(message: Message = JOINED, **changed: Any) -> dict[str, Any]:
    document = events.document(
        message,
        event_id="e-1",
        subject="m-1",
        sequence=3,
        time=MOMENT,
        correlation_id="c-1",
        causation_id="e-0",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    return {name: value for name, value in {**document, **changed}.items() if value is not None}


@given(any_event)
def test_another_library_reads_every_event_as_a_cloud_event(message: Message) -> None:
    theirs = JSONFormat().read(None, events.encode(envelope(message)))
    assert theirs.get_specversion() == "1.0"
    assert theirs.get_type() == events.event_type(type(message))
    assert theirs.get_subject() == "m-1"
    assert theirs.get_time() == MOMENT
    assert theirs.get_extension("sequence") == "0000000003"
    assert theirs.get_extension("correlationid") == "c-1"


@given(any_event)
def test_what_was_sent_arrives(message: Message) -> None:
    event = events.decode(events.encode(envelope(message)))
    assert event.data == message
    assert (event.id, event.subject, event.sequence, event.time) == ("e-1", "m-1", 3, MOMENT)
    assert (event.source, event.type) == (
        f"/wasl/{events.source_service(type(message))}",
        events.event_type(type(message)),
    )
    assert (event.correlation_id, event.causation_id) == ("c-1", "e-0")
    assert event.traceparent.startswith("00-4bf92f35")


def test_sequences_sort_as_text() -> None:
    numbers = [2, 10, 1, 999_999_999]
    written = [
        events.document(JOINED, event_id="e", subject="m", sequence=number, time=MOMENT)["sequence"]
        for number in numbers
    ]
    assert sorted(written) == [f"{number:010d}" for number in sorted(numbers)]


def test_attributes_that_are_not_known_are_passed_over() -> None:
    assert events.decode(events.encode(envelope(colour="green"))).data == JOINED


@pytest.mark.parametrize(
    "changed",
    [
        *({name: None} for name in ("specversion", "id", "source", "type", "subject", "time", "sequence", "data")),
        *({name: ""} for name in ("id", "source", "type", "subject", "time", "sequence", "dataschema")),
        *({name: "x" * 201} for name in ("id", "subject", "correlationid", "causationid", "traceparent")),
        {"specversion": "0.3"},
        {"type": "org.wasl.members.member.eaten.v1"},
        {"type": "org.wasl.members.member.updated.v1"},
        {"dataschema": "urn:wasl:schema:wasl.members.v1.Account", "type": ""},
        {"dataschema": "urn:wasl:schema:google.protobuf.Struct"},
        {"dataschema": "urn:wasl:schema:no.such.Thing"},
        {"sequence": "-1"},
        {"sequence": "٣"},
        {"sequence": "9" * 19},
        {"sequence": 3},
        {"time": "2026-03-01T12:30:00"},
        {"data": {"member": {"memberId": 5}}},
        {"data": {"member": {"joinTime": "2026-13-01T00:00:00Z"}}},
        {"data": []},
    ],
    ids=str,
)
def test_what_is_no_event_of_ours_is_invalid(changed: dict[str, Any]) -> None:
    with pytest.raises(events.Invalid):
        events.decode(events.encode(envelope(**changed)))


@given(st.binary(max_size=200) | strategies.json_values.map(msgspec.json.encode))
@example(b"[" * 100_000)
@example(b'{"data":' + b'{"a":' * 50_000)
@example("{}".encode("utf-16"))
def test_junk_is_invalid_and_nothing_worse(junk: bytes) -> None:
    with pytest.raises(events.Invalid):
        events.decode(junk)


@given(any_event, st.data())
def test_an_event_with_any_value_replaced_is_read_or_invalid(message: Message, data: st.DataObject) -> None:
    document = envelope(message)
    holder: Any = document
    while True:
        key = data.draw(
            st.sampled_from(sorted(holder)) if isinstance(holder, dict) else st.integers(0, len(holder) - 1)
        )
        if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        holder[key] = data.draw(strategies.json_values)
        break
    try:
        event = events.decode(events.encode(document))
    except events.Invalid:
        return
    assert isinstance(event.data, type(message))


def test_only_events_have_a_type() -> None:
    assert events.event_type(events_pb2.MemberJoined) == "org.wasl.members.member.joined.v1"
    assert events.source_service(events_pb2.MemberJoined) == "members"
    with pytest.raises(TypeError, match="Account has no event_type"):
        events.event_type(members_pb2.Account)
