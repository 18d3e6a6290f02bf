"""The reference page's contents, read from gen/openapi.json and gen/asyncapi.json."""

import functools
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

import wasl

GEN = pathlib.Path(str(wasl.__file__)).parents[1]
Json = Mapping[str, Any]


class Field(msgspec.Struct, frozen=True):
    """A parameter, or a field of a type. `kind` is in words, `refers` the type that it leads to (or "")."""

    name: str
    kind: str
    refers: str
    rules: tuple[str, ...]
    marks: tuple[str, ...]
    description: str
    required: bool


class Operation(msgspec.Struct, frozen=True):
    """One REST route."""

    anchor: str
    verb: str
    path: str
    summary: str
    description: str
    rpc: str
    access: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_type: str
    answer: str
    problems: tuple[str, ...]


class Type(msgspec.Struct, frozen=True):
    """One schema: an object's fields or an enum's values."""

    name: str
    description: str
    fields: tuple[Field, ...]
    values: Mapping[str, str]


class Event(msgspec.Struct, frozen=True):
    """One channel of the bus."""

    type: str
    title: str
    description: str
    exchange: str
    data: str


class Reference(msgspec.Struct, frozen=True):
    """Everything that the page shows."""

    services: Mapping[str, tuple[str, tuple[Operation, ...]]]  # name: description, operations
    problems: Mapping[str, str]  # status: when it comes
    types: tuple[Type, ...]
    events: tuple[Event, ...]
    envelope: tuple[Field, ...]


def document(name: str) -> bytes:
    """`openapi.json` or `asyncapi.json`, as generated."""
    return (GEN / name).read_bytes()


@functools.cache
def load() -> Reference:
    openapi, asyncapi = json.loads(document("openapi.json")), json.loads(document("asyncapi.json"))
    components = openapi["components"]
    operations = [
        _operation(components, verb, path, operation)
        for path, verbs in openapi["paths"].items()
        for verb, operation in verbs.items()
    ]
    schemas = {**asyncapi["components"]["schemas"], **components["schemas"]}
    envelope = schemas.pop("CloudEvent")
    return Reference(
        services={
            tag["name"]: (
                tag["description"],
                tuple(one for one in operations if one.rpc.split(".")[1] == tag["name"]),
            )
            for tag in openapi["tags"]
        },
        problems={status: response["description"] for status, response in components["responses"].items()},
        types=tuple(_type(name, schema) for name, schema in sorted(schemas.items())),
        events=tuple(_event(asyncapi, kind, channel) for kind, channel in asyncapi["channels"].items()),
        envelope=tuple(_fields(envelope)),
    )


def _operation(components: Json, verb: str, path: str, operation: Json) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    (content,) = operation["responses"]["200"]["content"].values()  # JSON, or a file
    answer = content["schema"]
    access = operation["x-wasl-access"]
    parameters = [parameter for parameter in operation["parameters"] if "$ref" not in parameter]
    return Operation(
        anchor=operation["operationId"],
        verb=verb.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"].split("\n\n")[0],
        rpc=operation["x-rpc"],
        access=" · ".join((access["level"], *access.get("roles", ()))),
        parameters=tuple(_field(one["name"], one["schema"], one) for one in parameters),
        body=tuple(_fields(body)),
        body_type=_name(body),
        answer=_name(answer),
        problems=tuple(status for status in operation["responses"] if status != "200"),
    )


def _type(name: str, schema: Json) -> Type:
    values = schema.get("x-enumDescriptions", {})
    return Type(name, schema.get("description", ""), tuple(_fields(schema)), values)


def _event(asyncapi: Json, kind: str, channel: Json) -> Event:
    payload = asyncapi["components"]["messages"][kind]["payload"]["allOf"][1]["properties"]
    exchange = channel["bindings"]["amqp"]["exchange"]["name"]
    return Event(kind, channel["title"], channel["description"], exchange, _name(payload["data"]))


def _fields(schema: Json) -> Iterator[Field]:
    for name, inner in schema.get("properties", {}).items():
        yield _field(name, inner, {"required": name in schema.get("required", ()), **inner})


def _field(name: str, schema: Json, about: Json) -> Field:
    marks = [mark for mark in ("readOnly", "writeOnly", "x-personal", "x-sensitive") if schema.get(mark)]
    if group := schema.get("x-oneof"):
        marks.append(f"one of: {group}")
    return Field(
        name=name,
        kind=_kind(schema),
        refers=_name(schema) or _name(schema.get("items", {})),
        rules=tuple(_rules(schema)),
        marks=tuple(mark.removeprefix("x-") for mark in marks),
        description=about.get("description", ""),
        required=about.get("required") is True,
    )


def _kind(schema: Json) -> str:
    if "$ref" in schema:
        return ""
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}".strip()
    return str(schema.get("format") or schema.get("type") or "constant")


def _rules(schema: Json) -> Iterator[str]:
    """The limits of a value in words."""
    words = {
        "minLength": "at least {} characters", "maxLength": "at most {} characters", "pattern": "matches `{}`",
        "minimum": "≥ {}", "maximum": "≤ {}",
        "minItems": "at least {}", "maxItems": "at most {}", "const": "`{}`",
    }  # fmt: skip
    if "anyOf" in schema:
        rest = dict(schema["anyOf"][1])
        yield from (*([rest["format"]] if "format" in rest else []), *_rules(rest), "or empty")
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    for keyword, text in words.items():
        if (
            keyword in schema and abs(schema[keyword] if keyword.endswith("imum") else 0) < 2**31 - 1
        ):  # not the type's own
            yield text.format(schema[keyword])


def _name(schema: Json) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
