"""The contract as the running code has it: the generated modules, and the gateway's descriptor set."""

import importlib
import pathlib
from collections.abc import Iterator

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor

from wasl.options.v1 import options_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
GEN = ROOT / "gen"

READS = ("Get", "List", "Search", "BatchGet")  # what the gateway tries again: the names are part of the contract


def files() -> Iterator[FileDescriptor]:
    for path in sorted((GEN / "wasl").rglob("*_pb2.py")):
        yield importlib.import_module(".".join(path.relative_to(GEN).with_suffix("").parts)).DESCRIPTOR


def methods() -> list[MethodDescriptor]:
    return [m for file in files() for service in file.services_by_name.values() for m in service.methods]


def messages() -> list[Descriptor]:
    return [message for file in files() for message in file.message_types_by_name.values()]


def events() -> list[tuple[Descriptor, str]]:
    found = [(message, message.GetOptions().Extensions[options_pb2.event_type]) for message in messages()]
    return [(message, kind) for message, kind in found if kind]


def routes(method: MethodDescriptor) -> list[tuple[str, str, http_pb2.HttpRule]]:
    """Verb, path and rule of each REST route of a method."""
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return []
    first = options.Extensions[annotations_pb2.http]
    rules = [first, *first.additional_bindings]
    return [(verb, getattr(rule, verb), rule) for rule in rules if (verb := rule.WhichOneof("pattern"))]


def gateway() -> descriptor_pb2.FileDescriptorSet:
    return descriptor_pb2.FileDescriptorSet.FromString((GEN / "wasl.binpb").read_bytes())
