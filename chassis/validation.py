"""What the contract demands of a request: its rules kept, and only names that its messages have; in both languages."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, cast
from urllib.parse import unquote

import protovalidate
from google.api import annotations_pb2
from google.protobuf import empty_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet

from buf.validate import validate_pb2
from chassis.errors import ARABIC_DIGITS, Violation
from wasl.options.v1 import options_pb2

# By rule id; {} is the rule's value, of int32.gte_lte both limits. The counts stand behind a colon, so that no plural
# depends on them.
TEXTS = {
    "required": ("is required", "مطلوب"),
    "string.min_len": (
        "is too short; characters at least: {}",
        "أقصر من اللازم؛ الحد الأدنى للأحرف: {}",
    ),
    "string.max_len": (
        "is too long; characters at most: {}",
        "أطول من المسموح؛ الحد الأقصى للأحرف: {}",
    ),
    "string.email": ("is not an e-mail address", "ليس عنوان بريد إلكتروني"),
    "string.uuid": ("is not a UUID", "ليس معرّفا من نوع UUID"),
    "string.uri": ("is not an address (URI)", "ليس عنوانا صالحا (URI)"),
    "string.prefix": ("does not begin with {}", "لا يبدأ بـ {}"),
    "string.pattern": ("does not have the form {}", "ليس على الصيغة {}"),
    "string.in": ("is none of {}", "ليس من القيم {}"),
    "bool.const": ("has to be {}", "يجب أن يكون {}"),
    "enum.defined_only": ("is not a known value", "قيمة غير معروفة"),
    "int32.gte": ("is less than {}", "أصغر من {}"),
    "int32.gte_lte": ("has to be a number from {} to {}", "يجب أن يكون عددا من {} إلى {}"),
    "int64.gte": ("is less than {}", "أصغر من {}"),
    "repeated.min_items": (
        "has too few items; at least: {}",
        "عناصره أقل من اللازم؛ الحد الأدنى: {}",
    ),
    "repeated.max_items": (
        "has too many items; at most: {}",
        "عناصره أكثر من المسموح؛ الحد الأقصى: {}",
    ),
    "repeated.unique": ("has the same item twice", "فيه عنصر مكرر"),
    "localized_text.required": (
        "needs a text in Arabic, in English or in both",
        "يلزم نص بالعربية أو بالإنكليزية أو بكلتيهما",
    ),
    "localized_text.blank": ("has a text in which nothing can be read", "فيه نص لا يُقرأ فيه شيء"),
    "localized_text.control": ("has characters that cannot be seen: remove them", "فيه محارف لا تُرى: احذفها"),
    "line.control": ("has characters that cannot be seen: remove them", "فيه محارف لا تُرى: احذفها"),
}
OTHERWISE = ("is not valid", "غير صالح")
# Why a name or a value is refused, by reason. The gateway has the same words for what it refuses by itself
# (deploy/envoy/violations.toml).
REFUSED = {
    "UNKNOWN_FIELD": ("is not a field of this request", "ليس حقلا من حقول هذا الطلب"),
    "UNDECODABLE": ("is not valid UTF-8 text", "ليس نصا صالحا بترميز UTF-8"),
    "GIVEN_TWICE": ("is given twice", "ورد مرتين"),
    "NOT_A_LIST": ("holds one value where a list belongs", "فيه قيمة واحدة حيث يلزم قائمة"),
    "NOT_ONE_VALUE": ("holds a list where one value belongs", "فيه قائمة حيث يلزم قيمة واحدة"),
    "NOT_A_TEXT": ("is not a text", "ليس نصا"),
    "NOT_A_TIME": ("is not a time such as 2026-03-01T10:00:00Z", "ليس وقتا على صيغة 2026-03-01T10:00:00Z"),
    "TIME_OUT_OF_RANGE": ("has to be a time from 1900 to 2199", "يجب أن يكون وقتا بين عامي ١٩٠٠ و٢١٩٩"),
    "NOT_AN_INTEGER": (
        "is not a whole number of the size that is possible here",
        "ليس عددا صحيحا ضمن المجال المسموح",
    ),
    "NOT_TRUE_OR_FALSE": ("is neither true nor false", "ليس true ولا false"),
    "INVALID_VALUE": ("is not a value that is possible here", "ليس قيمة مقبولة هنا"),
}
# By the type of a field: the kinds of JSON that it can be, and the reason when a value is none of them (ProtoJSON).
# Every other message is an object; every other scalar, an enum too, a number or a text.
KINDS = {
    FieldDescriptor.TYPE_BOOL: ({"bool"}, "NOT_TRUE_OR_FALSE"),
    FieldDescriptor.TYPE_INT32: ({"number", "text"}, "NOT_AN_INTEGER"),
    FieldDescriptor.TYPE_STRING: ({"text"}, "NOT_A_TEXT"),
    "google.protobuf.FieldMask": ({"text"}, "INVALID_VALUE"),
    "google.protobuf.Timestamp": ({"text"}, "NOT_A_TIME"),
}
MESSAGE = ({"object"}, "INVALID_VALUE")
SCALAR = ({"number", "text"}, "INVALID_VALUE")
# The years 1900 to 2199: people's times; near the year 9999 the clocks of some zones have no time any more.
FIRST_SECOND, LAST_SECOND = -2_208_988_800, 7_258_118_399
# A status travels in headers, which have a limit. Whoever mends these is told the rest.
MOST_TOLD = 20
MOST_PATHS = 100  # in a mask
EVERYWHERE = ("REPEATED_MAX_ITEMS", "TIME_OUT_OF_RANGE")  # refused whatever a mask says


def check(request: Message) -> list[Violation]:
    """The rules that `request` breaks, MOST_TOLD at most. Of an update only what the mask names is looked at, or else
    what is given (AIP-134), but for the reasons that count EVERYWHERE."""
    found = list(_out_of_bounds(request))
    if not any(one.reason == "REPEATED_MAX_ITEMS" for one in found):
        message = cast("Descriptor", request.DESCRIPTOR)
        found += [_violation(message, violation) for violation in protovalidate.collect_violations(request)]
    if not found:
        return []
    paths = _paths(request)
    return [one for one in dict.fromkeys(found) if one.reason in EVERYWHERE or _in_mask(one.field, paths)][:MOST_TOLD]


def _out_of_bounds(message: Message, above: str = "") -> Iterator[Violation]:
    """What protovalidate would take too long for, lists over their limit, or does not look at: times out of range, and
    numbers that are none of an enum's though its field has no rule."""
    if message.DESCRIPTOR.full_name == "google.protobuf.FieldMask":
        if len(cast("FieldMask", message).paths) > MOST_PATHS:
            yield _told(None, above, "repeated.max_items", MOST_PATHS)
        return
    if message.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
        time = cast("Timestamp", message)
        if not (FIRST_SECOND <= time.seconds <= LAST_SECOND and 0 <= time.nanos < 10**9):
            yield _refused(above, "TIME_OUT_OF_RANGE")
        return
    for field, value in message.ListFields():
        path = f"{above}.{field.name}" if above else field.name
        if field.is_repeated and (most := _most_items(field)) and len(value) > most:
            yield _told(field, path, "repeated.max_items", most)
        elif field.message_type and field.is_repeated:
            for number, item in enumerate(value):
                yield from _out_of_bounds(item, f"{path}[{number}]")
        elif field.message_type:
            yield from _out_of_bounds(value, path)
        elif field.enum_type and not field.is_repeated and value not in field.enum_type.values_by_number:
            yield _told(field, path, "enum.defined_only", True)


@functools.cache
def _most_items(field: FieldDescriptor) -> int:
    """0 for no limit."""
    return field.GetOptions().Extensions[validate_pb2.field].repeated.max_items


def _violation(message: Descriptor, violation: Any) -> Violation:
    rule = violation.proto.rule_id
    if violation.field_value == "":  # whichever rule it breaks, it is missing
        rule = "required"
    elements = violation.proto.field.elements if violation.proto.field else []
    named = ".".join(
        f"{one.field_name}[{one.subscript.value}]" if one.subscript else one.field_name for one in elements
    )
    fields = _fields(message, [one.field_name for one in elements])
    return _told(fields[-1] if fields else None, named, rule, violation.rule_value)


def _told(field: FieldDescriptor | None, named: str, rule: str, value: Any) -> Violation:
    """`value` is the rule's."""
    # Of a list of codes, what the contract says is about each of them.
    about_list = rule.startswith("repeated.") and field and not field.message_type
    if field and not about_list and field.GetOptions().HasExtension(options_pb2.explanation):
        own = field.GetOptions().Extensions[options_pb2.explanation]  # what the contract says instead of a general text
        return Violation(named, _reason(rule), own.en, own.ar)
    en, ar = TEXTS.get(rule, OTHERWISE)
    if field and rule == "int32.gte_lte":
        limits = field.GetOptions().Extensions[validate_pb2.field].int32
        shown = [f"{limits.gte:,}", f"{limits.lte:,}"]
    else:
        shown = [", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
    in_arabic = [one.translate(ARABIC_DIGITS).replace(",", "٬") for one in shown] if isinstance(value, int) else shown
    return Violation(named, _reason(rule), en.format(*shown), ar.format(*in_arabic))


def _reason(rule: str) -> str:
    """STRING_MIN_LEN for string.min_len (AIP-193)."""
    return rule.replace(".", "_").upper()


def _paths(request: Message) -> tuple[str, ...] | None:
    """What an update changes, as paths in its resource; None for a request that is no update."""
    mask = getattr(request, "update_mask", None)
    given = [value for field, value in request.ListFields() if field.message_type and field.name != "update_mask"]
    if mask is None or not given:
        return None
    return tuple(mask.paths) or tuple(field.name for field, _ in given[0].ListFields())


def _in_mask(field: str, paths: tuple[str, ...] | None) -> bool:
    """`field` is a path in the request, a mask's path one in its resource; request_id and the like always count."""
    _, _, inner = re.sub(r"\[\d+\]", "", field).partition(".")
    if not inner or paths is None:
        return True
    return any(f"{inner}.".startswith(f"{path}.") or f"{path}.".startswith(f"{inner}.") for path in paths)


def undecodable(message: Descriptor, data: bytes) -> list[Violation]:
    """Names the text in `data`, which is no `message`, that is not UTF-8; nothing when that is not what is wrong."""
    path = _undecodable(message, data)
    return [_refused(path, "UNDECODABLE")] if path else []


def _undecodable(message: Descriptor, data: bytes) -> str:
    try:
        found = UnknownFieldSet(empty_pb2.Empty.FromString(data))  # knows no field, so it looks into none
    except DecodeError:
        return ""
    for one in found:  # type: ignore[attr-defined]  # the stub leaves it out
        field = message.fields_by_number.get(one.field_number)
        if field is None or not isinstance(one.data, bytes):
            continue
        if field.message_type is not None:
            if inner := _undecodable(field.message_type, one.data):
                return f"{field.name}.{inner}"
        elif field.type == FieldDescriptor.TYPE_STRING and one.data.decode(errors="ignore").encode() != one.data:
            return field.name
    return ""


def refused_fields(method: MethodDescriptor) -> Callable[[str], Violation | None]:
    """For what the gateway found in a request: the first field to be refused, if any.

    Its Lua filter lists the names and what each is ("person=object,person.nope=text,?person=text"; "?" is a query's,
    the items of a list are "lines[]=object"), because Envoy's transcoder lets too much pass: deploy/envoy/fields.lua
    says what. Here is who knows the messages.
    """
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    body = rule.body
    of_the_path = set(re.findall(r"{([\w.]+)", getattr(rule, rule.WhichOneof("pattern") or "get")))
    nested = body not in ("", "*")
    message = method.input_type.fields_by_name[body].message_type if nested else method.input_type
    of_the_body = {body, method.input_type.fields_by_name[body].camelcase_name} if nested else set()

    def refusal(entry: str) -> Violation | None:
        name, _, kind = entry.partition("=")
        is_asked, is_item = name.startswith("?"), name.endswith("[]")
        name = name.removeprefix("?").removesuffix("[]")
        path = name.split(".")
        fields = _fields(method.input_type if is_asked else message, path)
        known = ".".join(field.name for field in fields)
        prefix = f"{body}." if nested and not is_asked else ""
        # A query must not replace what the body or the path says; and what it says is in logs and histories.
        if not fields or (is_asked and (body == "*" or path[0] in of_the_body or known in of_the_path)):
            return _refused(prefix + unquote(name), "UNKNOWN_FIELD")
        reason = _misfit(fields[-1], kind, is_item=is_item or is_asked) if kind else ""
        return _refused(prefix + known, reason) if reason else None

    @functools.lru_cache(maxsize=128)
    def first(listed: str) -> Violation | None:
        return next(filter(None, map(refusal, filter(None, listed.split(",")))), None)

    return first


def _fields(message: Descriptor | None, path: list[str]) -> list[FieldDescriptor]:
    """Those on the way along `path`, in either spelling, the outermost first; none when there is no such field."""
    found: list[FieldDescriptor] = []
    for name in path:
        # Times and masks are one value in JSON, without fields.
        if not message or message.full_name.startswith("google.protobuf."):
            return []
        field = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
        if not field:
            return []
        found.append(field)
        message = field.message_type
    return found


def _misfit(field: FieldDescriptor, kind: str, *, is_item: bool) -> str:
    """The reason why a value of this kind, as the gateway calls it, cannot be `field`'s or an item of its list.

    "" when it can.
    """
    if kind == "twice":
        return "" if field.is_repeated and is_item else "GIVEN_TWICE"
    if kind == "bytes":
        return "UNDECODABLE"
    if kind == "null":
        return "INVALID_VALUE" if is_item else ""
    if field.is_repeated and not is_item:
        return "" if kind == "list" else "NOT_A_LIST"
    if kind == "list":
        return "NOT_ONE_VALUE"
    of = field.message_type.full_name if field.message_type else field.type
    kinds, reason = KINDS.get(of, MESSAGE if field.message_type else SCALAR)
    return "" if kind in kinds else reason


def _refused(field: str, reason: str) -> Violation:
    return Violation(field, reason, *REFUSED[reason])
