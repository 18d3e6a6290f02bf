"""What is generated from the contract is up to date, valid by others' judgement, and complete."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from descriptors import GEN, ROOT, events, methods, routes
from google.protobuf.descriptor import Descriptor
from google.rpc import error_details_pb2, status_pb2
from openapi_spec_validator import OpenAPIV31SpecValidator


def document(name: str) -> Any:
    return json.loads((GEN / name).read_text(encoding="utf-8"))


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_gen_is_not_stale(tmp_path: pathlib.Path) -> None:
    subprocess.run([sys.executable, ROOT / "proto/tools/generate.py", "--out", tmp_path / "gen"], check=True)
    fresh, committed = contents(tmp_path / "gen"), contents(GEN)
    differing = sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))
    assert differing == [], "run ./dev proto and commit gen/"


def test_openapi_is_valid() -> None:
    OpenAPIV31SpecValidator(document("openapi.json")).validate()


def test_asyncapi_is_valid() -> None:
    """By the AsyncAPI initiative's own parser; severity 0 is an error, 2 a hint that there is a newer version."""
    script = """
        const {Parser} = require("@asyncapi/parser");
        const text = require("fs").readFileSync("gen/asyncapi.json", "utf8");
        new Parser().parse(text).then(({diagnostics}) => console.log(JSON.stringify(diagnostics)));
    """
    node = pathlib.Path(sys.executable).with_name("node")
    done = subprocess.run([node, "-e", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"npm ci installs @asyncapi/parser: {done.stderr[-500:]}"
    assert [found for found in json.loads(done.stdout) if found["severity"] < 2] == []


def test_openapi_has_every_route() -> None:
    operations = [operation for path in document("openapi.json")["paths"].values() for operation in path.values()]
    expected = [f"{m.containing_service.full_name}/{m.name}" for m in methods() for _ in routes(m)]
    assert sorted(operation["x-rpc"] for operation in operations) == sorted(expected)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"], operation["x-rpc"]
        assert operation["x-wasl-access"]["level"] != "LEVEL_UNSPECIFIED", operation["x-rpc"]


def test_asyncapi_has_every_event() -> None:
    assert sorted(document("asyncapi.json")["channels"]) == sorted(kind for _, kind in events())


def test_everything_referred_to_is_there_and_everything_there_is_referred_to() -> None:
    for name in ("openapi.json", "asyncapi.json"):
        whole = document(name)
        used = set(references(whole))
        for reference in used:
            found = whole
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]
        there = {f"#/components/schemas/{schema}" for schema in whole["components"]["schemas"]}
        assert there <= used, name


def test_what_is_sent_is_closed_and_what_comes_back_is_open() -> None:
    """Unknown fields are refused on the way in; fields that will be added one day must not break a client."""
    schemas = document("openapi.json")["components"]["schemas"]
    for name, schema in schemas.items():
        if schema["type"] == "object":
            assert ("additionalProperties" in schema) == name.endswith(("Input", "Patch")), name


def test_errors_are_documented_as_they_are_sent() -> None:
    schemas = document("openapi.json")["components"]["schemas"]

    def compare(schema: dict[str, Any], message: Descriptor) -> None:
        fields = {field.json_name: field for field in message.fields}
        for name in schema["properties"].keys() - {"@type"}:
            assert name in fields, f"{message.full_name} has no {name}"
            if "properties" in (items := schema["properties"][name].get("items", {})):
                inner = fields[name].message_type
                assert inner is not None
                compare(items, inner)

    compare(schemas["Status"], status_pb2.Status.DESCRIPTOR)
    for reference in schemas["Status"]["properties"]["details"]["items"]["oneOf"]:
        name = reference["$ref"].rpartition("/")[2]
        compare(schemas[name], error_details_pb2.DESCRIPTOR.message_types_by_name[name])


@pytest.mark.parametrize(
    ("rpc", "statuses"),
    [
        ("SignIn", "200 400 401 409 413 429 431 500 503 504"),
        ("GetPerson", "200 400 401 403 404 429 431 500 503 504"),
        ("ApproveApplication", "200 400 401 403 404 409 413 429 431 500 503 504"),
        ("ListOrganizations", "200 400 401 429 431 500 503 504"),
    ],
)
def test_the_statuses_that_can_come(rpc: str, statuses: str) -> None:
    operations = [operation for path in document("openapi.json")["paths"].values() for operation in path.values()]
    operation = next(operation for operation in operations if operation["x-rpc"].endswith(f"/{rpc}"))
    assert " ".join(sorted(operation["responses"])) == statuses


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)
