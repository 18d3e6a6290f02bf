"""The codec against protobuf's own json_format, which is the oracle."""

import datetime
import enum
import typing
from typing import Any

import msgspec
import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from chassis import pb
from chassis.values import LocalizedText
from participants import model as participants
from services.events import model as convenings
from services.events import registrations
from services.matching import matches
from services.matching import model as matching
from services.members import affiliations
from services.members import model as members
from services.resources import model as resources
from services.resources.usecases import terms
from tests.support import of
from tests.unit import strategies
from wasl.events.v1 import convenings_pb2, registrations_pb2
from wasl.matching.v1 import matches_pb2, matching_pb2, postings_pb2
from wasl.members.v1 import affiliations_pb2, events_pb2, members_pb2
from wasl.resources.v1 import events_pb2 as resource_events_pb2
from wasl.resources.v1 import resources_pb2, vocabularies_pb2
from wasl.type.v1 import localized_text_pb2

RESOURCES: list[tuple[type[Message], type[msgspec.Struct]]] = [
    (members_pb2.Account, members.Account),
    (members_pb2.Application, members.Application),
    (members_pb2.Person, members.Person),
    (members_pb2.Organization, members.Organization),
    (members_pb2.Statistics, members.Statistics),
    (members_pb2.Growth, members.Growth),
    (members_pb2.Growth.Month, members.Month),
    (affiliations_pb2.Affiliation, affiliations.Affiliation),
    (events_pb2.AffiliationSummary, affiliations.Affiliation),
    (matching_pb2.Participant, participants.Participant),
    (resources_pb2.Record, resources.Record),
    (resources_pb2.SearchRecordsResponse, resources.Found),
    (resource_events_pb2.RecordSummary, resources.Record),
    (vocabularies_pb2.Vocabulary, terms.Vocabulary),
    (postings_pb2.Need, matching.Posting),
    (postings_pb2.Offer, matching.Posting),
    (postings_pb2.Line, matching.Line),
    (matches_pb2.Match, matches.Match),
    (matching_pb2.Statistics, matching.Statistics),
    (matching_pb2.Statistics.Place, matching.Place),
    (convenings_pb2.Convening, convenings.Convening),
    (registrations_pb2.Registration, registrations.Registration),
]

profiles: st.SearchStrategy[Any] = strategies.message(members_pb2.PersonProfile.DESCRIPTOR)
any_message = st.sampled_from(strategies.kinds()).flatmap(lambda kind: strategies.message(kind.DESCRIPTOR))


@given(any_message)
def test_json_is_what_the_library_writes(message: Message) -> None:
    assert pb.to_json(message) == json_format.MessageToDict(message)


@given(any_message)
def test_what_was_written_is_read_back(message: Message) -> None:
    assert pb.from_json(type(message), pb.to_json(message)) == message


@given(any_message)
def test_what_the_library_wrote_is_read_over_the_wire(message: Message) -> None:
    """With every field there, and after real JSON text."""
    text = json_format.MessageToJson(message, always_print_fields_with_no_presence=True)
    assert pb.from_json(type(message), msgspec.json.decode(text)) == message


def test_what_a_newer_version_added_is_passed_over() -> None:
    newer = {"kind": "COOPERATIVE", "memberId": "m", "shoeSize": {"eu": 42}}
    assert pb.from_json(events_pb2.Member, newer) == events_pb2.Member(member_id="m")


@pytest.mark.parametrize(
    "broken",
    [
        {"memberId": 5},
        {"displayName": "x"},
        {"displayName": []},
        {"kind": []},
        {"kind": {}},
        {"joinTime": "yesterday"},
        {"joinTime": 5},
        {"joinTime": "2026-02-30T00:00:00Z"},
        {"joinTime": "0001-01-01T00:00:00+23:59"},
        {"joinTime": "2026-01-01T00:00:00"},
    ],
)
def test_a_value_that_does_not_fit_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        pb.from_json(events_pb2.Member, broken)


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_a_moment_survives_to_the_microsecond(moment: datetime.datetime) -> None:
    assert pb.moment(pb.timestamp(moment)) == moment


@given(st.builds(Timestamp, seconds=st.integers(-(10**10), 10**11), nanos=st.integers(0, 999_999_999)))
def test_times_are_read_as_the_library_reads_them(timestamp: Timestamp) -> None:
    text = timestamp.ToJsonString()
    assert pb.parse_time(text) == timestamp


def test_a_map_is_refused_before_it_is_lost() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="map.proto", package="t", syntax="proto3")
    holder = file.message_type.add(name="Holder")
    entry = holder.nested_type.add(name="NamesEntry")
    entry.options.map_entry = True
    text = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
    entry.field.add(name="key", number=1, type=text)
    entry.field.add(name="value", number=2, type=text)
    holder.field.add(name="names", number=1, label=3, type=11, type_name=".t.Holder.NamesEntry")
    pool = descriptor_pool.DescriptorPool()
    kind = message_factory.GetMessageClass(
        pool.AddSerializedFile(file.SerializeToString()).message_types_by_name["Holder"]
    )
    with pytest.raises(TypeError, match="maps"):
        pb.to_json(kind(names={"a": "b"}))


# -- Structs -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "struct"), RESOURCES, ids=lambda one: one.__name__)
def test_every_field_of_a_resource_comes_from_its_struct(kind: type[Message], struct: type[msgspec.Struct]) -> None:
    assert list(missing(kind.DESCRIPTOR, struct)) == []  # type: ignore[arg-type]


def missing(descriptor: Descriptor, struct: type[Any]) -> typing.Iterator[str]:
    """The fields of the message that nothing of the Struct fills, and the enum values that only one side knows."""
    hints = typing.get_type_hints(struct)
    for field in descriptor.fields:
        if field_behavior_pb2.INPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]:
            continue
        name = "version" if field.name == "etag" else field.name
        if isinstance(getattr(struct, name, None), property):
            continue
        if name not in hints:
            yield field.full_name
            continue
        kind = next(one for one in (*typing.get_args(hints[name]), hints[name]) if one is not type(None))
        if field.enum_type is not None and issubclass(kind, enum.Enum):
            known = {value.name for value in field.enum_type.values if value.number}
            yield from (f"{field.full_name}: {odd}" for odd in known ^ {member.name for member in kind})
        elif field.message_type is not None and issubclass(kind, msgspec.Struct):
            yield from missing(field.message_type, kind)


def test_none_is_unset_the_version_is_the_etag_and_secrets_stay() -> None:
    application = members.Application(
        application_id="a",
        account_id="b",
        state=members.ApplicationState.DRAFT,
        create_time=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        person=members.PersonProfile(
            display_name=LocalizedText(ar="ليلى"), of_age=True, occupation=members.Occupation.TEACHER
        ),
        version=3,
    )
    message = pb.to_pb(members_pb2.Application, application)
    assert message.etag == "3"
    assert message.WhichOneof("applicant") == "person"
    assert message.person == of(
        members_pb2.PersonProfile, display_name={"ar": "ليلى"}, occupation="TEACHER", of_age=True
    )
    assert not message.HasField("submit_time")
    account = members.Account(
        account_id="a", email="a@b.example", password_hash="h", create_time=application.create_time
    )
    assert not pb.to_pb(members_pb2.Account, account).password


def test_a_struct_without_a_field_of_the_message_is_told_so() -> None:
    with pytest.raises(AttributeError, match="'LocalizedText' object has no attribute 'person_id'"):
        pb.to_pb(members_pb2.Person, LocalizedText(en="nobody"))


# -- requests ------------------------------------------------------------------------------------------------------
def test_a_request_becomes_plain_keyword_arguments() -> None:
    request = of(
        members_pb2.UpdatePersonRequest,
        person={"person_id": "p", "profile": {"display_name": {"en": "Amal"}}},
        update_mask={"paths": ["profile.place_code"]},
    )
    assert pb.fields(request) == {
        "person": {
            "person_id": "p",
            "profile": {"display_name": {"ar": "", "en": "Amal"}, "place_code": "", "of_age": False},
            "etag": "",
        },
        "update_mask": ("profile.place_code",),
        "request_id": "",
    }


def test_an_enum_is_its_name_and_nothing_when_not_said() -> None:
    assert "state" not in pb.fields(members_pb2.ListApplicationsRequest())
    assert pb.fields(of(members_pb2.ListApplicationsRequest, state="SUBMITTED"))["state"] == "SUBMITTED"


@given(profiles)
def test_a_profile_comes_back_as_it_went_in(message: Any) -> None:
    message.display_name.SetInParent()
    message.occupation %= 5  # an unknown one is refused before
    profile = msgspec.convert(pb.fields(message), members.PersonProfile)
    assert pb.to_pb(members_pb2.PersonProfile, profile) == message


def test_localized_text_has_the_same_languages_on_both_sides() -> None:
    assert [field.name for field in localized_text_pb2.LocalizedText.DESCRIPTOR.fields] == list(
        LocalizedText.__struct_fields__
    )


def test_secrets_can_be_left_out() -> None:
    account = {"email": "a@b.example", "password": "correct horse"}
    request = of(members_pb2.CreateAccountRequest, account=account, request_id="r")
    bare = of(members_pb2.CreateAccountRequest, account={"email": "a@b.example"}, request_id="r")
    assert pb.without_input_only(request) == bare
    assert request.account.password == "correct horse"
    other = of(members_pb2.GetAccountRequest, account_id="a")
    assert pb.without_input_only(other) is other
