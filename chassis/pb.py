"""Between protobuf and the rest: one generic, descriptor-driven codec. No message has a mapper of its own.

    to_pb(Message, struct)   a domain Struct as a message (field names are the same on both sides)
    fields(message)          a request as keyword arguments: plain values, nested messages as dicts
    to_json / from_json      protobuf JSON as a dict; the library's json_format, pure Python, takes ten times as long

Each function compiles a plan for a message type once. tests/unit/test_pb.py compares with json_format as the oracle.
"""

import base64
import datetime
import functools
import math
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.api import field_behavior_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

M = TypeVar("M", bound=Message)
Convert = Callable[[Any], Any]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_ENDLESS = {math.inf: "Infinity", -math.inf: "-Infinity"}  # JSON has no such numbers, nor NaN
_YEARS_1_TO_9999 = range(-62_135_596_800, 253_402_300_800)  # seconds: what a Timestamp and a datetime can say
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def same(value: Any) -> Any:
    return value


# -- Struct to message ---------------------------------------------------------------------------------------------
def to_pb(kind: type[M], value: object) -> M:
    """`value`'s attributes as a message of `kind`; None is unset, an etag is the version; input only is left out.

    Raises AttributeError when the Struct lacks a field of the message: tests/unit/test_pb.py compares them.
    """
    return kind(**_outward(kind.DESCRIPTOR)(value))


@functools.cache
def _outward(message: Descriptor) -> Callable[[Any], dict[str, Any]]:
    """From a Struct to the keyword arguments of its message; a message in it is a dict, which the library takes."""
    plan: list[tuple[str, Convert, Convert | None]] = []
    for field in message.fields:
        if _is_input_only(field):
            continue
        if field.name == "etag":
            plan.append(("etag", operator.attrgetter("version"), str))
        else:
            convert = _each(field, _outward_one(field))
            plan.append((field.name, operator.attrgetter(field.name), None if convert is same else convert))

    def arguments(value: Any) -> dict[str, Any]:
        found = {}
        for name, read, convert in plan:
            if (one := read(value)) is not None:
                found[name] = convert(one) if convert else one
        return found

    return arguments


def _outward_one(field: FieldDescriptor) -> Convert:
    if field.enum_type is not None:
        return _number_of(field.enum_type)
    if field.message_type is None:
        return same
    if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        return timestamp
    message = field.message_type

    def nested(value: Any) -> dict[str, Any]:
        return _outward(message)(value)  # not made before: a message may hold its own kind

    return nested


def _number_of(enum: EnumDescriptor) -> Convert:
    numbers = {value.name: value.number for value in enum.values}
    return lambda value: numbers[value.value if hasattr(value, "value") else value]


def timestamp(value: datetime.datetime) -> Timestamp:
    """An aware datetime as a Timestamp."""
    since = value - _EPOCH
    return Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000)


def moment(value: Timestamp) -> datetime.datetime:
    """A Timestamp as an aware UTC datetime, to the microsecond."""
    return _EPOCH + datetime.timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)


# -- message to keyword arguments ----------------------------------------------------------------------------------
def fields(message: Message) -> dict[str, Any]:
    """Keyword arguments: scalars always, messages and enums only when set; a mask becomes a tuple of paths."""
    return {
        name: convert(getattr(message, name))
        for name, presence, convert in _inward(message.DESCRIPTOR)
        if presence is None or presence(message)
    }


@functools.cache
def _inward(
    message: Descriptor,
) -> list[tuple[str, Callable[[Message], bool] | None, Convert]]:
    plan: list[tuple[str, Callable[[Message], bool] | None, Convert]] = []
    for field in message.fields:
        presence: Callable[[Message], bool] | None = None
        if field.has_presence:
            presence = functools.partial(lambda name, value: value.HasField(name), field.name)
        elif field.enum_type is not None and not field.is_repeated:
            presence = functools.partial(lambda name, value: getattr(value, name) != 0, field.name)
        plan.append((field.name, presence, _each(field, _inward_one(field))))
    return plan


def _inward_one(field: FieldDescriptor) -> Convert:
    if field.enum_type is not None:
        return _name_of(field.enum_type)
    if field.message_type is None:
        return same
    if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        return moment
    if field.message_type.full_name == "google.protobuf.FieldMask":
        return lambda mask: tuple(mask.paths)
    return fields


def _name_of(enum: EnumDescriptor) -> Convert:
    names = {value.number: value.name for value in enum.values}
    return lambda number: names.get(number, number)


def without_input_only(message: M) -> M:
    """The message without its input only fields (passwords), those of messages in it included."""
    if not _has_input_only(message.DESCRIPTOR):
        return message
    kept = type(message)()
    kept.CopyFrom(message)
    for field, value in kept.ListFields():
        if _is_input_only(field):
            kept.ClearField(field.name)
        elif field.message_type is not None:
            for one in value if field.is_repeated else (value,):
                one.CopyFrom(without_input_only(one))
    return kept


def _is_input_only(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.INPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


@functools.cache
def _has_input_only(message: Descriptor) -> bool:
    return any(_is_input_only(field) for one in messages(message) for field in one.fields)


# -- JSON ----------------------------------------------------------------------------------------------------------
def to_json(message: Message) -> dict[str, Any]:
    """Protobuf JSON: lowerCamelCase names, unset fields left out."""
    return {
        json_name: convert(value)
        for (json_name, convert), value in (
            (_json_outward(message.DESCRIPTOR)[field.name], value) for field, value in message.ListFields()
        )
    }


@functools.cache
def _json_outward(message: Descriptor) -> dict[str, tuple[str, Convert]]:
    return {field.name: (_json_name(field), _each(field, _json_outward_one(field))) for field in message.fields}


def _json_outward_one(field: FieldDescriptor) -> Convert:
    if field.enum_type is not None:
        return _name_of(field.enum_type)
    if field.message_type is not None:
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            return lambda value: value.ToJsonString()
        if field.message_type.full_name.startswith("google.protobuf."):
            return json_format.MessageToDict
        return to_json
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        return str
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return lambda value: value if math.isfinite(value) else _ENDLESS.get(value, "NaN")
    return same


def from_json(kind: type[M], document: dict[str, Any]) -> M:
    """The message that `to_json` wrote, here or in a newer version: unknown names and enum values are passed over.

    Raises ValueError or TypeError when a value does not fit its field.
    """
    return kind(**_json_inward(kind.DESCRIPTOR)(document))


@functools.cache
def _json_inward(message: Descriptor) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """From JSON to the keyword arguments of its message; a message in it is a dict, which the library takes."""
    plan = {
        _json_name(field): (field.name, _each(field, _json_inward_one(field), listed=True)) for field in message.fields
    }

    def arguments(document: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(document, dict):
            raise TypeError(f"{message.full_name}: not an object")
        return {
            plan[name][0]: converted
            for name, value in document.items()
            if name in plan and value is not None and (converted := plan[name][1](value)) is not None
        }

    return arguments


def _json_inward_one(field: FieldDescriptor) -> Convert:
    if field.enum_type is not None:
        numbers = {value.name: value.number for value in field.enum_type.values}
        return lambda value: numbers.get(value) if isinstance(value, str) else operator.index(value)
    if field.message_type is not None:
        kind = message_factory.GetMessageClass(field.message_type)
        if kind.DESCRIPTOR.full_name == Timestamp.DESCRIPTOR.full_name:
            return parse_time
        if kind.DESCRIPTOR.full_name.startswith("google.protobuf."):
            return lambda value: json_format.ParseDict(value, kind())

        def nested(value: Any) -> dict[str, Any]:
            return _json_inward(kind.DESCRIPTOR)(value)  # not made before: a message may hold its own kind

        return nested
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        return int
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64decode(value, validate=True)
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return float
    return same  # the message itself refuses a wrong type


def parse_time(text: str) -> Timestamp:
    """RFC 3339 to a Timestamp. Raises ValueError."""
    if not isinstance(text, str) or not (found := _TIME.fullmatch(text)):
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    whole = datetime.datetime.fromisoformat(found[1] + found[3])
    since = whole - _EPOCH
    seconds = since.days * 86400 + since.seconds
    if seconds not in _YEARS_1_TO_9999:
        raise ValueError(f"out of the range of times: {text!r}")
    return Timestamp(seconds=seconds, nanos=int((found[2] or "").ljust(9, "0")))


# -- shared --------------------------------------------------------------------------------------------------------
def _json_name(field: FieldDescriptor) -> str:
    return field.json_name or field.camelcase_name


def _each(field: FieldDescriptor, convert: Convert, *, listed: bool = False) -> Convert:
    """`convert` for one value or a list of them. `listed`: anything but a list is an error."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        raise TypeError(f"{field.full_name}: the codec knows no maps; give the message a field for each key")
    if not field.is_repeated:
        return convert

    def each(values: Any) -> list[Any]:
        if listed and not isinstance(values, list):
            raise TypeError(f"{field.full_name}: not a list")
        return [convert(value) for value in values]

    return each


def messages(descriptor: Descriptor) -> Iterator[Descriptor]:
    """`descriptor` and every message that it can hold, each once."""
    seen: set[str] = set()

    def walk(one: Descriptor) -> Iterator[Descriptor]:
        if one.full_name not in seen:
            seen.add(one.full_name)
            yield one
            for field in one.fields:
                if field.message_type is not None:
                    yield from walk(field.message_type)

    return walk(descriptor)
