"""The gateway in front of the real services: what it refuses, in whose words, and what it adds to what they answer."""

import gzip
import json
import pathlib
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import brotli  # type: ignore[import-untyped]
import grpc
import httpx
import pymongo
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from joserfc.jwk import OKPKey

from chassis.servers import Process, free_port, wait_until
from tests.integration.gateway import ARABIC, ENGLISH, Gateway, Keys, check_refusal, code_of, details, sign
from tests.support import ACCEPTED
from wasl.log.v1 import log_pb2, log_pb2_grpc
from wasl.members.v1 import members_pb2, members_pb2_grpc

SECRET = "a service's secret"
ORIGIN = "https://app.example"
NO_ID = "00000000-0000-7000-8000-000000000000"


class Stack:
    """Members, matching, events and the portal behind a gateway. `client` is a coordinator's."""

    def __init__(self, folder: pathlib.Path, mongo_uri: str) -> None:
        self.database = f"test_{uuid.uuid4().hex[:12]}"
        self.mongo_uri, self.folder = mongo_uri, folder
        members, matching, events, portal = free_port(), free_port(), free_port(), free_port()
        self.gateway = Gateway(
            folder,
            MEMBERS_API=f"127.0.0.1:{members}",
            MATCHING_API=f"127.0.0.1:{matching}",
            EVENTS_API=f"127.0.0.1:{events}",
            PORTAL_HTTP=f"127.0.0.1:{portal}",
            GATEWAY_CORS_ORIGINS=ORIGIN,
        )
        self.environment = {
            "WASL_MONGO_URI": mongo_uri,
            "WASL_JWKS_URL": f"{self.gateway.url}/.well-known/jwks.json",
            "WASL_SERVICE_SECRET": SECRET,
            "WASL_STATE_DIR": str(folder),
            "WASL_MEMBERS_ADDRESS": f"127.0.0.1:{members}",
            "WASL_MATCHING_ADDRESS": f"127.0.0.1:{matching}",
        }
        self.processes: list[Process] = [self.gateway]
        self.run("members", "migrate").wait(60)
        self.run("matching", "migrate").wait(60)
        self.run("events", "migrate").wait(60)
        self.run("members", "api", members)
        self.run("matching", "api", matching)
        self.run("events", "api", events)
        self.run("portal", "http", http_port=portal)
        self.gateway.start()
        for address in ("/v1/statistics", "/ar"):
            wait_until(lambda: httpx.get(self.gateway.url + address).is_success, 60, address)  # noqa: B023
        account = json.loads((folder / "coordinator.json").read_text())
        self.session = httpx.post(f"{self.gateway.url}/v1/sessions:signIn", json=account, timeout=20).json()
        self.bearer = {"authorization": f"Bearer {self.session['accessToken']}"}
        self.client = self.gateway.client(**self.bearer)
        for address in ("/v1/participants", "/v1/convenings"):
            wait_until(lambda: self.client.get(address).is_success, 60, address)  # noqa: B023

    def run(self, service: str, command: str, port: int = 0, http_port: int = 0) -> Process:
        ports = {"WASL_GRPC_PORT": str(port), "WASL_HTTP_PORT": str(http_port or free_port())}
        database = {f"WASL_{service.upper()}_DATABASE": f"{self.database}_{service}"}
        arguments = [sys.executable, "-m", f"services.{service}", command]
        process = Process(
            arguments, self.folder / f"{service}-{command}.log", {**self.environment, **ports, **database}
        )
        process.start()
        self.processes.append(process)
        return process

    def signing_key(self) -> OKPKey:
        """The members service's own, to make tokens with it that it would not make."""
        with pymongo.MongoClient[dict[str, Any]](self.mongo_uri) as client:
            (found,) = client[f"{self.database}_members"].signing_keys.find()
        return OKPKey.import_key(found["jwk"])

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        with pymongo.MongoClient[dict[str, Any]](self.mongo_uri) as client:
            for name in client.list_database_names():
                if name.startswith(self.database):
                    client.drop_database(name)


@pytest.fixture(scope="module")
def stack(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("gateway"), mongo_uri)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def client(stack: Stack) -> httpx.Client:
    return stack.client


# -- what a body or a query may not be -----------------------------------------------------------------------------
NO_FIELD = ("UNKNOWN_FIELD", "not a field", "ليس حقلا")
NO_VALUE = ("INVALID_VALUE", "not a value", "ليس قيمة مقبولة")
INVALID = {
    # name: (body, field, reason and what it says in English and in Arabic). Unknown fields keep the caller's spelling.
    "unknown": ('{"nope":1}', "nope", *NO_FIELD),
    "unknown inside": ('{"person":{"displayName":{"ar":"ا","nope":1}}}', "person.displayName.nope", *NO_FIELD),
    "unknown behind escapes": (r'{"statement":{"en":"a\"b{\\"},"zz":[{"x":1}]}', "zz", *NO_FIELD),
    "more names than fit": (json.dumps({f"k{i:05}": 1 for i in range(2000)}), "k00000", *NO_FIELD),
    "more than fit, of one name": ('{"person":{"' + "x" * 9_000 + '":1}}', "person." + "x" * 4_075, *NO_FIELD),
    "deeper than is looked": ('{"person":' * 40 + "1" + "}" * 40, "person.person", *NO_FIELD),
    "a child": (
        '{"person":{"displayName":{"ar":"ا"}}}', "person.of_age", "BOOL_CONST", "18 or older", "الثامنة عشرة"
    ),
    "no boolean": (
        '{"person":{"ofAge":"maybe"}}', "person.of_age", "NOT_TRUE_OR_FALSE", "neither true nor", "ليس true ولا"
    ),
    "a text for a boolean": (
        '{"person":{"ofAge":"yes"}}', "person.of_age", "NOT_TRUE_OR_FALSE", "neither true nor", "ليس true ولا"
    ),
    "a text with a one for a boolean": (
        '{"person":{"of_age":"1"}}', "person.of_age", "NOT_TRUE_OR_FALSE", "neither true nor", "ليس true ولا"
    ),
    "a field twice": (
        '{"statement":{"en":"a"},"person":{},"statement":{}}', "statement", "GIVEN_TWICE", "is given twice", "ورد مرتين"
    ),
    "a field twice, in two spellings": (
        '{"person":{"placeCode":"SY07","place_code":"SY07"}}', "person.place_code",
        "GIVEN_TWICE", "is given twice", "ورد مرتين",
    ),
    "an object for a time": ('{"createTime":{"seconds":1}}', "create_time", "NOT_A_TIME", "not a time", "ليس وقتا"),
    "a number beyond all limits": ('{"person":{"occupation":-1e400}}', "person.occupation", *NO_VALUE),
    "half a surrogate": (
        r'{"statement":{"en":"\\\ud83d\ude00","ar":"\ude00\ud83d\ude00"}}', "statement.ar",
        "UNDECODABLE", "UTF-8", "UTF-8",
    ),
    "half a surrogate behind a backslash": (
        r'{"statement":{"ar":"\ud83d\\\ude00"}}', "statement.ar", "UNDECODABLE", "UTF-8", "UTF-8"
    ),
    "no text": ('{"etag":5}', "etag", "NOT_A_TEXT", "not a text", "ليس نصا"),
    "no time": ('{"createTime":"yesterday"}', "create_time", "NOT_A_TIME", "not a time", "ليس وقتا"),
    "no such enum value": ('{"person":{"occupation":"KING"}}', "person.occupation", *NO_VALUE),
    "a text for a message": ('{"person":{"displayName":"x"}}', "person.display_name", *NO_VALUE),
    "a list for one": ('{"person":{"placeCode":["SY07"]}}', "person.place_code", "NOT_ONE_VALUE", "a list", "قائمة"),
    "a list for a text in Arabic": ('{"statement":{"ar":["x"]}}', "statement.ar", "NOT_ONE_VALUE", "a list", "قائمة"),
    "a list for a message": ('{"person":[{}]}', "person", "NOT_ONE_VALUE", "a list", "قائمة"),
    "the first of many lists": (
        '{"person":{"placeCode":["SY07"],"occupation":["TEACHER"]}}',
        "person.place_code", "NOT_ONE_VALUE", "a list", "قائمة",
    ),
    "an object for one": ('{"person":{"placeCode":{}}}', "person.place_code", "INVALID_VALUE", "no object", "كائنا"),
    "both of a oneof": ('{"person":{},"organization":{}}', "organization", "ONE_OF", "excludes another", "لا يجتمع"),
    "a rule of the contract": (
        '{"person":{"displayName":{"ar":"ا"},"ofAge":true,"placeCode":"SY99"}}',
        "person.place_code", "STRING_PATTERN", "SY07", "SY07",
    ),
}  # fmt: skip
BROKEN = {
    "cut off": b'{"person":',
    "not an object": b"[1]",
    "no object but a text": b'"person"',
    "a number that ends with its point": b'{"person":{"occupation":5.}}',
    "a number without digits behind its point": b'{"person":{"occupation":5.e1}}',
    "not an object, nor UTF-8": b'["\xff"]',
    "not UTF-8 at all": b"\xff\xfe{",
    "bare name": b"{nope:1}",
    "two words far apart": b'{"person":x' + b" " * 60_000 + b"y}",
    "other quotation marks": b"{'nope':1}",
    "more behind it": b'{"person":{}} x',
    "half a surrogate behind the body": rb'{"statement":{"ar":"x"}},"\ud800"',
    "not UTF-8 behind the body": b'{"statement":{"ar":"x"}},["\xff"]',
    "a number beyond all limits in place of a name": b'{1e400:{"ar":"x"}}',
    "a comma too many": b'{"statement":{"ar":"x",}}',
    "a comma too many in a list": b'{"statement":{"ar":"x"},"person":[1,]}',
    "an escape that is none": rb'{"statement":{"ar":"\q"}}',
    "a control character between values": b'{"person":\x0b{}}',
    "a control character": b'{"statement":{"ar":"a\nb"}}',
}


@pytest.mark.parametrize("case", INVALID)
def test_a_wrong_field_is_named(client: httpx.Client, case: str) -> None:
    body, field, reason, english, arabic = INVALID[case]
    for language, text, why in ((ENGLISH, "see the named fields", english), (ARABIC, "راجع الحقول", arabic)):
        reply = client.post("/v1/applications", content=body, headers=language)
        check_refusal(reply, 400, 3, "INVALID_ARGUMENT", text, f"application.{field}", reason, why)


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_json_is_refused(client: httpx.Client, case: str) -> None:
    for language, text in ((ENGLISH, "not a valid JSON object"), (ARABIC, "كائن JSON")):
        reply = client.post("/v1/applications", content=BROKEN[case], headers=language)
        check_refusal(reply, 400, 3, "INVALID_ARGUMENT", text, "", "MALFORMED_JSON", text)


def test_text_that_is_no_utf8_is_refused_wherever_it_stands(client: httpx.Client) -> None:
    for language, text in ((ENGLISH, "UTF-8"), (ARABIC, "بترميز UTF-8")):
        whole = "see the named fields" if language is ENGLISH else "راجع الحقول"
        for broken in (b"\xff", b"\xd8\xb9\xd8", b"\xed\xa0\x80", b'\\"\xc0\xaf', b"\xf5\x80\x80\x80"):
            body = (
                '{"person":{"occupation":"TEACHER"},"statement":{"en":"سلام \\" 🌍","ar":"'.encode() + broken + b'"}}'
            )
            reply = client.post("/v1/applications", content=body, headers=language)
            check_refusal(reply, 400, 3, "INVALID_ARGUMENT", whole, "application.statement.ar", "UNDECODABLE", text)
        for address, field in (("/%ff", "organization_id"), ("?page_token=%ff", "page_token")):
            reply = client.get(f"/v1/organizations{address}", headers=language)
            check_refusal(reply, 400, 3, "INVALID_ARGUMENT", whole, field, "UNDECODABLE", text)


@pytest.mark.parametrize(
    ("query", "field", "reason", "why"),
    [
        ("nope=1", "nope", "UNKNOWN_FIELD", "ليس حقلا"),
        ("not-a%20name=1", "not-a%20name", "UNKNOWN_FIELD", "ليس حقلا"),
        ("%ff=1", "%ff", "UNKNOWN_FIELD", "ليس حقلا"),
        ("nope", "nope", "UNKNOWN_FIELD", "ليس حقلا"),
        ("page_size=1&nope&q", "nope", "UNKNOWN_FIELD", "ليس حقلا"),
        ("page_size.nope=1", "page_size", "UNKNOWN_FIELD", "ليس حقلا"),
        ("page_size=abc", "page_size", "NOT_AN_INTEGER", "ليس عددا صحيحا"),
        ("pageSize=99999999999", "page_size", "NOT_AN_INTEGER", "ليس عددا صحيحا"),
        ("page_size=-1", "page_size", "INT32_GTE", "أصغر"),
        ("page_size", "page_size", "NOT_AN_INTEGER", "ليس عددا صحيحا"),
        ("page_size=1&query=x&pageSize=2", "page_size", "GIVEN_TWICE", "ورد مرتين"),
        ("page%53ize=1&pageSize=1", "page_size", "GIVEN_TWICE", "ورد مرتين"),
        ("&".join(["page_size=1"] * 400), "page_size", "GIVEN_TWICE", "ورد مرتين"),
        (f"{'n' * 3000}=1", "n" * 3000, "UNKNOWN_FIELD", "ليس حقلا"),  # long enough to be compressed
    ],
)
def test_a_wrong_query_parameter_is_named(client: httpx.Client, query: str, field: str, reason: str, why: str) -> None:
    reply = client.get(f"/v1/organizations?{query}", headers=ARABIC)
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", field, reason, why)


def test_a_boolean_in_a_query_is_true_or_false(client: httpx.Client) -> None:
    for value in ("yes", "TRUE", "1", "f", "%79es", "%31"):
        reply = client.get(f"/v1/applications?page_size=1&undecided={value}", headers=ARABIC)
        check_refusal(
            reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", "undecided", "NOT_TRUE_OR_FALSE", "ليس true ولا false"
        )
    for value in ("true", "false"):
        assert client.get(f"/v1/applications?undecided={value}").status_code == 200


@pytest.mark.parametrize("name", ["person_id", "personId"])
def test_a_body_that_contradicts_its_address_is_refused(client: httpx.Client, name: str) -> None:
    reply = client.patch(f"/v1/people/{NO_ID}", json={name: str(uuid.uuid4())}, headers=ARABIC)
    violation = ("person_id", "DIFFERS_FROM_ADDRESS", "العنوان")
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", *violation)
    same = client.patch(f"/v1/people/{NO_ID}", json={name: NO_ID}, headers=ARABIC)
    assert "DIFFERS_FROM_ADDRESS" not in same.text


@pytest.mark.parametrize("name", ["organization_id", "organizationId", "organization%49d"])
def test_a_query_that_contradicts_its_address_is_refused(client: httpx.Client, name: str) -> None:
    reply = client.get(f"/v1/organizations/{NO_ID}?{name}={uuid.uuid4()}", headers=ARABIC)
    named = name.replace("%49", "I")
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", named, "UNKNOWN_FIELD", "ليس حقلا")


def test_a_query_cannot_replace_the_secret_of_a_calendar(client: httpx.Client) -> None:
    reply = client.get(f"/v1/calendars/{'x' * 30}?token={'y' * 30}", headers=ARABIC)
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", "token", "UNKNOWN_FIELD", "ليس حقلا")


def test_a_time_in_a_query_is_a_time(client: httpx.Client) -> None:
    for query in ("fromTime.seconds=999999999999999", "from_time.seconds=1", "fromTime.nanos=1"):
        reply = client.get(f"/v1/convenings?{query}", headers=ARABIC)
        name = query.partition("=")[0]
        check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", name, "UNKNOWN_FIELD", "ليس حقلا")


@pytest.mark.parametrize("count", [51, 1_000, 20_000])
def test_a_list_that_is_too_long_is_refused_as_a_whole(client: httpx.Client, count: int) -> None:
    for address, field in (("/v1/needs", "need.lines"), ("/v1/convenings", "convening.sessions")):
        body = {"title": {"ar": "س"}, field.partition(".")[2]: [{}] * count}
        reply = client.post(address, json=body, headers=ENGLISH)
        check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "see the named", field, "REPEATED_MAX_ITEMS", "50 at most")


def test_of_many_wrong_fields_some_are_told(client: httpx.Client) -> None:
    reply = client.post("/v1/needs", json={"title": {"ar": "س"}, "lines": [{}] * 50}, headers=ARABIC)
    assert reply.status_code == 400
    assert len(details(reply)["BadRequest"]["fieldViolations"]) == 20


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ({"quantity": "abc"}, "need.lines[0].quantity", "NOT_AN_INTEGER"),
        ({"quantity": 1.5}, "need.lines[0].quantity", "NOT_AN_INTEGER"),
        ({"quantity": {}}, "need.lines[0].quantity", "INVALID_VALUE"),
        ({"startTime": "tomorrow"}, "need.lines[0].start_time", "NOT_A_TIME"),
        ({"note": 5}, "need.lines[0].note", "INVALID_VALUE"),
        (1, "need.lines[0]", "INVALID_VALUE"),
        (None, "need.lines", "INVALID_VALUE"),
        ([{"quantity": 1}], "need.lines", "NOT_ONE_VALUE"),
    ],
)
def test_a_wrong_value_in_a_list_is_named(client: httpx.Client, line: Any, field: str, reason: str) -> None:
    reply = client.post("/v1/needs", json={"title": {"en": "Kits"}, "lines": [line]}, headers=ARABIC)
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", field, reason, "")


@pytest.mark.parametrize(
    "time",
    [
        "2027-1-1T1:0:0Z",
        "2027-02-01T9:00:00Z",
        " 2027-02-01T09:00:00Z",
        "2027-02-01T09:00:00Z ",
        "2027-02-01T09:00:00.Z",
        "2027-02-01T23:59:60Z",
        "2027-02-01T09:00Z",
        "2027-02-30T09:00:00Z",
        "2027-02-01T09:00:00",
        "2027-02-01",
    ],
)
def test_what_looks_like_a_time_only_is_refused(client: httpx.Client, time: str) -> None:
    violation = ("NOT_A_TIME", "ليس وقتا")
    reply = client.post("/v1/applications", json={"createTime": time}, headers=ARABIC)
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", "application.create_time", *violation)
    reply = client.get("/v1/convenings", params={"from_time": time}, headers=ARABIC)
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", "from_time", *violation)


@pytest.mark.parametrize(
    "time", ["2027-02-01T09:00:00Z", "2027-02-01T09:00:00.123456789Z", "2027-02-01T12:00:00+03:00"]
)
def test_times_are_taken_with_fractions_and_offsets(client: httpx.Client, time: str) -> None:
    assert client.get("/v1/convenings", params={"from_time": time}).status_code == 200


def test_one_value_where_a_list_belongs_is_named(client: httpx.Client) -> None:
    line = {"helpCode": "school-kits", "quantity": 1, "unitCode": "item"}
    reply = client.post("/v1/needs", json={"title": {"en": "Kits"}, "lines": line}, headers=ARABIC)
    check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "راجع الحقول", "need.lines", "NOT_A_LIST", "قائمة")


def test_a_wrong_value_of_the_body_itself_is_named(client: httpx.Client) -> None:
    for value, reason in (({"a": 1}, "INVALID_VALUE"), (["a"], "NOT_ONE_VALUE"), (5, "NOT_A_TEXT")):
        reply = client.post("/v1/sessions:signIn", json={"email": value, "password": "x"}, headers=ENGLISH)
        check_refusal(reply, 400, 3, "INVALID_ARGUMENT", "see the named", "email", reason, "")


def test_a_body_over_the_limit_is_refused(client: httpx.Client) -> None:
    def in_chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b'{"statement":' + b" " * 8_000

    for content in (b'{"etag":"' + b"x" * 70_000 + b'"}', b'{"nope":[' + b"1," * 40_000 + b"'", in_chunks()):
        reply = client.post("/v1/applications", content=content, headers=ARABIC)
        check_refusal(reply, 413, 3, "BODY_TOO_LARGE", "حجم الطلب")


def test_nothing_of_all_that_is_stored(client: httpx.Client) -> None:
    reply = client.get("/v1/applications")
    assert (reply.status_code, reply.json()) == (200, {})


def test_a_good_request_is_stored(client: httpx.Client) -> None:
    person = {"displayName": {"ar": "ليلى", "en": "Layla"}, "occupation": "TEACHER", "ofAge": True}
    statement = {"en": 'with "quotes" and {braces}'}
    only_read = {"createTime": "2027-02-01T12:00:00.5+03:00"}
    made = client.post("/v1/applications", json={"person": person, "statement": statement, **only_read})
    assert made.status_code == 200, made.text
    assert made.json()["person"] == person
    assert made.headers["cache-control"] == "no-store"


def test_the_query_of_a_write_says_nothing_that_belongs_into_the_body(client: httpx.Client) -> None:
    """It would replace what the body says; and a password in an address is in logs and histories."""
    draft = {"person": {"displayName": {"en": "Amal"}, "ofAge": True}}
    for address, body, field in (
        ("/v1/applications?application.person.of_age=false", draft, "application.person.of_age"),
        ("/v1/applications?application.person.displayName.en=Query", draft, "application.person.displayName.en"),
        ("/v1/applications?application%2Eperson.of_age=true", draft, "application%2Eperson"),
        ("/v1/sessions:signIn?email=a@b.example&password=in+the+address", {}, "email"),
        ("/v1/accounts?account.email=a@b.example", {"password": "x" * 10}, "account.email"),
        ("/v1/applications?nope", draft, "nope"),
    ):
        answer = client.post(address, json=body, headers=ENGLISH)
        assert answer.status_code == 400, answer.text
        details = {one["@type"].rpartition(".")[2]: one for one in answer.json()["details"]}
        (violation,) = details["BadRequest"]["fieldViolations"]
        assert (violation["field"], violation["reason"]) == (field, "UNKNOWN_FIELD")
    request_id = str(uuid.uuid4())
    assert client.post(f"/v1/applications?requestId={request_id}", json=draft).status_code == 200


def test_long_headers_are_no_reason_to_refuse(client: httpx.Client) -> None:
    for size in (7_000, 9_000, 12_000):
        answer = client.get("/v1/applications", headers={"x-long": "x" * size})
        assert answer.status_code == 200, answer.text


# -- tokens --------------------------------------------------------------------------------------------------------
def test_only_a_good_token_is_accepted(stack: Stack) -> None:
    key = stack.signing_key()
    forged, other = Keys.new(str(key.kid)), Keys.new("unknown")
    expired = int(time.time()) - 60
    invalid = ("TOKEN_INVALID", "رمز الدخول غير صالح")
    bad = {
        sign(key, exp=expired): ("TOKEN_EXPIRED", "انتهت جلستك"),
        sign(forged): invalid,
        sign(other): invalid,
        sign(key, exp=None): invalid,
        sign(key, aud="others"): invalid,
        sign(key, iss="https://evil.example"): invalid,
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtMSJ9.": invalid,  # {"alg":"none"}
        "x.y.z": invalid,
    }
    client = stack.gateway.client()
    for token, (reason, text) in bad.items():
        headers = {**ARABIC, "authorization": f"Bearer {token}"}
        for address in ("/v1/participants", "/v1/organizations"):  # a role's, and everybody's
            check_refusal(client.get(address, headers=headers), 401, 16, reason, text)
    for address in ("/v1/participants", "/v1/applications"):
        check_refusal(client.get(address, headers=ARABIC), 401, 16, "UNAUTHENTICATED", "سجّل الدخول")
        reply = client.get(f"{address}?access_token={stack.session['accessToken']}", headers=ENGLISH)
        assert reply.status_code in (400, 401), "a token in an address is in logs and histories"
    good = {"authorization": f"bearer {sign(key, roles=['coordinator'])}"}  # RFC 9110, 11.1: its case does not matter
    assert client.get("/v1/participants", headers=good).status_code == 200
    assert client.get("/v1/organizations", headers=good).status_code == 200


# -- addresses -----------------------------------------------------------------------------------------------------
def test_an_address_that_is_nothing_is_404(client: httpx.Client) -> None:
    for verb, address in (("GET", "/v1/nope"), ("PUT", "/v1/applications"), ("POST", "/v1/people"), ("GET", "/v1/")):
        check_refusal(client.request(verb, address, headers=ARABIC), 404, 5, "NO_ROUTE", "لا يوجد شيء")
        check_refusal(client.request(verb, address, headers=ENGLISH), 404, 5, "NO_ROUTE", "There is nothing")


def test_what_is_internal_cannot_be_reached(stack: Stack) -> None:
    secret = {"x-wasl-service-secret": SECRET}
    with grpc.insecure_channel(f"127.0.0.1:{stack.gateway.port}") as channel:
        log = log_pb2_grpc.EventLogServiceStub(channel)
        request = log_pb2.ReadEventsRequest()
        assert (
            code_of(lambda: list(log.ReadEvents(request, metadata=tuple(secret.items()))))
            is grpc.StatusCode.UNIMPLEMENTED
        )
        health = health_pb2_grpc.HealthStub(channel)
        assert code_of(lambda: health.Check(health_pb2.HealthCheckRequest())) is grpc.StatusCode.UNIMPLEMENTED
    client = stack.gateway.client(**secret)
    for kind in ("application/json", "application/grpc-web+proto", "application/grpc"):
        reply = client.post("/wasl.log.v1.EventLogService/ReadEvents", content=b"", headers={"content-type": kind})
        assert reply.status_code in (404, 405) or reply.headers["grpc-status"] == "12"
    for address in ("/metrics", "/ready", "/live", "/config_dump"):
        assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_the_same_shape(stack: Stack, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", stack.gateway.port), 5) as connection:
        connection.sendall(raw)
        head, _, body = connection.recv(10_000).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 400")
    assert json.loads(body)["details"][0]["reason"] == "MALFORMED_REQUEST"
    assert "null" not in body


def test_too_many_headers_are_refused(client: httpx.Client) -> None:
    for headers in ({"big": "x" * 20_000}, {f"h{i}": "x" for i in range(80)}):
        reply = client.get("/v1/statistics", headers={**ARABIC, **headers})
        assert reply.status_code == 431
        assert details(reply)["ErrorInfo"]["reason"] == "MALFORMED_REQUEST"


def test_an_address_that_is_none_is_refused_in_the_language_that_was_asked_for(stack: Stack) -> None:
    request = b"GET /v1/participants/x%00y HTTP/1.1\r\nhost: x\r\naccept-language: ar\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.gateway.port), 5) as connection:
        connection.sendall(request)
        head, _, body = connection.recv(10_000).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 400")
    assert json.loads(body)["details"][1]["locale"] == "ar"


# -- the other ways to speak ---------------------------------------------------------------------------------------
def test_grpc(stack: Stack) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{stack.gateway.port}") as channel:
        members = members_pb2_grpc.MembersServiceStub(channel)
        assert members.GetStatistics(members_pb2.GetStatisticsRequest()).people_count == 0
        bearer = (("authorization", stack.bearer["authorization"]),)
        assert members.ListApplications(members_pb2.ListApplicationsRequest(), metadata=bearer)
        people, wrong = members_pb2.ListPeopleRequest(), members_pb2.ListPeopleRequest(page_size=-1)
        too_large = members_pb2.SignInRequest(email="x" * 70_000)
        assert code_of(lambda: members.ListPeople(people)) is grpc.StatusCode.UNAUTHENTICATED
        assert code_of(lambda: members.ListPeople(wrong, metadata=bearer)) is grpc.StatusCode.INVALID_ARGUMENT
        assert code_of(lambda: members.SignIn(too_large)) is not grpc.StatusCode.OK


def test_grpc_web(client: httpx.Client) -> None:
    def call(method: str, message: bytes, **headers: str) -> tuple[httpx.Response, bytes]:
        kind = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
        frame = b"\0" + len(message).to_bytes(4, "big") + message
        reply = client.post(f"/wasl.members.v1.MembersService/{method}", content=frame, headers={**kind, **headers})
        return reply, reply.content

    reply, body = call("GetStatistics", b"")
    assert reply.status_code == 200
    assert body[0] == 0
    length = int.from_bytes(body[1:5], "big")
    assert members_pb2.Statistics.FromString(body[5 : 5 + length]).people_count == 0
    assert b"grpc-status: 0" in body or b"grpc-status:0" in body
    reply, body = call("GetPerson", members_pb2.GetPersonRequest(person_id=NO_ID).SerializeToString())
    assert reply.headers.get("grpc-status") == "5" or b"grpc-status:5" in body.replace(b" ", b"")
    reply, body = call("ListPeople", b"", authorization="Bearer x.y.z")
    assert reply.headers["grpc-status"] == "16"


def test_cors(client: httpx.Client) -> None:
    wish = {"access-control-request-method": "PATCH", "access-control-request-headers": "authorization"}
    answer = client.options(f"/v1/people/{NO_ID}", headers={**wish, "origin": ORIGIN})
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers, "tokens travel in a header, never in a cookie"
    answer = client.options(f"/v1/people/{NO_ID}", headers={**wish, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    web = client.options("/wasl.members.v1.MembersService/GetStatistics", headers={**wish, "origin": ORIGIN})
    assert web.headers["access-control-allow-origin"] == ORIGIN
    for address in ("/v1/statistics", "/v1/nope", "/v1/organizations?nope=1"):
        reply = client.get(address, headers={"origin": ORIGIN})
        assert reply.headers["access-control-allow-origin"] == ORIGIN, "a page must be able to read refusals too"
        assert "x-request-id" in reply.headers["access-control-expose-headers"]


# -- what it adds --------------------------------------------------------------------------------------------------
def test_headers(client: httpx.Client) -> None:
    for address in ("/v1/statistics", "/v1/nope", "/ar"):
        headers = client.get(address, headers={"x-request-id": "my-id_1"}).headers
        assert headers["strict-transport-security"].startswith("max-age=31536000")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-request-id"] == "my-id_1"
        assert "server" not in headers
        assert not [name for name in headers if name.startswith("x-envoy")]
    for wild in ('a b"{}', "x" * 65, "é".encode().decode("latin-1")):
        given = client.get("/v1/nope", headers=httpx.Headers([(b"x-request-id", wild.encode("latin-1"))]))
        assert given.headers["x-request-id"].startswith("gw-")
        assert details(given)["RequestInfo"]["requestId"] == given.headers["x-request-id"]
    assert uuid.UUID(client.get("/v1/statistics").headers["x-request-id"])


@pytest.mark.parametrize(("accepted", "language"), ACCEPTED)
def test_language(client: httpx.Client, accepted: str, language: str) -> None:
    reply = client.get("/v1/nope", headers={"accept-language": accepted, "x-wasl-language": "xx"})
    assert details(reply)["LocalizedMessage"]["locale"] == language


def test_compression(stack: Stack) -> None:
    plain = stack.client.get("/openapi.json", headers={"accept-encoding": "identity"}).content
    unpackers = {"gzip": gzip.decompress, "br": brotli.decompress}
    for accepted, expected in (("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br", "br")):
        with stack.client.stream("GET", "/openapi.json", headers={"accept-encoding": accepted}) as reply:
            packed = b"".join(reply.iter_raw())
        assert reply.headers["content-encoding"] == expected
        assert "accept-encoding" in reply.headers["vary"].lower()
        assert unpackers[expected](packed) == plain
        assert len(packed) < len(plain) / 3
    small = stack.client.get("/v1/statistics", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in small.headers


def test_the_portal_keeps_its_own_headers(client: httpx.Client) -> None:
    page = client.get("/ar", headers={"accept-encoding": "gzip"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-cache"
    again = client.get("/ar", headers={"if-none-match": page.headers["etag"], "accept-encoding": "gzip"})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head("/ar").status_code == 200
    assert client.get("/", headers=ARABIC).headers["location"] == "/ar"
    missing = client.get("/no/such/page", headers=ARABIC)
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")
    assert client.post("/ar", content=b"x" * 260_000).status_code == 405, "a form takes more than a request"
    assert client.post("/ar", content=b"x" * 270_000).status_code == 413


def test_a_calendar_is_a_file_at_a_secret_address(stack: Stack, client: httpx.Client) -> None:
    feed = client.post("/v1/calendarFeeds", json={"label": "my phone"}).json()
    token, address = feed["token"], f"/v1/calendars/{feed['token']}"
    for headers in ({}, {"accept-encoding": "gzip"}, {"accept": "text/calendar"}):
        file = httpx.get(stack.gateway.url + address, headers=headers)
        assert (file.status_code, file.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        assert file.headers["cache-control"] == "no-store"
        assert file.content.startswith(b"BEGIN:VCALENDAR\r\n")
        assert file.content.endswith(b"END:VCALENDAR\r\n")
    asked = {"x-request-id": f"secret-{uuid.uuid4().hex}"}
    assert client.get(f"{address}?nope=1", headers=asked).status_code == 400
    assert client.delete(address).status_code in (404, 405)
    assert client.post(f"/v1/calendarFeeds/{feed['calendarFeedId']}:revoke", json={}).status_code == 200
    gone = client.get(address, headers=ARABIC)
    check_refusal(gone, 404, 5, "CALENDAR_NOT_FOUND", "لا توجد رزنامة كهذه")
    missing = client.get(f"/v1/convenings/{NO_ID}/calendar", headers=ENGLISH)
    check_refusal(missing, 404, 5, "CONVENING_NOT_FOUND", "There is no such convening")
    said = stack.gateway.access_log.read_text
    wait_until(lambda: asked["x-request-id"] in said() and said().count("/v1/calendars/…") >= 6, 5, "its lines")
    assert token not in said()


def test_the_log_holds_no_secrets(stack: Stack) -> None:
    mark = uuid.uuid4().hex
    stack.client.get(f"/v1/organizations?page_token={mark}", headers={"x-request-id": f"log-{mark}"})

    def line() -> dict[str, object]:
        lines = stack.gateway.access_log.read_text().splitlines()
        found: dict[str, object] = json.loads(next(one for one in lines if f"log-{mark}" in one))
        return found

    wait_until(line, 5, "line in the access log")
    seen = line()
    assert seen["path"] == "/v1/organizations"
    assert seen["rpc"] == "/wasl.members.v1.MembersService/ListOrganizations"
    assert seen["subject"] == stack.session["accountId"]
    text = stack.gateway.access_log.read_text()
    assert f"page_token={mark}" not in text
    assert stack.session["accessToken"] not in text
    assert "password" not in text


def test_metrics_are_served_apart(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.gateway.metrics_port}"
    assert "envoy_http_downstream_rq_total" in httpx.get(f"{url}/metrics").text
    for address in ("/config_dump", "/quitquitquit", "/"):
        assert httpx.get(url + address).status_code == 404
        assert httpx.post(url + address).status_code == 404
