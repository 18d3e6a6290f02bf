"""A form with a file, read as it comes: the fields first, then the file, which goes straight on to where it is kept.

So a file of any size takes one chunk of memory and no disk. The file is the form's last field, and its length is what
the request's length leaves for it: who keeps it is told the length first. RFC 7578, in the form that browsers write.
"""

from collections.abc import AsyncIterator

from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

TYPE = "multipart/form-data"
MOST = 1 << 20  # bytes before the file


class File:
    """`name` and `mime_type` as the browser says them; iterate over it once for its bytes."""

    def __init__(self, name: str, mime_type: str, size: int, begun: bytes, rest: AsyncIterator[bytes], end: bytes):
        self.name, self.mime_type, self.size = name, mime_type, size
        self._begun, self._rest, self._end = begun, rest, end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises HTTPException before the last piece when something else stands behind it."""
        left, waiting, behind = self.size, b"", bytearray()
        async for chunk in self._chunks():
            inside = chunk[:left]
            left -= len(inside)
            behind += chunk[len(inside) :]
            if inside:
                if waiting:
                    yield waiting
                waiting = inside
        if left or behind != self._end:
            raise HTTPException(400)
        if waiting:
            yield waiting

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self._begun
        async for chunk in self._rest:
            yield chunk

    async def pass_over(self) -> None:
        """Reads what was not read."""
        async for _ in self._rest:
            pass


async def read(request: Request) -> tuple[dict[str, list[str]], File | None]:
    """The fields before the file, and the file. Raises HTTPException."""
    _, options = parse_options_header(request.headers["content-type"])
    length = request.headers.get("content-length", "")
    if not options.get(b"boundary") or not length.isdecimal():
        raise HTTPException(411 if not length else 400)
    delimiter = b"\r\n--" + options[b"boundary"]
    stream = request.stream()
    held, came = bytearray(b"\r\n"), 0  # so that the first delimiter begins as the others do

    async def until(mark: bytes) -> bytes:
        """What comes before the mark, which is passed over."""
        nonlocal came
        while (at := held.find(mark)) < 0:
            chunk = await anext(stream, b"")
            if not chunk or came > MOST:
                raise HTTPException(413 if chunk else 400)
            held.extend(chunk)
            came += len(chunk)
        found = bytes(held[:at])
        del held[: at + len(mark)]
        return found

    typed: dict[str, list[str]] = {}
    await until(delimiter)
    while await until(b"\r\n") != b"--":
        said = _headers(await until(b"\r\n\r\n"))
        _, about = parse_options_header(said.get(b"content-disposition", b""))
        if b"filename" not in about:
            value = (await until(delimiter)).decode().replace("\r\n", "\n")
            typed.setdefault(about.get(b"name", b"").decode(errors="replace"), []).append(value)
            continue
        end = delimiter + b"--\r\n"
        size = int(length) - (came - len(held)) - len(end)
        if size < 0:
            raise HTTPException(400)
        name = about[b"filename"].decode(errors="replace").replace("%22", '"')  # as browsers write it
        mime_type = said.get(b"content-type", b"").decode(errors="replace")
        return typed, File(name, mime_type, size, bytes(held), stream, end)
    return typed, None


def _headers(lines: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in lines.split(b"\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
