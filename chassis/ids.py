"""Identifiers: UUID version 7 (RFC 9562), which sort by the time they were made."""

import uuid_utils


def new_id() -> str:
    """A new UUIDv7 as text."""
    return str(uuid_utils.uuid7())
