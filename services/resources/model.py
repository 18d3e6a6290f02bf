"""Records, their versions and files: states, transitions and errors. Pure."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chassis import errors
from chassis.values import LocalizedText

CURATOR = "curator"
MOST_FILES = 50  # of a record: all of them travel with each of its events


# -- errors --------------------------------------------------------------------------------------------------------
class RecordNotFound(errors.NotFound):
    """No such record, or the caller may not know of it."""

    en, ar = "There is no such record", "لا توجد مادة كهذه"


class NotPublisher(errors.PermissionDenied):
    """Only who acts for its publisher may change it; a curator may also withdraw it."""

    en, ar = "Only its publisher may do this", "هذا الإجراء لناشر المادة وحده"


class RecordInOtherState(errors.FailedPrecondition):
    """The record is not in a state from which this can be done."""

    en, ar = "This is not possible while the record is {state_en}", "لا يمكن ذلك في حالة المادة هذه: {state_ar}"


class VersionUnfinished(errors.AlreadyExists):
    """The concept has a version that is not published yet."""

    en = "There is an unfinished version already: publish or withdraw it first"
    ar = "هناك نسخة لم تكتمل بعد: انشرها أو اسحبها أولا"


class StateNotListed(errors.InvalidArgument):
    """What is not published is listed for its publisher, or for curators once it was submitted."""

    field = "state"
    en = "Records in this state are listed for their publisher only: name the one that you act for"
    ar = "المواد في هذه الحالة تُعرض لناشرها وحده: حدّد الناشر الذي تمثّله"


class FileNotFound(errors.NotFound):
    """No such file, or the caller may not know of it."""

    en, ar = "There is no such file", "لا يوجد ملف كهذا"


class UploadNotFound(errors.NotFound):
    """No such upload, or another account's; one that is not finished in time is forgotten."""

    en, ar = "There is no such upload", "لا توجد عملية رفع كهذه"


class FileTooLarge(errors.InvalidArgument):
    """More bytes than a file may have, or than the upload was announced with."""

    field, http = "Upload-Length", 413
    en, ar = "The file is larger than {most} bytes", "حجم الملف أكبر من {most} بايت"


class OffsetWrong(errors.Aborted):
    """What is sent does not go on where the stored part ends: ask for the offset by HEAD (tus 1.0)."""

    en, ar = "The upload goes on at byte {offset}", "يُستأنف الرفع من البايت {offset}"


class ChecksumWrong(errors.InvalidArgument):
    """Bytes were changed on the way; they are not kept."""

    field, http = "Upload-Checksum", 460
    en, ar = "The bytes are not those of the checksum: send them again", "البيانات لا تطابق رمز التحقق: أرسلها من جديد"


class HeaderInvalid(errors.InvalidArgument):
    """A header of the upload is missing or not readable; `field` names it."""

    en, ar = "This is missing or not valid", "هذه القيمة ناقصة أو غير صالحة"


class ProtocolUnknown(errors.FailedPrecondition):
    """Another version of tus than ours, or none."""

    http = 412
    en = "Uploads speak tus {version}: send it as Tus-Resumable"
    ar = "الرفع ببروتوكول tus {version}: أرسله في Tus-Resumable"


class MediaTypeUnknown(errors.InvalidArgument):
    """Files of this type are not taken."""

    field = "Upload-Metadata.filetype"
    en, ar = "Files of this type are not taken; those that are: {known}", "لا تُقبل ملفات من هذا النوع؛ المقبول: {known}"


class ContentMismatch(errors.InvalidArgument):
    """The content is not of the type that it was announced as; text has to be UTF-8."""

    field = "Upload-Metadata.filetype"
    en = "The content is not {mime_type}; text has to be UTF-8"
    ar = "المحتوى ليس من نوع {mime_type}؛ والنصوص بترميز UTF-8"


class FileNameMismatch(errors.InvalidArgument):
    """The name ends as those of another type, or as a program's."""

    field = "Upload-Metadata.filename"
    en = "The name of a file of type {mime_type} does not end in .{extension}"
    ar = "اسم ملف {mime_type} لا ينتهي بـ.{extension}"


class TooManyFiles(errors.FailedPrecondition):
    """The record is full."""

    en, ar = "A record has at most {most} files", "للمادة {most} ملفا على الأكثر"


class VocabularyNotFound(errors.NotFound):
    """No vocabulary has this name."""

    en, ar = "There is no such vocabulary", "لا توجد قائمة مفردات كهذه"


# -- records -------------------------------------------------------------------------------------------------------
class RecordType(StrEnum):
    LESSON_PLAN = "LESSON_PLAN"
    GUIDE = "GUIDE"
    REPORT = "REPORT"
    COURSE_MATERIAL = "COURSE_MATERIAL"
    DATASET = "DATASET"
    VIDEO = "VIDEO"
    OTHER = "OTHER"


class RecordState(StrEnum):
    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    RETURNED = "RETURNED"
    PUBLISHED = "PUBLISHED"
    WITHDRAWN = "WITHDRAWN"
    SUPERSEDED = "SUPERSEDED"


CHANGEABLE = (RecordState.DRAFT, RecordState.RETURNED)
UNFINISHED = (RecordState.DRAFT, RecordState.SUBMITTED, RecordState.RETURNED)
_SAID = {
    RecordState.DRAFT: ("a draft", "مسودة"),
    RecordState.SUBMITTED: ("submitted", "مقدَّم"),
    RecordState.RETURNED: ("returned", "معاد إلى ناشره"),
    RecordState.PUBLISHED: ("published", "منشور"),
    RecordState.WITHDRAWN: ("withdrawn", "مسحوب"),
    RecordState.SUPERSEDED: ("superseded", "مستبدَل بنسخة أحدث"),
}


class File(Struct, frozen=True, kw_only=True):
    """A file of a record; `sha256` in hexadecimal. Versions share files; the content has the file's id."""

    file_id: str
    name: str
    language_code: str
    mime_type: str
    size_bytes: int
    sha256: str
    create_time: datetime


class Upload(Struct, frozen=True, kw_only=True):
    """A file on its way. `file_id` is that of the file which it becomes, and of its content; `sha256` is expected."""

    file_id: str
    record_id: str
    account_id: str
    name: str
    language_code: str
    mime_type: str
    size_bytes: int
    create_time: datetime
    expire_time: datetime
    sha256: str = ""
    finished: bool = False
    version: int = 0

    def finish(self, *, sha256: str, at: datetime) -> tuple["Upload", File]:
        """The finished upload and its file. Raises ChecksumWrong."""
        if self.sha256 and self.sha256 != sha256:
            raise ChecksumWrong(field="Upload-Metadata.sha256")
        file = File(
            file_id=self.file_id,
            name=self.name,
            language_code=self.language_code,
            mime_type=self.mime_type,
            size_bytes=self.size_bytes,
            sha256=sha256,
            create_time=at,
        )
        return replace(self, finished=True), file


class Record(Struct, frozen=True, kw_only=True):
    """One version; codes are those of the vocabularies, `licence` is an SPDX identifier."""

    record_id: str
    concept_id: str
    version_number: int
    state: RecordState
    publisher_id: str
    title: LocalizedText
    licence: str
    type: RecordType
    create_time: datetime
    description: LocalizedText | None = None
    keywords: tuple[LocalizedText, ...] = ()
    creators: tuple[str, ...] = ()
    language_codes: tuple[str, ...] = ()
    subject_codes: tuple[str, ...] = ()
    level_codes: tuple[str, ...] = ()
    place_codes: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    return_note: LocalizedText | None = None
    withdraw_reason: LocalizedText | None = None
    submit_time: datetime | None = None
    publish_time: datetime | None = None
    version: int = 0

    @property
    def is_public(self) -> bool:
        """Was it ever published? Then everybody may read it, whatever became of it."""
        return self.publish_time is not None

    def change(self, **changes: object) -> "Record":
        """Raises RecordInOtherState unless it is a draft or was returned."""
        self._expect(*CHANGEABLE)
        return replace(self, **changes)

    def with_file(self, file: File) -> "Record":
        """Raises RecordInOtherState, TooManyFiles."""
        if len(self.files) >= MOST_FILES:
            raise TooManyFiles(most=MOST_FILES)
        return self.change(files=(*self.files, file))

    def without_file(self, file_id: str) -> "Record":
        """Raises RecordInOtherState, FileNotFound."""
        kept = tuple(file for file in self.files if file.file_id != file_id)
        if len(kept) == len(self.files):
            raise FileNotFound
        return self.change(files=kept)

    def submit(self, *, at: datetime) -> "Record":
        """Raises RecordInOtherState."""
        self._expect(*CHANGEABLE)
        return replace(self, state=RecordState.SUBMITTED, submit_time=at, return_note=None)

    def give_back(self, *, note: LocalizedText) -> "Record":
        """Raises RecordInOtherState."""
        self._expect(RecordState.SUBMITTED)
        return replace(self, state=RecordState.RETURNED, return_note=note)

    def publish(self, *, at: datetime) -> "Record":
        """Raises RecordInOtherState."""
        self._expect(RecordState.SUBMITTED)
        return replace(self, state=RecordState.PUBLISHED, publish_time=at)

    def supersede(self) -> "Record":
        """Raises RecordInOtherState."""
        self._expect(RecordState.PUBLISHED)
        return replace(self, state=RecordState.SUPERSEDED)

    def withdraw(self, *, reason: LocalizedText) -> "Record":
        """Raises RecordInOtherState."""
        self._expect(*UNFINISHED, RecordState.PUBLISHED, RecordState.SUPERSEDED)
        return replace(self, state=RecordState.WITHDRAWN, withdraw_reason=reason, return_note=None)

    def next_version(self, *, record_id: str, number: int, at: datetime) -> "Record":
        """A draft with the same contents and files. Raises RecordInOtherState."""
        self._expect(RecordState.PUBLISHED, RecordState.WITHDRAWN)
        return replace(
            self,
            record_id=record_id,
            version_number=number,
            state=RecordState.DRAFT,
            create_time=at,
            withdraw_reason=None,
            submit_time=None,
            publish_time=None,
            version=0,
        )

    def announced(self) -> "Record":
        """What others may know of it: until it was published, nothing of what its publisher wrote."""
        if self.is_public:
            return self
        return Record(
            record_id=self.record_id,
            concept_id=self.concept_id,
            version_number=self.version_number,
            state=self.state,
            publisher_id=self.publisher_id,
            title=LocalizedText(),
            licence=self.licence,
            type=self.type,
            create_time=self.create_time,
            submit_time=self.submit_time,
            version=self.version,
        )

    def _expect(self, *states: RecordState) -> None:
        if self.state not in states:
            english, arabic = _SAID[self.state]
            raise RecordInOtherState(state=self.state.name, state_en=english, state_ar=arabic)


# -- search --------------------------------------------------------------------------------------------------------
class Range(Struct, frozen=True):
    """Some letters of a text, in code points."""

    start: int
    end: int


class Snippet(Struct, frozen=True, kw_only=True):
    """A piece of a record's `field` in a language, with the words that were looked for."""

    field: str
    language_code: str
    text: str
    highlights: tuple[Range, ...]


class SearchResult(Struct, frozen=True, kw_only=True):
    """`record` comes without its description: the snippets have what is of interest in it."""

    record: Record
    snippets: tuple[Snippet, ...]


class FacetValue(Struct, frozen=True):
    """How many have this value."""

    value: str
    count: int


class Facet(Struct, frozen=True):
    """`field` is that of the request which filters by it."""

    field: str
    values: tuple[FacetValue, ...]


class Found(Struct, frozen=True, kw_only=True):
    """A page of a search. `is_complete`: every record was looked at that could have matched."""

    results: tuple[SearchResult, ...]
    next_page_token: str
    total_size: int
    facets: tuple[Facet, ...]
    is_complete: bool
