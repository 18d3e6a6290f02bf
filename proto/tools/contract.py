"""The contract as its descriptors tell it, and its messages as JSON Schema (2020-12): for openapi.py and asyncapi.py.

JSON is protobuf's: lowerCamelCase names, 64-bit integers as text, enums by name. A message has a schema for each use of
it (`Use`). A rule or type without a JSON Schema here is an error, never dropped in silence.
"""

import dataclasses
import enum
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Json = dict[str, Any]

FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[int, Json] = {
    FIELD.TYPE_STRING: {"type": "string"},
    FIELD.TYPE_BOOL: {"type": "boolean"},
    FIELD.TYPE_INT32: {"type": "integer", "format": "int32"},
    FIELD.TYPE_INT64: {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"},
    FIELD.TYPE_DOUBLE: {"type": "number", "format": "double"},
}
_INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
_WELL_KNOWN: dict[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.FieldMask": {"type": "string", "description": "Field paths, separated by commas."},
    "google.protobuf.Empty": {"type": "object"},
}
_KEYWORDS = {  # rule of buf.validate: keyword of JSON Schema
    "const": "const", "in": "enum", "pattern": "pattern", "min_len": "minLength", "max_len": "maxLength",
    "gte": "minimum", "lte": "maximum",
    "min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems",
}  # fmt: skip
_FORMATS = ("email", "uri", "uuid")


class Use(enum.Enum):
    """What a message is there for; the value ends the name of its schema."""

    # Answered or announced: shape only, open for fields to come; a stored value may be older than a rule.
    ANSWER = ""
    # Sent: the rules of buf.validate hold, nothing unknown, no field that is OUTPUT_ONLY or IDENTIFIER.
    INPUT = "Input"
    # Sent with a mask, which says what is meant: rules of single fields hold, but nothing has to be there (AIP-134).
    PATCH = "Patch"


@dataclasses.dataclass(frozen=True)
class Method:
    """One RPC. `http` is its google.api.HttpRule, `access` its wasl.options.v1.Access; None when it has none."""

    service: str  # full name
    name: str
    request: str
    response: str
    comment: str
    http: Any
    access: Any


class Contract:
    """A descriptor set made with --include_source_info --include_imports. Names are full protobuf names."""

    def __init__(self, descriptor_set: bytes) -> None:
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
            pool.Add(file)
        # Read anew with this pool's class: it knows the extensions that the files themselves declare.
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
        self._pool = pool
        self._files: Any = kind.FromString(descriptor_set).file  # type: ignore[attr-defined]
        self.comments: dict[str, str] = {}
        self.messages: dict[str, Any] = {}
        self.enums: dict[str, Any] = {}
        for file in self._files:
            self._index(file.package, file)
            for location in file.source_code_info.location:
                if location.leading_comments and (name := _name(file, location.path)):
                    self.comments[name] = _paragraphs(location.leading_comments)

    def _index(self, scope: str, holder: Any) -> None:
        for message in holder.nested_type if hasattr(holder, "nested_type") else holder.message_type:
            self.messages[f"{scope}.{message.name}"] = message
            self._index(f"{scope}.{message.name}", message)
        for listing in holder.enum_type:
            self.enums[f"{scope}.{listing.name}"] = listing

    def option(self, holder: Any, name: str) -> Any:
        """The value of extension `name` on a message, field, oneof or method; None when it is not set."""
        extension = self._pool.FindExtensionByName(name)
        found = (
            holder.options.Extensions[extension]
            if extension.is_repeated or holder.options.HasExtension(extension)
            else None
        )
        return found or None

    def methods(self) -> Iterator[Method]:
        """All of them, in the order of the files."""
        for file in self._files:
            for service in file.service:
                full = f"{file.package}.{service.name}"
                for method in service.method:
                    yield Method(
                        service=full,
                        name=method.name,
                        request=method.input_type[1:],
                        response=method.output_type[1:],
                        comment=self.comments.get(f"{full}.{method.name}", ""),
                        http=self.option(method, "google.api.http"),
                        access=self.option(method, "wasl.options.v1.access"),
                    )

    def events(self) -> Iterator[tuple[str, str]]:
        """Message name and event type of every event, in the order of the files."""
        for name, message in self.messages.items():
            if kind := self.option(message, "wasl.options.v1.event_type"):
                yield name, kind

    def behaviors(self, field: Any) -> set[str]:
        """REQUIRED, OUTPUT_ONLY … of one field (google.api.field_behavior)."""
        names = self._pool.FindEnumTypeByName("google.api.FieldBehavior").values_by_number
        return {names[number].name for number in self.option(field, "google.api.field_behavior") or ()}


class Schemas:
    """Schemas of messages, collected in `components` as they are asked for."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.components: dict[str, Json] = {}

    def ref(self, name: str, use: Use) -> Json:
        """A reference to the schema of message `name`."""
        if name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[name])
        if use is Use.PATCH and name.startswith("wasl.type."):
            use = Use.INPUT  # a value, set as a whole
        key = _key(name) + use.value
        if key not in self.components:
            self.components[key] = {}  # a message may hold itself
            self.components[key] = self.message(name, use)
        return {"$ref": f"#/components/schemas/{key}"}

    def message(self, name: str, use: Use, *, without: frozenset[str] = frozenset()) -> Json:
        """An object with the fields of message `name`, less those in `without` (protobuf names)."""
        message = self.contract.messages[name]
        properties: Json = {}
        required: list[str] = []
        hidden = {"INPUT_ONLY"} if use is Use.ANSWER else {"OUTPUT_ONLY", "IDENTIFIER"}
        for field in message.field:
            behaviors = self.contract.behaviors(field)
            if field.name in without or behaviors & hidden:
                continue
            properties[field.json_name] = self.field(name, field, use)
            rules = self.contract.option(field, "buf.validate.field")
            if "REQUIRED" in behaviors or (rules is not None and rules.required):
                required.append(field.json_name)
        schema: Json = {"type": "object", "description": self.contract.comments.get(name, ""), "properties": properties}
        if use is not Use.ANSWER:
            schema["additionalProperties"] = False
        if use is Use.INPUT:
            if required:
                schema["required"] = required
            schema.update(self._together(message))
        return schema

    def field(self, owner: str, field: Any, use: Use) -> Json:
        """The schema of one field: type, comment, rules, marks."""
        schema = self._type(field, use)
        if use is not Use.ANSWER and (rules := self.contract.option(field, "buf.validate.field")):
            schema = _with_rules(schema, rules, f"{owner}.{field.name}")
        comment = self.contract.comments.get(f"{owner}.{field.name}", "")
        if comment and "description" in schema:
            comment = f"{comment} {schema['description']}"
        schema["description"] = comment
        behaviors = self.contract.behaviors(field)
        if "OUTPUT_ONLY" in behaviors:
            schema["readOnly"] = True
        if "INPUT_ONLY" in behaviors:
            schema["writeOnly"] = True
        for mark in ("personal", "sensitive"):
            if self.contract.option(field, f"wasl.options.v1.{mark}"):
                schema[f"x-{mark}"] = True
        if field.HasField("oneof_index") and not field.proto3_optional:
            schema["x-oneof"] = self.contract.messages[owner].oneof_decl[field.oneof_index].name
        return schema

    def _type(self, field: Any, use: Use) -> Json:
        one = self._single(field, use)
        return {"type": "array", "items": one} if field.label == FIELD.LABEL_REPEATED else one

    def _single(self, field: Any, use: Use) -> Json:
        if field.type == FIELD.TYPE_MESSAGE:
            name = field.type_name[1:]
            if self.contract.messages[name].options.map_entry:
                raise ValueError(
                    f"{field.name}: maps have no codec (chassis/pb.py); give the message a field for each key"
                )
            return self.ref(name, use)
        if field.type == FIELD.TYPE_ENUM:
            return self._enum(field.type_name[1:])
        if field.type not in _SCALARS:
            raise ValueError(f"{field.name}: its type has no JSON Schema in contract.py")
        limits = _INT32 if field.type == FIELD.TYPE_INT32 and use is not Use.ANSWER else {}
        return {**_SCALARS[field.type], **limits}

    def _enum(self, name: str) -> Json:
        key = _key(name)
        values = {
            value.name: self.contract.comments.get(f"{name}.{value.name}", "")
            for value in self.contract.enums[name].value
        }
        self.components[key] = {
            "type": "string",
            "description": self.contract.comments.get(name, ""),
            "enum": list(values),
            "x-enumDescriptions": values,
        }
        return {"$ref": f"#/components/schemas/{key}"}

    def _together(self, message: Any) -> Json:
        """Rules over several fields: a oneof that has to be set, texts of which one has to be there, any other CEL."""
        found: Json = {}
        for index, group in enumerate(message.oneof_decl):
            members = [f.json_name for f in message.field if f.HasField("oneof_index") and f.oneof_index == index]
            rules = self.contract.option(group, "buf.validate.oneof")
            if rules is not None and rules.required:
                found.setdefault("allOf", []).append({"oneOf": [{"required": [name]} for name in members]})
        rules = self.contract.option(message, "buf.validate.message")
        for rule in rules.cel if rules else ():
            names = re.findall(r"this\.(\w+) != ''", rule.expression)
            if rule.expression == " || ".join(f"this.{name} != ''" for name in names):
                anyone = [{"required": [name], "properties": {name: {"minLength": 1}}} for name in names]
                found.setdefault("allOf", []).append({"anyOf": anyone})
            found.setdefault("x-rules", []).append(
                {"id": rule.id, "message": rule.message, "expression": rule.expression}
            )
        return found


def _with_rules(schema: Json, rules: Any, where: str) -> Json:
    """`schema` narrowed by the field's rules. Raises ValueError for a rule that has no keyword."""
    kind = rules.WhichOneof("type")
    if kind is None:
        return schema
    extra: Json = {}
    for rule, found in getattr(rules, kind).ListFields():
        value: Any = list(found) if rule.is_repeated else found
        if kind == "enum" and rule.name == "defined_only":
            continue  # only names of values are listed anyway
        if rule.name == "items":
            extra["items"] = _with_rules(schema["items"], value, f"{where}[]")
        elif rule.name in _FORMATS:
            extra["format"] = rule.name
        elif rule.name == "prefix" and "pattern" not in extra:
            extra["pattern"] = "^" + re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", value)
        elif rule.name in _KEYWORDS and kind != "enum" and "64" not in kind:
            extra[_KEYWORDS[rule.name]] = value
        else:
            raise ValueError(f"{where}: {kind}.{rule.name} has no JSON Schema in contract.py")
    if extra and rules.ignore and kind == "string":  # IGNORE_IF_ZERO_VALUE: empty is as good as left out
        return {**schema, "anyOf": [{"maxLength": 0}, extra]}
    return {**schema, **extra}


def _key(name: str) -> str:
    """`members.v1.Application` for wasl.members.v1.Application: it stays the same whatever other services come."""
    return name.removeprefix("wasl.")


def _name(file: Any, path: Any) -> str:
    """The full name of what stands at `path` of a file; empty for what has none (options, the syntax line)."""
    if len(path) % 2:
        return ""
    node, names = file, [file.package]
    for number, index in zip(path[::2], path[1::2], strict=True):
        field = node.DESCRIPTOR.fields_by_number[number]
        if not (field.is_repeated and field.message_type and "name" in field.message_type.fields_by_name):
            return ""
        node = getattr(node, field.name)[index]
        names.append(node.name)
    return ".".join(names)


def _paragraphs(comment: str) -> str:
    """Lines joined to paragraphs; `field_names` in backticks as JSON spells them."""
    blocks = re.split(r"\n\s*\n", comment.strip())
    text = "\n\n".join(" ".join(line.strip() for line in block.splitlines()) for block in blocks)
    return re.sub(
        r"`[a-z0-9_.]+`", lambda name: re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), name[0]), text
    )
