"""Rules that every method, event and message of the contract keeps."""

import re
from collections import Counter

import pytest
from descriptors import READS, events, gateway, messages, methods, routes
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.rpc import error_details_pb2
from protovalidate._gen.buf.validate import validate_pb

from chassis import pb
from wasl.options.v1 import options_pb2

Access = options_pb2.Access
name_of = pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)


@name_of
def test_every_method_declares_who_may_call_it(method: MethodDescriptor) -> None:
    access = method.GetOptions().Extensions[options_pb2.access]
    assert access.level != Access.LEVEL_UNSPECIFIED, "default deny would refuse it to everybody: add the access option"
    assert bool(access.roles) == (access.level == Access.ROLE), "roles are for level ROLE, and only for it"


@name_of
def test_internal_methods_and_only_they_have_no_route(method: MethodDescriptor) -> None:
    internal = method.GetOptions().Extensions[options_pb2.access].level == Access.INTERNAL
    assert internal == (not routes(method))


@name_of
def test_the_name_tells_a_read_from_a_write(method: MethodDescriptor) -> None:
    """The gateway repeats a call that failed when its name is that of a read, and REST says the same by GET."""
    read = re.match(f"({'|'.join(READS)})(?![a-z])", method.name) is not None
    for verb, path, _ in routes(method):
        assert read == (verb == "get"), f"{method.name} is at {verb} {path}"


def test_every_route_is_there_once() -> None:
    seen = Counter((verb, re.sub(r"\{[^}]*\}", "{}", path)) for method in methods() for verb, path, _ in routes(method))
    assert [route for route, count in seen.items() if count > 1] == []


@name_of
def test_a_route_leads_to_fields_that_are_there(method: MethodDescriptor) -> None:
    for _, path, rule in routes(method):
        assert rule.body in ("", "*", *method.input_type.fields_by_name)
        for variable in re.findall(r"\{([^}]*)\}", path):
            holder: Descriptor | None = method.input_type
            for name in variable.split("."):
                assert holder is not None, f"{path}: {variable}"
                assert name in holder.fields_by_name, f"{path}: {variable}"
                field = holder.fields_by_name[name]
                holder = field.message_type
            if "." in variable:  # the body may not say the same as the path
                behaviors = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
                assert {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER} & set(behaviors), variable


@name_of
def test_lists_come_in_pages(method: MethodDescriptor) -> None:
    """AIP-158; the first field of the answer is the list."""
    if re.match("(List|Search)(?![a-z])", method.name):
        assert {"page_size", "page_token"} <= set(method.input_type.fields_by_name)
        assert {"next_page_token", "total_size"} <= set(method.output_type.fields_by_name)
        assert method.output_type.fields[0].is_repeated


@name_of
def test_creating_twice_can_be_told_from_creating_two(method: MethodDescriptor) -> None:
    """AIP-155."""
    if re.match("Create(?![a-z])", method.name):
        assert "request_id" in method.input_type.fields_by_name


def test_event_types_are_well_formed_and_unique() -> None:
    kinds = [kind for _, kind in events()]
    assert kinds
    assert sorted(set(kinds)) == sorted(kinds)
    for message, kind in events():
        service, version = message.file.package.split(".")[1:]
        assert re.fullmatch(rf"org\.wasl\.{service}(\.[a-z][a-z_]*){{2}}\.{version}", kind), f"{message.name}: {kind}"
        noun, verb = kind.split(".")[3:5]
        assert message.name.lower() == (noun + verb).replace("_", ""), f"{message.name} is announced as {kind}"


def test_events_carry_nothing_secret() -> None:
    fields = [field for event, _ in events() for message in pb.messages(event) for field in message.fields]
    assert [field.full_name for field in fields if field.GetOptions().Extensions[options_pb2.sensitive]] == []


def test_an_enum_begins_with_what_nobody_said() -> None:
    for message in messages():
        for enum in (*message.enum_types, *message.file.enum_types_by_name.values()):
            assert enum.values[0].number == 0, enum.full_name
            assert enum.values[0].name.endswith("_UNSPECIFIED"), enum.full_name


def test_every_error_detail_is_known_to_the_gateway() -> None:
    """Envoy answers an error that has a detail outside its descriptor set with an empty body."""
    known = {f"{file.package}.{message.name}" for file in gateway().file for message in file.message_type}
    assert {message.full_name for message in error_details_pb2.DESCRIPTOR.message_types_by_name.values()} <= known


def test_our_copy_of_the_rules_is_that_of_the_library() -> None:
    """third_party/buf/validate is printed from the wheel: a new version of protovalidate has to bring a new copy."""
    ours = next(file for file in gateway().file if file.name == "buf/validate/validate.proto")
    theirs = descriptor_pb2.FileDescriptorProto.FromString(validate_pb._DESC.proto.to_binary())
    theirs.ClearField("source_code_info")
    assert ours == theirs
