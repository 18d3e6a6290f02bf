"""Hypothesis strategies that know the contract: any message of a type, any JSON."""

import functools
import math
from typing import Any

from descriptors import messages as contract_messages
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
_NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False) | st.just(math.nan),  # one NaN of many: JSON has one
}
# json_format writes and reads the years 1 to 9999 only.
_SECONDS = st.integers(-62_135_596_800, 253_402_300_799)


def kinds() -> list[type[Message]]:
    """Every message of the contract."""
    return [message_factory.GetMessageClass(descriptor) for descriptor in contract_messages()]


@functools.cache
def message(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Messages of this type: any field set or not, any value that fits it."""
    kind = message_factory.GetMessageClass(descriptor)
    match descriptor.full_name:
        case "google.protobuf.Timestamp":
            return st.builds(kind, seconds=_SECONDS, nanos=st.integers(0, 999_999_999))
        case "google.protobuf.FieldMask":
            return st.builds(kind, paths=st.lists(st.from_regex(r"\A[a-z]{1,5}(_[a-z]{1,4})?\Z"), max_size=3))
    return st.fixed_dictionaries({}, optional={field.name: _value(field) for field in descriptor.fields}).map(
        lambda values: kind(**_one_of_each_oneof(descriptor, values))
    )


def _value(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    one: st.SearchStrategy[Any]
    if field.message_type is not None:
        one = message(field.message_type)
    elif field.enum_type is not None:
        one = st.sampled_from([value.number for value in field.enum_type.values]) | st.just(77)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        one = st.binary(max_size=20)
    else:
        one = _NUMBERS.get(field.cpp_type, texts)
    return st.lists(one, max_size=2) if field.is_repeated else one


def _one_of_each_oneof(descriptor: Descriptor, values: dict[str, Any]) -> dict[str, Any]:
    for oneof in descriptor.oneofs:
        for extra in [field.name for field in oneof.fields if field.name in values][1:]:
            del values[extra]
    return values
