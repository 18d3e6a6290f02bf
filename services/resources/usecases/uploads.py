"""Files on their way in and out. Bytes go beside the transactions: until an upload ends they are nobody's."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from chassis.call import Caller
from chassis.ids import new_id
from chassis.tx import Tx
from participants import usecases as participants
from services.resources import contents, media, store
from services.resources.model import (
    CURATOR,
    ContentMismatch,
    File,
    FileNameMismatch,
    FileNotFound,
    FileTooLarge,
    MediaTypeUnknown,
    RecordState,
    Upload,
    UploadNotFound,
)
from services.resources.usecases.records import own_record

GIVEN_OUT = (RecordState.PUBLISHED, RecordState.SUPERSEDED)


async def create_upload(
    tx: Tx, *, record_id: str, by: Caller, size_bytes: int, most: int, life: timedelta, **said: Any
) -> Upload:
    """Announce a file of a draft; `said`: name, language_code, mime_type, sha256.

    Raises RecordNotFound, NotPublisher, RecordInOtherState, TooManyFiles, FileTooLarge, MediaTypeUnknown,
    FileNameMismatch.
    """
    record = await own_record(tx, record_id=record_id, by=by)
    if size_bytes > most:
        raise FileTooLarge(most=most)
    if said["mime_type"] not in media.CHECKS:
        raise MediaTypeUnknown(known=", ".join(names[0].upper() for names in media.EXTENSIONS.values()))
    if extension := media.wrong_extension(said["mime_type"], said["name"]):
        raise FileNameMismatch(mime_type=said["mime_type"], extension=extension)
    upload = Upload(
        file_id=new_id(),
        record_id=record_id,
        account_id=by.subject,
        size_bytes=size_bytes,
        create_time=tx.now,
        expire_time=tx.now + life,
        **said,
    )
    record.with_file(upload.finish(sha256=upload.sha256, at=tx.now)[1])  # refuses at once what it would at the end
    tx.set_timer(store.UPLOAD_EXPIRES, subject=upload.file_id, at=upload.expire_time)
    return await store.add(tx, upload)


async def get_upload(tx: Tx, *, file_id: str, by: Caller) -> Upload:
    """One's own. Raises UploadNotFound."""
    upload = await store.find_upload(tx, file_id)
    if upload is None or upload.account_id != by.subject:
        raise UploadNotFound
    return upload


async def finish_upload(tx: Tx, *, file_id: str, sha256: str, by: Caller) -> Upload:
    """Make the file one of its record's; again, it changes nothing.

    Raises UploadNotFound, ChecksumWrong, and what create_upload raises of the record.
    """
    upload = await get_upload(tx, file_id=file_id, by=by)
    if upload.finished:
        return upload
    record = await own_record(tx, record_id=upload.record_id, by=by)
    finished, file = upload.finish(sha256=sha256, at=tx.now)
    await store.save_record(tx, record.with_file(file))
    contents.seal(tx, file_id, length=file.size_bytes, name=file.name, mime_type=file.mime_type)
    return await store.save(tx, finished)


async def end_upload(tx: Tx, *, file_id: str, by: Caller) -> None:
    """Forget an upload that is not finished, with what it stored. Raises UploadNotFound."""
    upload = await get_upload(tx, file_id=file_id, by=by)
    if upload.finished:
        raise UploadNotFound
    tx.cancel_timer(store.UPLOAD_EXPIRES, subject=file_id)
    _forget(tx, upload)


async def expire_upload(tx: Tx, *, file_id: str) -> None:
    """Its time has passed: what was not finished goes with its bytes; the file of what was is its record's."""
    if upload := await store.find_upload(tx, file_id):
        _forget(tx, upload)


def _forget(tx: Tx, upload: Upload) -> None:
    store.drop_upload(tx, upload.file_id)
    if not upload.finished:
        contents.drop(tx, upload.file_id)


def check_content(mime_type: str, head: bytes) -> None:
    """Raises ContentMismatch when the first bytes of a content are not of this type."""
    if not media.is_what_it_says(mime_type, head):
        raise ContentMismatch(mime_type=mime_type)


async def check_whole(mime_type: str, pieces: AsyncIterator[bytes]) -> None:
    """Raises ContentMismatch when a text is none to its end."""
    if mime_type in media.TEXTS and not await media.is_text_throughout(pieces):
        raise ContentMismatch(mime_type=mime_type)


async def get_file(tx: Tx, *, file_id: str, by: Caller) -> tuple[File, bool]:
    """A file, and whether everybody may have it. Raises FileNotFound, also for what the caller may not know of.

    It is given out with the published and superseded versions that have it; else to its publisher and to curators.
    """
    records = await store.find_records_with(tx, file_id)
    public = any(record.state in GIVEN_OUT for record in records)
    for record in records:
        curated = CURATOR in by.roles and record.state is not RecordState.DRAFT
        if public or curated or await participants.acts_for(tx, by=by, participant_id=record.publisher_id):
            return next(file for file in record.files if file.file_id == file_id), public
    raise FileNotFound
