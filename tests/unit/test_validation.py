"""What the contract demands is told in both languages, by field."""

import pathlib
import re
import string
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from descriptors import messages, methods, routes
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from buf.validate import validate_pb2
from chassis import pb, validation
from chassis.errors import Violation
from tests.support import of
from tests.unit import strategies
from wasl.events.v1 import calendars_pb2 as calendars
from wasl.events.v1 import convenings_pb2 as events
from wasl.matching.v1 import postings_pb2 as needs
from wasl.members.v1 import members_pb2 as m
from wasl.options.v1 import options_pb2
from wasl.resources.v1 import resources_pb2 as resources

ROOT = pathlib.Path(__file__).parents[2]
ARABIC = re.compile(r"[\u0621-\u064a]")
PERSON = of(m.PersonProfile, display_name={"en": "Amal"}, of_age=True)


def told(request: Message) -> dict[str, str]:
    """Reason by field."""
    return {violation.field: violation.reason for violation in validation.check(request)}


def described() -> list[Descriptor]:
    return list({one.full_name: one for top in messages() for one in pb.messages(top)}.values())


def rule_ids() -> Iterator[str]:
    """Of every rule that stands in the contract, by protovalidate's own descriptors."""
    for message in described():
        options = message.GetOptions().Extensions[validate_pb2.message]
        yield from (rule.id for rule in options.cel)
        for field in message.fields:
            rules = field.GetOptions().Extensions[validate_pb2.field]
            if rules.required:
                yield "required"
            yield from (rule.id for rule in [*rules.cel, *rules.repeated.items.cel])
            yield from _typed(rules)


def _typed(rules: Any) -> Iterator[str]:
    if kind := rules.WhichOneof("type"):
        given = getattr(rules, kind).ListFields()
        if {"gte", "lte"} <= {rule.name for rule, _ in given}:
            yield f"{kind}.gte_lte"  # the two together are one
            return
        for rule, value in given:
            if rule.name == "items":  # those of each
                yield from _typed(value)
                continue
            known = rule.GetOptions().Extensions[validate_pb2.predefined].cel
            yield from (one.id for one in known if one.id == f"{kind}.{rule.name}")
            if not known:  # such as enum.defined_only: built in
                yield f"{kind}.{rule.name}"


def test_every_rule_of_the_contract_has_a_sentence_and_no_sentence_is_left_over() -> None:
    assert set(rule_ids()) == set(validation.TEXTS)


@pytest.mark.parametrize("texts", [*validation.TEXTS.values(), *validation.REFUSED.values(), validation.OTHERWISE])
def test_every_sentence_is_there_in_both_languages(texts: tuple[str, str]) -> None:
    english, arabic = texts
    assert ARABIC.search(arabic)
    assert not ARABIC.search(english)
    count = [len([name for _, name, _, _ in string.Formatter().parse(text) if name is not None]) for text in texts]
    assert count[0] == count[1]


def test_no_pattern_is_shown_to_a_person() -> None:
    """`^SY(0[1-9]…` tells nothing: the contract explains a pattern in words."""
    for message in described():
        for field in message.fields:
            rules = field.GetOptions().Extensions[validate_pb2.field]
            if rules.string.HasField("pattern") or rules.repeated.items.string.HasField("pattern"):
                explanation = field.GetOptions().Extensions[options_pb2.explanation]
                assert explanation.en, field.full_name
                assert ARABIC.search(explanation.ar), field.full_name


def test_a_place_is_checked_alike_wherever_it_is_sent() -> None:
    """protovalidate would share the rule by an extension of its own, which is more than four equal lines."""
    sent = {one.full_name: one for method in methods() for one in pb.messages(method.input_type)}
    options = [
        one.fields_by_name["place_code"].GetOptions() for one in sent.values() if "place_code" in one.fields_by_name
    ]
    checks = [(one.Extensions[validate_pb2.field], one.Extensions[options_pb2.explanation]) for one in options]
    assert checks[0][0].string.pattern
    assert checks == [checks[0]] * len(checks)


@pytest.mark.parametrize("blank", [" ", "\t\r\n", "\u00a0", "\u2003\u3000", "\u200b\u200f", "\u00ad"])
def test_a_text_is_not_blank_in_any_language(blank: str) -> None:
    for name in ({"ar": blank}, {"en": blank}, {"ar": blank, "en": "Amal"}, {"ar": "أمل", "en": blank}):
        assert told(of(m.PersonProfile, display_name=name, of_age=True)) == {"display_name": "LOCALIZED_TEXT_BLANK"}
    seen = f"{blank}أ{blank}"
    assert told(of(m.PersonProfile, display_name={"ar": seen}, of_age=True)) == {}


@pytest.mark.parametrize("control", ["\x00", "\x08", "\x0b", "\x1b", "\x7f", "\x85"])
def test_a_text_has_no_control_characters(control: str) -> None:
    for name in ({"ar": f"أمل{control}"}, {"en": f"A{control}mal"}, {"ar": "أمل", "en": f"Amal\n{control}"}):
        assert told(of(m.PersonProfile, display_name=name, of_age=True)) == {"display_name": "LOCALIZED_TEXT_CONTROL"}
    assert told(of(m.PersonProfile, display_name={"ar": "أمل\r\n\tحداد"}, of_age=True)) == {}
    wrong = of(resources.CreateRecordRequest, record={"creators": ["Amal", f"A{control}mal"]})
    assert told(wrong)["record.creators[1]"] == "LINE_CONTROL"
    assert told(of(m.SignInRequest, email="a", password="b", client=f"Firefox{control}")) == {"client": "LINE_CONTROL"}
    assert told(of(calendars.IssueCalendarFeedRequest, label=control)) == {"label": "LINE_CONTROL"}


@pytest.mark.parametrize("quantity", [0, -1, 100_000_001])
def test_a_number_is_told_from_where_to_where_it_goes(quantity: int) -> None:
    """None at all is 0, so the sentence has to fit both."""
    asked = of(needs.CreateNeedRequest, need={"lines": [{"help_code": "kits", "unit_code": "kit"}]})
    asked.need.lines[0].quantity = quantity
    (told_,) = [one for one in validation.check(asked) if one.field == "need.lines[0].quantity"]
    assert told_.en == "has to be a number from 1 to 100,000,000"
    assert told_.ar == "يجب أن يكون عددا من ١ إلى ١٠٠٬٠٠٠٬٠٠٠"


inputs = st.sampled_from([method.input_type for method in methods()]).flatmap(strategies.message)


@given(inputs)
def test_whatever_is_sent_the_answer_names_fields_and_speaks_both_languages(request: Message) -> None:
    for violation in validation.check(request):
        assert leads_somewhere(type(request).DESCRIPTOR, violation.field)
        assert re.fullmatch("[A-Z][A-Z0-9_]*", violation.reason)
        assert ARABIC.search(violation.ar)
        assert (violation.en, violation.ar) != validation.OTHERWISE


def leads_somewhere(message: Any, path: str) -> bool:
    for name in re.sub(r"\[\d+\]", "", path).split("."):
        if message is None:
            return False
        if name in message.oneofs_by_name:
            return True
        field = message.fields_by_name.get(name)
        if field is None:
            return False
        message = field.message_type
    return True


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (m.GetAccountRequest(), {"account_id": "REQUIRED"}),
        (of(m.GetAccountRequest, account_id="7"), {"account_id": "STRING_UUID"}),
        (m.CreateAccountRequest(), {"account": "REQUIRED"}),
        (
            of(m.CreateAccountRequest, account={"email": "nobody", "password": "short"}, request_id="x"),
            {"account.email": "STRING_EMAIL", "account.password": "STRING_MIN_LEN", "request_id": "STRING_UUID"},
        ),
        (of(m.CreateApplicationRequest, application={}), {"application.applicant": "REQUIRED"}),
        (
            of(m.CreateApplicationRequest, application={"person": {"occupation": 9, "place_code": "Idleb"}}),
            {
                "application.person.display_name": "REQUIRED",
                "application.person.occupation": "ENUM_DEFINED_ONLY",
                "application.person.of_age": "BOOL_CONST",
                "application.person.place_code": "STRING_PATTERN",
            },
        ),
        (of(m.ListPeopleRequest, page_size=-1), {"page_size": "INT32_GTE"}),
        (of(m.ListPeopleRequest, page_token="x" * 201), {"page_token": "STRING_MAX_LEN"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)
def test_what_is_wrong_is_told_by_field(request_: Message, expected: dict[str, str]) -> None:
    assert told(request_) == expected


def test_numbers_stand_in_the_digits_of_the_language() -> None:
    (violation,) = validation.check(of(m.CreateAccountRequest, account={"email": "a@b.example", "password": "short"}))
    assert "10" in violation.en
    assert "١٠" in violation.ar
    assert "10" not in violation.ar


# -- masks ---------------------------------------------------------------------------------------------------------
ID = "0190c1a2-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("paths", "profile", "expected"),
    [
        (["profile.place_code"], {"place_code": "SY07"}, {}),
        (["profile.place_code"], {"place_code": "Idleb"}, {"person.profile.place_code": "STRING_PATTERN"}),
        (["profile.occupation"], {"place_code": "Idleb"}, {}),
        (["profile.of_age"], {}, {"person.profile.of_age": "BOOL_CONST"}),
        (["profile.display_name"], {"place_code": "Idleb"}, {"person.profile.display_name": "REQUIRED"}),
        (["profile"], {"place_code": "SY07", "of_age": True}, {"person.profile.display_name": "REQUIRED"}),
        ([], {"display_name": {"en": "A child"}}, {"person.profile.of_age": "BOOL_CONST"}),
        ([], None, {}),
        (["profile"], None, {"person.profile": "REQUIRED"}),
    ],
)
def test_only_what_the_mask_names_is_looked_at(
    paths: list[str], profile: dict[str, Any] | None, expected: dict[str, str]
) -> None:
    request = of(m.UpdatePersonRequest, person={"person_id": ID, "profile": profile}, update_mask={"paths": paths})
    assert told(request) == expected


def test_an_update_without_a_mask_may_leave_a_oneof_alone_and_a_new_resource_may_not() -> None:
    assert told(of(m.UpdateApplicationRequest, application={"statement": {"en": "x"}})) == {}
    assert told(of(m.UpdateApplicationRequest, application={})) == {}
    assert told(of(m.CreateApplicationRequest, application={"statement": {"en": "x"}})) == {
        "application.applicant": "REQUIRED"
    }


def test_what_is_beside_the_resource_counts_whatever_the_mask_names() -> None:
    request = of(
        m.UpdatePersonRequest,
        person={"person_id": ID, "profile": PERSON},
        update_mask={"paths": ["profile.of_age"]},
        request_id="x",
    )
    assert told(request) == {"request_id": "STRING_UUID"}


@pytest.mark.parametrize(
    "time",
    [
        {"seconds": -2_208_988_801},
        {"seconds": 7_258_118_400},
        {"seconds": 999_999_999_999_999},
        {"nanos": -1},
        {"nanos": 10**9},
    ],
)
def test_a_time_is_one_of_the_years_1900_to_2199(time: dict[str, int]) -> None:
    assert told(of(events.ListConveningsRequest, from_time=time)) == {"from_time": "TIME_OUT_OF_RANGE"}
    line = {"help_code": "a", "quantity": 1, "unit_code": "a", "start_time": time}
    need = {"need_id": ID, "title": {"en": "Kits"}, "lines": [line]}
    assert told(of(needs.CreateNeedRequest, need=need)) == {"need.lines[0].start_time": "TIME_OUT_OF_RANGE"}
    request = of(needs.UpdateNeedRequest, need=need, update_mask={"paths": ["title"]})
    assert told(request) == {"need.lines[0].start_time": "TIME_OUT_OF_RANGE"}


def test_the_first_and_the_last_time_are_taken() -> None:
    for time in ({"seconds": -2_208_988_800}, {"seconds": 7_258_118_399, "nanos": 10**9 - 1}):
        assert told(of(events.ListConveningsRequest, from_time=time)) == {}


def test_a_number_that_is_none_of_an_enums_is_told_wherever_it_stands() -> None:
    request = m.CreateApplicationRequest(application=m.Application(person=PERSON))
    request.application.state = 99  # type: ignore[assignment]  # which is only read
    assert told(request) == {"application.state": "ENUM_DEFINED_ONLY"}
    update = m.UpdateApplicationRequest(application=request.application)
    assert told(update) == {"application.state": "ENUM_DEFINED_ONLY"}
    update.update_mask.paths.append("statement")
    assert told(update) == {}


def test_of_a_list_that_is_too_long_no_item_is_looked_at() -> None:
    need = {"title": {"en": "Kits"}, "lines": [{}] * 100_000}
    assert told(of(needs.CreateNeedRequest, need=need)) == {"need.lines": "REPEATED_MAX_ITEMS"}


def test_a_mask_has_100_paths_at_most() -> None:
    request = of(
        m.UpdatePersonRequest, person={"person_id": ID, "profile": PERSON}, update_mask={"paths": ["profile"] * 101}
    )
    assert told(request) == {"update_mask": "REPEATED_MAX_ITEMS"}
    del request.update_mask.paths[100]
    assert told(request) == {}


def test_every_list_that_may_be_sent_has_a_limit() -> None:
    for method in methods():
        if not routes(method):
            continue  # for services only
        for message in pb.messages(method.input_type):
            for field in message.fields:
                options = field.GetOptions()
                is_sent = field_behavior_pb2.OUTPUT_ONLY not in options.Extensions[field_behavior_pb2.field_behavior]
                # What is only read has no rules inside, so to look at it is quick.
                if field.is_repeated and is_sent and not message.full_name.startswith("google."):
                    assert options.Extensions[validate_pb2.field].repeated.max_items, field.full_name


# -- names that are no fields, and values of another kind ----------------------------------------------------------
METHODS = {method.name: method for method in methods()}


@pytest.mark.parametrize(
    ("method", "listed", "field", "reason"),
    [
        ("SignIn", "email=text,password=text", "", ""),
        ("SignIn", "email=text,passwort=text", "passwort", "UNKNOWN_FIELD"),
        ("CreateApplication", "person=object,person.displayName=object,person.display_name.ar=text", "", ""),
        ("CreateApplication", "person.nope=text", "application.person.nope", "UNKNOWN_FIELD"),
        ("CreateApplication", "person.displayName.fr=text", "application.person.displayName.fr", "UNKNOWN_FIELD"),
        ("CreateApplication", "statement.ar.x=text", "application.statement.ar.x", "UNKNOWN_FIELD"),
        ("CreateApplication", "%D8%A7=text", "application.ا", "UNKNOWN_FIELD"),
        ("CreateApplication", "%FF=text", "application.\ufffd", "UNKNOWN_FIELD"),
        ("CreateApplication", "statement.ar=bytes", "application.statement.ar", "UNDECODABLE"),
        ("CreateApplication", "statement=object,statement=twice", "application.statement", "GIVEN_TWICE"),
        ("CreateApplication", "person.x=bytes", "application.person.x", "UNKNOWN_FIELD"),
        ("CreateApplication", "person.ofAge=bool,person.occupation=number,createTime=text", "", ""),
        ("CreateApplication", "person.ofAge=null,person.occupation=text,createTime=null", "", ""),
        ("CreateApplication", "person.ofAge=text", "application.person.of_age", "NOT_TRUE_OR_FALSE"),
        ("CreateApplication", "person.ofAge=number", "application.person.of_age", "NOT_TRUE_OR_FALSE"),
        ("CreateApplication", "person.occupation=bool", "application.person.occupation", "INVALID_VALUE"),
        ("CreateApplication", "person.placeCode=beyond", "application.person.place_code", "NOT_A_TEXT"),
        ("CreateApplication", "createTime=object,createTime.seconds=number", "application.create_time", "NOT_A_TIME"),
        ("CreateNeed", "lines=list,lines[]=object,lines.quantity=text,lines.note=object", "", ""),
        ("CreateNeed", "lines=null", "", ""),
        ("CreateNeed", "title=list", "need.title", "NOT_ONE_VALUE"),
        ("CreateNeed", "lines=twice", "need.lines", "GIVEN_TWICE"),
        ("CreateNeed", "lines=object,lines.quantity=number", "need.lines", "NOT_A_LIST"),
        ("CreateNeed", "lines=list,lines[]=null", "need.lines", "INVALID_VALUE"),
        ("CreateNeed", "lines=list,lines[]=list,lines[]=object", "need.lines", "NOT_ONE_VALUE"),
        ("CreateNeed", "lines=list,lines[]=object,lines.quantity=beyond", "need.lines.quantity", "NOT_AN_INTEGER"),
        ("CreateRecord", "languageCodes=text", "record.language_codes", "NOT_A_LIST"),
        ("CreateRecord", "languageCodes=list,languageCodes[]=null", "record.language_codes", "INVALID_VALUE"),
        ("CreateRecord", "languageCodes=beyond", "record.language_codes", "NOT_A_LIST"),
        ("UpdatePerson", "joinTime=text,profile.placeCode=text", "", ""),
        ("UpdatePerson", "?updateMask", "", ""),
        ("RejectApplication", "rejectReason.ar=text,etag=text", "", ""),
        ("RejectApplication", "?etag", "etag", "UNKNOWN_FIELD"),
        ("GetPerson", "?anything", "anything", "UNKNOWN_FIELD"),
        ("ListApplications", "?undecided=text", "undecided", "NOT_TRUE_OR_FALSE"),
        ("ListApplications", "?pageSize=text,?state=text,?undecided", "", ""),
        ("ListApplications", "?undecided=nothing", "undecided", "NOT_TRUE_OR_FALSE"),
        ("ListApplications", "?pageSize=text,?page_size=text,?page_size=twice", "page_size", "GIVEN_TWICE"),
        ("SearchRecords", "?languageCode=text,?languageCode=twice", "language_code", "GIVEN_TWICE"),
        ("ListConvenings", "?fromTime=text", "", ""),
        ("ListConvenings", "?fromTime=untimely", "from_time", "NOT_A_TIME"),
        ("CreateNeed", "expireTime=untimely", "need.expire_time", "NOT_A_TIME"),
        ("ListConvenings", "?fromTime.seconds=text", "fromTime.seconds", "UNKNOWN_FIELD"),
    ],
)  # fmt: skip
def test_what_the_gateway_lists_is_refused_by_name_and_kind(method: str, listed: str, field: str, reason: str) -> None:
    found = validation.refused_fields(METHODS[method])(listed)
    assert found == (Violation(field, reason, *validation.REFUSED[reason]) if field else None)


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_body_in_place_of_what_the_transcoder_cannot_read_is_refused(method: str) -> None:
    refused = validation.refused_fields(METHODS[method])
    assert refused("!")
    assert refused("request_id=text,!")


def test_the_gateway_has_the_same_words_for_the_same_reason() -> None:
    gateway = tomllib.loads((ROOT / "deploy/envoy/violations.toml").read_text())["violations"]
    for reason in {one["reason"] for one in gateway} & set(validation.REFUSED):
        words = [(one["en"], one["ar"]) for one in gateway if one["reason"] == reason]
        assert validation.REFUSED[reason] in words


@pytest.mark.parametrize("field", ["statement.en", "person.display_name.ar"])
def test_a_text_that_is_no_utf8_is_named_in_bytes_too(field: str) -> None:
    request = m.CreateApplicationRequest()
    holder: Any = request.application
    *path, last = field.split(".")
    for name in path:
        holder = getattr(holder, name)
    setattr(holder, last, "سلام")
    data = request.SerializeToString().replace("سلام".encode(), b"\xd8\xb3\xff\xd8\xa7\xd9\x85\x20")
    (found,) = validation.undecodable(METHODS["CreateApplication"].input_type, data)
    assert (found.field, found.reason) == (f"application.{field}", "UNDECODABLE")


def test_bytes_that_are_no_message_name_no_field() -> None:
    message = METHODS["CreateApplication"].input_type
    whole = m.CreateApplicationRequest(request_id="x").SerializeToString()
    assert [validation.undecodable(message, data) for data in (b"\xff", whole[:-1], whole, b"")] == [[]] * 4
