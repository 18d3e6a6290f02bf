"""Identifiers: UUID version 7 (RFC 9562), which sort by the time they were made."""

from datetime import UTC, datetime

import uuid_utils


def new_id() -> str:
    """A new UUIDv7 as text."""
    return str(uuid_utils.uuid7())


def time_of(made: str) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((uuid_utils.UUID(made).int >> 80) / 1000, UTC)


def correlation_id(asked: str | None) -> str:
    """What a caller sent as x-request-id, or a new one where that is none or too long for events and logs."""
    return asked if asked and len(asked) <= 64 else new_id()
