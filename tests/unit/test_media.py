"""The first bytes of a content tell whether it is what it says; a text is one to its end; a name fits its type."""

import io
import zipfile
from collections.abc import AsyncIterator

import pytest

from services.resources import media

OFFICE = "application/vnd.openxmlformats-officedocument."


def archive(*names: str, first: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        if first:
            file.writestr("mimetype", first)
        for name in names:
            file.writestr(name, "x")
    return made.getvalue()


CONTENTS: dict[str, bytes] = {
    "application/pdf": b"\xef\xbb\xbf\n%PDF-1.4\n%\xe2\xe3\xcf\xd3",
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "video/mp4": b"\0\0\0\x20ftypisom",
    "text/plain": "نص عربي".encode(),
    "text/csv": "اسم,عدد\nمدرسة,3\n".encode(),
    "application/zip": archive("a.txt"),
    "application/epub+zip": archive("OEBPS/a.xhtml", first="application/epub+zip"),
    f"{OFFICE}wordprocessingml.document": archive("[Content_Types].xml", "word/document.xml"),
    f"{OFFICE}spreadsheetml.sheet": archive("[Content_Types].xml", "xl/workbook.xml"),
    f"{OFFICE}presentationml.presentation": archive("[Content_Types].xml", "ppt/presentation.xml"),
    **{kind: archive("content.xml", first=kind) for kind in media.CHECKS if kind.startswith("application/vnd.oasis")},
}
ALSO = {("text/plain", "text/csv"), ("text/csv", "text/plain")}  # cannot be told apart


@pytest.mark.parametrize("mime_type", media.CHECKS)
def test_a_content_is_what_it_is_and_nothing_else(mime_type: str) -> None:
    for kind, content in CONTENTS.items():
        zipped = mime_type == "application/zip" and content.startswith(b"PK")
        expected = kind == mime_type or zipped or (kind, mime_type) in ALSO
        assert media.is_what_it_says(mime_type, content[: media.HEAD]) is expected, kind
    assert not media.is_what_it_says(mime_type, b"\x7fELF\x02\x01\x01\0")


def test_text_is_utf_8_though_the_head_cuts_a_letter() -> None:
    long = ("x" + "م" * media.HEAD).encode()[: media.HEAD]
    with pytest.raises(UnicodeDecodeError):
        long.decode()
    assert media.is_what_it_says("text/plain", long)
    for broken in ("مدرسة".encode("cp1256"), b"a\0b", "م".encode()[:1], b"\xff" + long[1:]):
        assert not media.is_what_it_says("text/plain", broken)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 1 << 20])
async def test_a_text_is_one_to_its_end_whatever_a_piece_cuts(length: int) -> None:
    async def pieces(content: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(content), length):
            yield content[at : at + length]

    long = "اسم,عدد 🏫\n".encode() * 300
    assert await media.is_text_throughout(pieces(long))
    for broken in (long + b"\xff", long + b"\xff\n", long + b"\0", long + "م".encode()[:1], b"\xff" + long):
        assert not await media.is_text_throughout(pieces(broken)), broken[-3:]


@pytest.mark.parametrize(
    ("mime_type", "name", "wrong"),
    [
        ("text/plain", "x.exe", "exe"),
        ("text/plain", "درس.EXE", "exe"),
        ("text/plain", "x.exe. .", "exe"),  # so Windows runs it
        ("text/plain", "x.txt.js", "js"),
        ("image/png", "x.pdf", "pdf"),
        ("application/pdf", "x.png", "png"),
        ("application/zip", "x.docx", "docx"),
        (f"{OFFICE}wordprocessingml.document", "x.docm", "docm"),
        ("image/jpeg", "x.JPEG", ""),
        ("image/jpeg", "صورة.jpg", ""),
        ("application/pdf", "تقرير 12.3.2027", ""),  # no extension but a date
        ("application/pdf", "المادة 1.النسخة الثانية", ""),
        ("text/plain", "README", ""),
        ("text/plain", "pdf", ""),
        ("text/plain", "درس.md", ""),
        ("text/csv", ".csv", ""),
    ],
)
def test_a_name_ends_as_its_type_or_in_nothing_that_is_known(mime_type: str, name: str, wrong: str) -> None:
    assert media.wrong_extension(mime_type, name) == wrong


def test_every_type_that_is_taken_has_its_extensions() -> None:
    assert media.EXTENSIONS.keys() == media.CHECKS.keys()
    assert len({one for some in media.EXTENSIONS.values() for one in some}) == sum(map(len, media.EXTENSIONS.values()))
