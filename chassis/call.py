"""The call that is being answered: who calls, in which language, until when. The server sets it."""

import contextvars
import math
import re

import msgspec

SECRET_HEADER = "x-wasl-service-secret"  # noqa: S105 - a name: what a service shows to call internal methods


LANGUAGES = ("ar", "en")


def preferred(accepted: str) -> str:
    """The first of LANGUAGES that Accept-Language names, else "en"; weights do not count, in the gateway neither."""
    named = re.findall(r"(?:^|,)\s*([a-z]+)", accepted.lower())
    return next((language for language in named if language in LANGUAGES), "en")


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
