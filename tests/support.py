"""What tests of all kinds build their worlds with."""

from typing import Any, TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def of(kind: type[M], **fields: Any) -> M:
    """A message, its nested ones as dicts and its enums as names: the type stubs know neither."""
    return kind(**fields)
