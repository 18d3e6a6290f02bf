"""One taxonomy of errors, with one outcome each at every edge.

An error is a class of its kind with a sentence in each language; its reason is the class name in UPPER_SNAKE (AIP-193).
It crosses gRPC as google.rpc.Status (chassis/server.py), HTTP by the gateway, and decides in a consumer whether a
message is tried again or parked at once (`permanent`). The text of any other exception reaches no caller.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import msgspec

ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


class Violation(msgspec.Struct, frozen=True):
    """What is wrong with one field. `field` is its path in the request, or in what that names
    (`application.person.place_code`)."""

    field: str
    reason: str
    en: str
    ar: str


class Error(Exception):
    """Base of every error that a caller may see. Keywords become metadata and fill the sentences' placeholders.

    With a `field`, of its class or its own, it is one violation.
    """

    code: ClassVar[int]  # google.rpc.Code
    permanent: ClassVar[bool]  # no retry will help a consumer
    field: ClassVar[str] = ""
    http: ClassVar[int] = 0  # status of plain HTTP, where a protocol asks for another than that of `code`
    en: ClassVar[str]
    ar: ClassVar[str]

    def __init__(self, *, field: str = "", violations: Sequence[Violation] = (), **metadata: object) -> None:
        self.metadata = {key: str(value) for key, value in metadata.items()}
        self._numbers = {key for key, value in metadata.items() if isinstance(value, int)}  # no codes and no ids
        self.violations = tuple(violations)
        if (named := field or self.field) and not violations:
            self.violations = (Violation(named, self.reason, self.text("en"), self.text("ar")),)
        super().__init__(self.text("en"))

    @property
    def reason(self) -> str:
        """MEMBER_NOT_PENDING for `class MemberNotPending`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).upper()

    def text(self, language: str) -> str:
        """The sentence in `language`, "ar" or "en"; its numbers in that language's digits."""
        if language == "ar":
            numbers = {key: self.metadata[key].translate(ARABIC_DIGITS) for key in self._numbers}
            return self.ar.format(**{**self.metadata, **numbers})
        return self.en.format(**self.metadata)


class InvalidArgument(Error):
    """The request is wrong whatever the state."""

    code, permanent = 3, True
    en, ar = (
        "The request is not valid: see the named fields",
        "الطلب غير صالح: راجع الحقول المذكورة",
    )


class FieldNotChangeable(InvalidArgument):
    """The mask names what the method does not change."""

    field = "update_mask"
    en, ar = "{path} cannot be changed here", "لا يمكن تعديل {path} هنا"


class CodeUnknown(InvalidArgument):
    """The code is not in the vocabulary."""

    en, ar = "{code} is not in the vocabulary {vocabulary}", "{code} ليس من مفردات {vocabulary}"


class EndsBeforeItStarts(InvalidArgument):
    """The times are the wrong way round."""

    en, ar = "The end has to be after the start", "يجب أن تكون النهاية بعد البداية"


class Unauthenticated(Error):
    """Nobody is signed in, or not validly."""

    code, permanent = 16, True
    en, ar = "Sign in first", "سجّل الدخول أولا"


class PermissionDenied(Error):
    """Signed in, but not allowed."""

    code, permanent = 7, True
    en, ar = "You are not allowed to do this", "لا تملك صلاحية هذا الإجراء"


class RoleMissing(PermissionDenied):
    """The caller has none of the roles that this needs, or has lost it since the token was made."""

    en, ar = "Your account does not have the role that this needs", "لا يملك حسابك الدور اللازم لهذا الإجراء"


class NotFound(Error):
    """There is no such thing, or the caller may not know of it. A consumer tries again: it may arrive early."""

    code, permanent = 5, False
    en, ar = "Not found", "غير موجود"


class AlreadyExists(Error):
    """It is there already."""

    code, permanent = 6, True
    en, ar = "It exists already", "موجود مسبقا"


class Aborted(Error):
    """Somebody else was faster; read again and decide again."""

    code, permanent = 10, False
    en, ar = (
        "It has changed in the meantime: read it again",
        "تغيّر في هذه الأثناء: اقرأه من جديد",
    )


class FailedPrecondition(Error):
    """Not in this state."""

    code, permanent = 9, True
    en, ar = "This is not possible now", "لا يمكن ذلك الآن"


class ResourceExhausted(Error):
    """Too much at once."""

    code, permanent = 8, False
    en, ar = "The network is busy, try again shortly", "الشبكة مشغولة، حاول بعد قليل"


class Unavailable(Error):
    """Something that is needed is away for the moment."""

    code, permanent = 14, False
    en, ar = (
        "The service is not available now, try again shortly",
        "الخدمة غير متاحة الآن، حاول بعد قليل",
    )


class DeadlineExceeded(Error):
    """The answer did not come in time; whether the change was made is not known: ask again with the same request_id."""

    code, permanent = 4, False
    en, ar = "The answer did not come in time", "لم يصل الجواب في الوقت المحدد"


class Internal(Error):
    """A fault of ours; the log has it under the correlation id."""

    code, permanent = 13, False
    en, ar = "An error on our side; it has been recorded", "خطأ من جهتنا، وقد سُجّل"


class VersionConflict(Aborted):
    """The etag is not the current one (AIP-154), or two changes met."""


def check_etag(version: int, etag: str) -> None:
    """Raises VersionConflict unless `etag` is empty or that of `version`."""
    if etag and etag != str(version):
        raise VersionConflict
