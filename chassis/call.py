"""The call that is being answered: who calls, in which language, until when. The server sets it."""

import contextvars
import math
import re

import msgspec

SECRET_HEADER = "x-wasl-service-secret"  # noqa: S105 - a name: what a service shows to call internal methods


LANGUAGES = ("ar", "en")


def preferred(accepted: str) -> str:
    """The one of LANGUAGES that Accept-Language (RFC 9110) weighs most, the first of equals; else "en".

    The gateway does the same for its callers (deploy/envoy/language.lua).
    """
    best, most = "en", 0.0
    for language, weight in re.findall(r"(?:^|,)\s*([a-z]+)[^,;]*(?:;\s*q=(\d(?:\.\d*)?))?", accepted.lower()):
        if language in LANGUAGES and float(weight or 1) > most:
            best, most = language, float(weight or 1)
    return best


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
