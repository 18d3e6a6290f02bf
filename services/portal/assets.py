"""Static files under names that change with their contents, so that browsers may keep them for ever."""

import functools
import hashlib
import pathlib
import posixpath
import re

FOLDER = pathlib.Path(__file__).parent / "static"
SERVED = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


class Assets:
    """All of `folder`, in memory (about 200 KB). Raises KeyError for a file that a style sheet names and nobody has."""

    def __init__(self, folder: pathlib.Path = FOLDER) -> None:
        self._paths: dict[str, str] = {}  # css/site.css: css/site.1a2b3c4d5e.css
        self._files: dict[str, tuple[bytes, str]] = {}  # the latter: contents, media type
        # Style sheets last: they name the others.
        for path in sorted(folder.rglob("*"), key=lambda path: (path.suffix == ".css", path)):
            if path.suffix in SERVED:
                self._add(path.relative_to(folder), path.read_bytes())

    def _add(self, path: pathlib.Path, contents: bytes) -> None:
        if path.suffix == ".css":
            contents = re.sub(rb"/\*(?!!).*?\*/\n?", b"", contents, flags=re.DOTALL)  # comments but for licences
            contents = re.sub(rb'url\("?(?!data:)([^")]+)"?\)', lambda found: self._inside(path, found[1]), contents)
        hashed = path.with_suffix(f".{hashlib.sha256(contents).hexdigest()[:10]}{path.suffix}").as_posix()
        self._paths[path.as_posix()] = hashed
        self._files[hashed] = (contents, SERVED[path.suffix])

    def _inside(self, sheet: pathlib.Path, name: bytes) -> bytes:
        return f'url("{self.url(posixpath.normpath(sheet.parent / name.decode()))}")'.encode()

    def url(self, path: str) -> str:
        """`/static/css/site.1a2b3c4d5e.css` for `css/site.css`. Raises KeyError."""
        return f"/static/{self._paths[path]}"

    def read(self, hashed: str) -> tuple[bytes, str] | None:
        """Contents and media type; None when there is no such file."""
        return self._files.get(hashed)


@functools.cache
def load() -> Assets:
    """The portal's own, read once."""
    return Assets()
