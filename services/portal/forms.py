"""Forms whose fields are named by their path in a request: `need.lines.0.quantity` is `need.lines[0].quantity`.

So a page says which fields it has and nothing else: what is typed becomes the request by the contract's own types, and
what a service refuses finds its field by the same name.
"""

import contextlib
import datetime
import re
import uuid
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import pb
from services.portal.refusals import Refused
from wasl.type.v1.localized_text_pb2 import LocalizedText

M = TypeVar("M", bound=Message)
ZONE = "Asia/Damascus"  # of times, unless the form has another
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
_GROUPS = "[,٬ \u00a0\u202f]"  # 1,000 and 1 000 in either language; 1.000 may be either
_NUMBER = re.compile(f"-?([0-9]+|[0-9]{{1,3}}({_GROUPS}[0-9]{{3}})+)")
_HIGHEST = 2**31 - 1
_INTEGERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
Convert = Callable[[str], Any]


class Form:
    """What was typed, or else what stood there before; and what is wrong with it.

    `sent`: is it to be acted upon? `status`: of the page that shows it. `translate`: a message's key to its text.
    """

    def __init__(self, typed: dict[str, list[str]], *, sent: bool, translate: Callable[[str], str]) -> None:
        self.typed, self.sent, self._translate = typed, sent, translate
        self._filled: dict[str, list[str]] = {}
        self.errors: dict[str, str] = {}
        self.summary = ""
        self.status = 200

    # -- for templates ---------------------------------------------------------------------------------------------
    def values(self, name: str) -> Sequence[str]:
        return self.typed.get(name) or ([] if self.typed else self._filled.get(name, []))

    def value(self, name: str, otherwise: str = "") -> str:
        found = self.values(name)
        return found[0] if found else otherwise

    def wrong(self, name: str) -> str:
        """What is wrong with a field, or with one of its values or rows."""
        return next((text for one, text in self.errors.items() if one == name or one.startswith(f"{name}.")), "")

    def rows(self, prefix: str, least: int = 1) -> range:
        """Numbers of the repeated messages `prefix.0`, `prefix.1` that there are, `least` at least."""
        return range(max(least, *(number + 1 for number in _numbers(prefix, self.typed or self._filled)), 0))

    def has(self, prefix: str) -> bool:
        """Does a row hold anything but its identity?"""
        known = self.typed or self._filled
        return any(_is_said(name) and any(known[name]) for name in known if name.startswith(f"{prefix}."))

    def request_id(self) -> str:
        """For a hidden field: a form that is sent twice makes one thing."""
        return self.value("request_id") or str(uuid.uuid4())

    # -- for handlers ----------------------------------------------------------------------------------------------
    def fill(self, prefix: str, message: Message, zone: str = ZONE) -> None:
        """With what a resource has now."""
        self._filled |= dict(_flat(prefix, message, zoneinfo.ZoneInfo(zone)))

    def message(self, kind: type[M], zone: str = ZONE, **known: Any) -> M:
        """The request that was typed, with the `known` fields set. Raises Refused for what a field cannot hold."""
        wrong: dict[str, str] = {}
        try:
            local = zoneinfo.ZoneInfo(zone or ZONE)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            local = zoneinfo.ZoneInfo(ZONE)  # the service refuses the zone itself
        rows: dict[str, list[int]] = {}
        made = self._read(kind.DESCRIPTOR, "", local, wrong, rows)
        if wrong:
            raise Refused(400, fields=wrong)
        for name, numbers in rows.items():
            if numbers:
                self._close_up(name, numbers)
        return kind(**{**made, **known})

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """What is refused inside is shown by the form, on the page that comes next. Raises as `refuse`."""
        try:
            yield
        except Refused as refused:
            self.refuse(refused)

    def refuse(self, refused: Refused, *, saved: bool = False) -> None:
        """Shows what a service says. Raises it again when it is not about what was typed and will not pass.

        `saved`: what was typed is saved, and something else was refused.
        """
        if refused.status in (404, 500, 501) or (refused.status == 401 and refused.reason != "CREDENTIALS_WRONG"):
            raise refused
        self.errors = {_form_name(path): text for path, text in refused.fields.items()}
        self.summary = self._translate("form.wrong") if self.errors else refused.text or self._translate("form.busy")
        if saved:
            self._add("form.saved")
        fresh = {name: values for name, values in self._filled.items() if name.endswith(".etag") and name in self.typed}
        if refused.reason == "VERSION_CONFLICT" and fresh and not saved:  # who reads that, and sends it again, means it
            self.typed |= fresh
            self._add("form.again")
        self.status = refused.status

    def _add(self, key: str) -> None:
        """Another sentence; what services say has no stop at its end."""
        self.summary = f"{self.summary.rstrip('.')}. {self._translate(key)}"

    def missing(self) -> list[str]:
        """Errors of fields that the form does not show."""
        return [f"{name}: {text}" for name, text in self.errors.items() if not self._shows(name)]

    def _shows(self, name: str) -> bool:
        shown = any(one in (name, _field(name)) or one.startswith(f"{name}.") for one in self.typed)
        return shown and name.rpartition(".")[2] not in ("request_id", "line_id", "session_id")  # which are hidden

    def _asks_for(self, field: FieldDescriptor, name: str) -> bool:
        """Is it there though all its fields were left empty, so that a service names these? A text is not."""
        is_text = field.message_type == LocalizedText.DESCRIPTOR
        return not is_text and any(one.startswith(f"{name}.") for one in self.typed)

    def _close_up(self, prefix: str, numbers: list[int]) -> None:
        """Keeps these rows only, numbered as a service counts them when it names one."""
        before = {name: self.typed.pop(name) for name in list(self.typed) if name.startswith(f"{prefix}.")}
        for new, old in enumerate(numbers):
            start = f"{prefix}.{old}."
            found = {name: values for name, values in before.items() if name.startswith(start)}
            self.typed |= {f"{prefix}.{new}.{name.removeprefix(start)}": values for name, values in found.items()}

    def _read(
        self, kind: Any, prefix: str, zone: zoneinfo.ZoneInfo, wrong: dict[str, str], rows: dict[str, list[int]]
    ) -> dict[str, Any]:
        """`rows`: is given the numbers of those that were not left empty, by the field that they are of."""
        made: dict[str, Any] = {}
        for field in kind.fields:
            name = prefix + field.name
            if field.message_type and field.message_type.full_name != "google.protobuf.Timestamp":
                if field.is_repeated:
                    read = {
                        number: self._read(field.message_type, f"{name}.{number}.", zone, wrong, rows)
                        for number in _numbers(name, self.typed)
                    }
                    rows[name] = [number for number, row in read.items() if any(map(_is_said, row))]
                    if rows[name]:
                        made[field.name] = [read[number] for number in rows[name]]
                    continue
                inner = self._read(field.message_type, f"{name}.", zone, wrong, rows)
                if inner or self._asks_for(field, name):
                    made[field.name] = inner
                continue
            values: list[Any] = []
            for text in self.typed.get(name, ()):
                try:
                    if text.strip():
                        values.append(_value(field, text.strip(), zone))
                except (ValueError, OverflowError):  # the year 1 in another zone is none
                    wrong[name] = self._translate("form.number" if field.cpp_type in _INTEGERS else "form.value")
            if values:
                made[field.name] = values if field.is_repeated else values[0]
        return made


def _value(field: FieldDescriptor, text: str, zone: zoneinfo.ZoneInfo) -> Any:
    """Raises ValueError."""
    if field.cpp_type in _INTEGERS:
        if not _NUMBER.fullmatch(text := text.translate(_DIGITS)):
            raise ValueError(text)
        number = int(re.sub(_GROUPS, "", text))
        return max(-_HIGHEST, min(number, _HIGHEST))  # the service says how many are too many
    if field.enum_type:
        return field.enum_type.values_by_name[text].number if text in field.enum_type.values_by_name else _raise(text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if field.message_type:
        local = datetime.datetime.fromisoformat(text.translate(_DIGITS))
        return pb.timestamp(local.replace(tzinfo=zone).astimezone(datetime.UTC))
    return text


def _raise(text: str) -> Any:
    raise ValueError(text)


def _flat(prefix: str, message: Message, zone: zoneinfo.ZoneInfo) -> Iterator[tuple[str, list[str]]]:
    for field, value in message.ListFields():
        name = f"{prefix}.{field.name}"
        if isinstance(value, Timestamp):
            local = pb.moment(value).astimezone(zone).replace(tzinfo=None)
            yield name, [local.isoformat(timespec="seconds" if local.second else "minutes")]  # as it is: no change
        elif field.message_type and field.is_repeated:
            for number, one in enumerate(value):
                yield from _flat(f"{name}.{number}", one, zone)
        elif field.message_type:
            yield from _flat(name, value, zone)
        else:
            yield name, [_text(field, one) for one in (value if field.is_repeated else [value])]


def _text(field: FieldDescriptor, value: Any) -> str:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true"  # as a box sends it; what is not set is not listed
    return field.enum_type.values_by_number[value].name if field.enum_type else str(value)


def _numbers(prefix: str, names: Mapping[str, Any]) -> list[int]:
    """Of `prefix.NUMBER.…`, ascending; at most a hundred."""
    found = {match[1] for name in names if (match := re.match(re.escape(prefix) + r"\.(\d{1,2})\.", name))}
    return sorted(map(int, found))


def _is_said(name: str) -> bool:
    """Not by a hidden field."""
    return not name.endswith("_id")


def _field(name: str) -> str:
    """`record.creators` for `record.creators.2`."""
    return re.sub(r"\.\d+$", "", name)


def _form_name(path: str) -> str:
    """`need.lines.0.quantity` for `need.lines[0].quantity`."""
    return re.sub(r"\[(\d+)\]", r".\1", path)
