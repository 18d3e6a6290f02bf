"""The call that is being answered: who calls, in which language, until when. The server sets it."""

import contextvars
import math

import msgspec

SECRET_HEADER = "x-wasl-service-secret"  # noqa: S105 - a name: what a service shows to call internal methods


class Caller(msgspec.Struct, frozen=True):
    """`subject` is the account's id, empty for nobody; `language`: "ar" or "en"; `deadline`: by the monotonic clock."""

    subject: str = ""
    roles: frozenset[str] = frozenset()
    language: str = "en"
    deadline: float = math.inf


_current: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")
set_caller = _current.set


def caller() -> Caller:
    """Nobody outside of a call."""
    return _current.get(Caller())
