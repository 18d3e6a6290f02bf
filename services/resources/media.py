"""Types of files that are taken, how the first bytes of a content tell its type, and which names go with it. Pure.

A short table of our own: libmagic knows a thousand types and guesses; here a type is announced and has to be true.
"""

import codecs
from collections.abc import AsyncIterator, Callable

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


TEXTS = frozenset(mime_type for mime_type, check in CHECKS.items() if check is _is_text)


def is_what_it_says(mime_type: str, head: bytes) -> bool:
    """`head`: the first HEAD bytes, or all of a shorter content."""
    return CHECKS[mime_type](head)


async def is_text_throughout(pieces: AsyncIterator[bytes]) -> bool:
    """Of one of TEXTS, whose head does not tell of the rest: UTF-8 without NUL to its end, whatever a piece cuts."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        async for piece in pieces:
            if "\0" in decoder.decode(piece):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


# -- names ---------------------------------------------------------------------------------------------------------
EXTENSIONS: dict[str, tuple[str, ...]] = {  # as IANA's registrations of the types give them, and in use
    "application/pdf": ("pdf",),
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "video/mp4": ("mp4", "m4v"),
    "text/plain": ("txt", "text"),
    "text/csv": ("csv",),
    "application/zip": ("zip",),
    "application/epub+zip": ("epub",),
    f"{_OFFICE}wordprocessingml.document": ("docx",),
    f"{_OFFICE}spreadsheetml.sheet": ("xlsx",),
    f"{_OFFICE}presentationml.presentation": ("pptx",),
    f"{_OPEN}text": ("odt",),
    f"{_OPEN}spreadsheet": ("ods",),
    f"{_OPEN}presentation": ("odp",),
}
# What a double click runs, or a browser as a page of the reader's own disk; and documents with macros.
_RUN = {
    "apk", "app", "bat", "chm", "cmd", "com", "cpl", "deb", "dll", "dmg", "exe", "hta", "htm", "html", "jar", "js",
    "jse", "lnk", "mht", "mhtml", "msc", "msi", "msix", "pif", "ps1", "reg", "rpm", "run", "scr", "sh", "svg", "url",
    "vb", "vbe", "vbs", "wsf", "wsh", "xhtml",
    "docm", "dotm", "pptm", "potm", "ppam", "ppsm", "xlsm", "xlam", "xltm",
}  # fmt: skip
_KNOWN = _RUN.union(*EXTENSIONS.values())


def wrong_extension(mime_type: str, name: str) -> str:
    """That of another type or of a program; else empty: no extension, or what stands behind a dot and is none."""
    _, dot, extension = name.rstrip(". ").rpartition(".")  # Windows takes no notice of dots and blanks at the end
    extension = extension.lower()
    return extension if dot and extension in _KNOWN.difference(EXTENSIONS[mime_type]) else ""
