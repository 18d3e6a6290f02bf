"""Types of files that are taken, and how the first bytes of a content tell its type. Pure.

A short table of our own: libmagic knows a thousand types and guesses; here a type is announced and has to be true.
"""

from collections.abc import Callable

Check = Callable[[bytes], bool]
HEAD = 1 << 16  # bytes, from the beginning, by which a content is judged
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."


def _starts(*marks: bytes) -> Check:
    return lambda head: head.startswith(marks)


def _holds(folder: bytes) -> Check:
    """An Office document: a ZIP archive with this folder."""
    return lambda head: head.startswith(b"PK\x03\x04") and folder in head


def _says(mime_type: str) -> Check:
    """OpenDocument and EPUB: a ZIP archive whose first entry, not compressed, is its type (OCF 3.2, ODF 1.3)."""
    return lambda head: head.startswith(b"PK\x03\x04") and head[30:].startswith(f"mimetype{mime_type}".encode())


def _is_text(head: bytes) -> bool:
    """UTF-8 without NUL; a letter that the head cuts is none of its mistakes."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if len(head) < HEAD or error.start < len(head) - 3 or error.reason != "unexpected end of data":
            return False
    return b"\0" not in head


CHECKS: dict[str, Check] = {
    "application/pdf": lambda head: b"%PDF-" in head[:1024],  # ISO 32000-1, annex H: not always the first byte
    "image/png": _starts(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "video/mp4": lambda head: head[4:8] == b"ftyp",  # ISO 14496-12
    "text/plain": _is_text,
    "text/csv": _is_text,
    "application/zip": _starts(b"PK\x03\x04", b"PK\x05\x06"),
    "application/epub+zip": _says("application/epub+zip"),
    f"{_OFFICE}wordprocessingml.document": _holds(b"word/"),
    f"{_OFFICE}spreadsheetml.sheet": _holds(b"xl/"),
    f"{_OFFICE}presentationml.presentation": _holds(b"ppt/"),
    **{f"{_OPEN}{kind}": _says(f"{_OPEN}{kind}") for kind in ("text", "spreadsheet", "presentation")},
}


def is_what_it_says(mime_type: str, head: bytes) -> bool:
    """`head`: the first HEAD bytes, or all of a shorter content."""
    return CHECKS[mime_type](head)
