"""Events: protobuf messages in CloudEvents 1.0 envelopes (structured JSON).

`type` comes from the message's `event_type` option; `subject` is the id of the aggregate, `sequence` its version
(CloudEvents sequence extension: text that sorts); `correlationid` and `causationid` say which request and which event
it goes back to; `traceparent` is the distributed tracing extension.
"""

import datetime
import functools
from typing import Annotated, Any, Literal

import msgspec
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from chassis import pb
from wasl.options.v1 import options_pb2

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
_SCHEMA = "urn:wasl:schema:"
_Named = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Maybe = Annotated[str, msgspec.Meta(max_length=200)]  # logs and headers hold them


class Invalid(Exception):
    """The bytes are no event that this process can understand. No retry helps."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A received event; `data` is the message, `sequence` its aggregate's version."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime.datetime
    sequence: int
    data: Any
    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""


class _Envelope(msgspec.Struct, kw_only=True):
    specversion: Literal["1.0"]
    id: _Named
    source: _Named
    type: str
    subject: _Named
    time: Annotated[datetime.datetime, msgspec.Meta(tz=True)]
    sequence: Annotated[str, msgspec.Meta(pattern="^0*[1-9][0-9]{0,17}$")]  # from 1 on, what a 64 bit number holds
    dataschema: str
    data: dict[str, Any]
    correlationid: _Maybe = ""
    causationid: _Maybe = ""
    traceparent: _Maybe = ""


def event_type(kind: type[Message]) -> str:
    """`org.wasl.members.member.joined.v1`. Raises TypeError for a message that is no event."""
    name: str = kind.DESCRIPTOR.GetOptions().Extensions[options_pb2.event_type]
    if not name:
        raise TypeError(f"{kind.DESCRIPTOR.full_name} has no event_type")
    return name


def source_service(kind: type[Message]) -> str:
    """The service that announces it: `members` for a message of `wasl.members.v1`."""
    return str(kind.DESCRIPTOR.file.package.split(".")[-2])


def document(
    message: Message,
    *,
    event_id: str,
    subject: str,
    sequence: int,
    time: datetime.datetime,
    correlation_id: str = "",
    causation_id: str = "",
    traceparent: str = "",
) -> dict[str, Any]:
    """The CloudEvent as a document that MongoDB stores and `encode` sends."""
    kind = type(message)
    optional = {
        "correlationid": correlation_id,
        "causationid": causation_id,
        "traceparent": traceparent,
    }
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/wasl/{source_service(kind)}",
        "type": event_type(kind),
        "subject": subject,
        "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sequence": f"{sequence:010d}",
        "datacontenttype": "application/json",
        "dataschema": f"{_SCHEMA}{kind.DESCRIPTOR.full_name}",
        **{name: value for name, value in optional.items() if value},
        "data": pb.to_json(message),
    }


encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(_Envelope)


@functools.cache
def _kind(schema: str) -> tuple[type[Message], tuple[str, str]]:
    """The message of a dataschema, and the type and source of its events. Raises KeyError, which is not cached."""
    found = descriptor_pool.Default().FindMessageTypeByName(schema.removeprefix(_SCHEMA))
    kind = message_factory.GetMessageClass(found)
    return kind, (event_type(kind), f"/wasl/{source_service(kind)}")


def decode(body: bytes | str) -> Event:
    """Raises Invalid: not JSON, an attribute missing, an unknown type, data that does not fit the message."""
    try:
        envelope = _decoder.decode(body)
        kind, expected = _kind(envelope.dataschema)
        if expected != (envelope.type, envelope.source):
            raise Invalid(f"{envelope.type} of {envelope.source} is not {envelope.dataschema}")
        return Event(
            id=envelope.id,
            source=envelope.source,
            type=envelope.type,
            subject=envelope.subject,
            time=envelope.time,
            sequence=int(envelope.sequence),
            data=pb.from_json(kind, envelope.data),
            correlation_id=envelope.correlationid,
            causation_id=envelope.causationid,
            traceparent=envelope.traceparent,
        )
    except KeyError as error:
        raise Invalid(f"unknown schema: {error}") from error
    except (ValueError, TypeError, RecursionError) as error:  # msgspec's own are ValueErrors
        raise Invalid(f"{type(error).__name__}: {error}") from error
