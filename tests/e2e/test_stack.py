"""The whole stack, from the gateway's REST to another service's view, with every server real."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import uuid
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from chassis.servers import wait_until
from tests.e2e.collector import Collector
from tests.e2e.conftest import ORGANIZATION, PASSWORD, Network

JOINED = "org.wasl.members.member.joined.v1"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def shown(network: Network, *member_ids: str, seconds: float = 30) -> None:
    """Waits until matching shows all of them."""
    wait_until(lambda: set(member_ids) <= network.participants().keys(), seconds, f"{len(member_ids)} participants")


def supervise(network: Network, verb: str, process: str) -> None:
    configuration = network.stack.home / "run" / "supervisord.conf"
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(configuration), verb, process]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_only_services_know_the_secret_and_the_servers(network: Network) -> None:
    for name, pid in network.stack.pids().items():
        variables = pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")
        told = [one for one in variables if re.match(r"WASL_\w*(URI|SECRET|RABBITMQ)", one)]
        assert bool(told) is bool(re.search("-(api|http|worker)-", name)), f"{name}: {told}"


# -- the way of one request ----------------------------------------------------------------------------------------
def test_who_applies_and_is_approved_is_shown_by_another_service(network: Network, collector: Collector) -> None:
    path = network.submitted(placeCode="SY0203")
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = network.coordinator.post(f"{path}:approve", json={}, headers=headers)
    assert answer.status_code == 200, answer.text
    member_id = answer.json()["memberId"]
    shown(network, member_id)
    participant = network.coordinator.ok("GET", f"/v1/participants/{member_id}")
    assert participant["displayName"] == ORGANIZATION["displayName"]
    assert (participant["kind"], participant["placeCode"]) == ("ORGANIZATION", "SY0203")
    assert network.nobody.ok("GET", f"/v1/organizations/{member_id}")["organizationId"] == member_id
    assert network.nobody.get(f"/v1/participants/{member_id}").status_code == 401

    # One trace, and one correlation id, from the gateway to the effect.
    expected = {("members-api", "wasl.members.v1.MembersService/ApproveApplication"), ("matching-worker", JOINED)}
    wait_until(lambda: expected <= collector.of_trace(TRACE), 20, "spans")
    correlation = answer.headers["x-request-id"]
    logs = [path.read_text() for path in sorted((network.stack.home / "log").glob("m*-*.log"))]
    lines = [json.loads(line) for log in logs for line in log.splitlines() if correlation in line]
    assert {line["service"] for line in lines} == {"members", "matching"}


def test_what_the_gateway_documents_is_there(network: Network) -> None:
    for address in ("/openapi.json", "/asyncapi.json", "/docs", "/ar", "/en", "/.well-known/jwks.json"):
        reply = network.nobody.get(address, follow_redirects=True)
        assert reply.status_code == 200, address


# -- without the broker --------------------------------------------------------------------------------------------
def test_writes_go_on_without_the_broker_and_the_view_catches_up(network: Network) -> None:
    before = network.stack.pids()
    supervise(network, "stop", "servers:rabbitmq")
    try:
        members = []
        for number in range(20):
            began = time.monotonic()
            members.append(network.approved(displayName={"en": f"Without a broker {number}"}))
            assert time.monotonic() - began < 5
        assert not set(members) & network.participants().keys()
        assert network.database("members").outbox.count_documents({}) >= 20
    finally:
        supervise(network, "start", "servers:rabbitmq")
    wait_until(lambda: network.stack.dev("status"), 120, "broker, and workers that have found it")
    shown(network, *members)
    after = network.stack.pids()
    restarted = {name for name in before if before[name] != after.get(name)}
    assert restarted == {"rabbitmq"}
    wait_until(lambda: network.database("members").outbox.count_documents({}) == 0, 20, "an empty outbox")


# -- two of each worker --------------------------------------------------------------------------------------------
def applied(network: Network) -> list[float]:
    """Events that each of matching's workers has applied."""
    base = int(network.stack.environment["WASL_PORT_BASE"])
    counts = []
    for replica in range(2):
        text = httpx.get(f"http://127.0.0.1:{base + 50 + replica}/metrics").text
        counts.append(sum(float(n) for n in re.findall(r"^wasl_events_applied_total\{.*\} (\S+)$", text, re.M)))
    return counts


def test_two_workers_share_the_load(network: Network) -> None:
    before = applied(network)
    shown(network, *[network.approved() for _ in range(30)])
    assert all(now > then for now, then in zip(applied(network), before, strict=True))


@pytest.mark.parametrize("worker", ["matching-worker-1", "members-worker-1"])
def test_a_worker_that_is_asked_to_stop_loses_and_doubles_nothing(network: Network, worker: str) -> None:
    members = [network.approved() for _ in range(10)]
    pid = network.stack.pids()[worker]
    os.kill(pid, 15)
    members += [network.approved() for _ in range(20)]
    shown(network, *members)
    wait_until(lambda: network.stack.pids().get(worker, pid) != pid, 30, f"another {worker}")
    wait_until(lambda: network.database("members").outbox.count_documents({}) == 0, 20, "an empty outbox")
    log = network.database("members").log
    for member_id in members:
        assert log.count_documents({"subject": member_id, "type": JOINED}) == 1
    positions = sorted(entry["_id"] for entry in log.find({}, {"_id": 1}))
    assert positions == list(range(1, len(positions) + 1))
    announced = log.count_documents({"type": JOINED})
    wait_until(lambda: marks(network) == announced, 20, f"{announced} marks")
    assert len(network.participants()) == announced


def marks(network: Network) -> int:
    """How many joined events matching has applied."""
    count: int = network.database("matching").inbox.count_documents({"_id": {"$regex": f"^{JOINED}:"}})
    return count


# -- parked messages -----------------------------------------------------------------------------------------------
def publish(network: Network, body: str, message_id: str, exchange: str, key: str, **headers: Any) -> None:
    """By the broker's management API, as somebody who is not one of us."""
    base = int(network.stack.environment["WASL_PORT_BASE"])
    message = {
        "properties": {"message_id": message_id, "delivery_mode": 2, "headers": headers},
        "routing_key": key,
        "payload": body,
        "payload_encoding": "string",
    }
    address = f"http://127.0.0.1:{base + 5}/api/exchanges/%2F/{exchange}/publish"
    reply = httpx.post(address, json=message, auth=("guest", "guest"))
    assert reply.json() == {"routed": True}, reply.text


def event(network: Network, message_id: str, **member: Any) -> str:
    """A real event with another id and other data."""
    entry = network.database("members").log.find_one({"type": JOINED})
    changed = {**entry["event"], "id": message_id, "subject": member["memberId"]}
    return json.dumps({**changed, "data": {"member": {**entry["event"]["data"]["member"], **member}}})


def parked(network: Network, message_id: str) -> str:
    """Its line in the list; empty when it is not parked."""
    lines = network.stack.dev("parked", "list").splitlines()
    return next((line for line in lines if message_id in line), "")


def test_a_message_that_is_not_valid_is_parked_at_once_shown_replayed_and_dropped(network: Network) -> None:
    message_id = str(uuid.uuid4())
    publish(network, "this is no event", message_id, "members.events", JOINED)
    wait_until(lambda: parked(network, message_id), 10, "parked message")
    assert "Invalid" in parked(network, message_id)
    told = network.stack.dev("parked", "show", message_id)
    assert "this is no event" in told
    assert "matching" in told
    network.stack.dev("parked", "replay", message_id)
    wait_until(lambda: parked(network, message_id), 10, "parked message, again")
    network.stack.dev("parked", "drop", message_id)
    assert not parked(network, message_id)


def test_a_message_that_always_fails_is_parked_after_its_last_attempt(network: Network) -> None:
    """It comes here with five failures behind it: waiting for them takes a minute and a half (test_worker_traps.py)."""
    message_id, member_id = str(uuid.uuid4()), str(uuid.uuid4())
    body = event(network, message_id, memberId=member_id, kind="MEMBER_KIND_UNSPECIFIED")
    publish(network, body, message_id, "members.events", JOINED, **{"wasl-attempt": 5})
    wait_until(lambda: parked(network, message_id), 15, "parked message")
    assert re.search(rf"{message_id}.*matching.*{JOINED}.* 6 .*Invalid", parked(network, message_id))
    assert member_id not in network.participants()
    network.stack.dev("parked", "drop", message_id)
    assert not parked(network, message_id)


def test_a_parked_message_takes_effect_when_it_is_replayed_after_the_repair(network: Network) -> None:
    message_id, member_id = str(uuid.uuid4()), str(uuid.uuid4())
    body = event(network, message_id, memberId=member_id, displayName={"en": "Repaired"})
    home = {"wasl-queue": f"matching.{JOINED}", "wasl-attempt": 6, "wasl-reason": "ValueError: a bug of yesterday"}
    publish(network, body, message_id, "amq.default", "matching.parking", **home)
    assert "a bug of yesterday" in parked(network, message_id)
    network.stack.dev("parked", "replay", message_id)
    wait_until(lambda: network.participants().get(member_id) == "Repaired", 10, "effect")
    assert not parked(network, message_id)


def test_a_view_is_built_anew_by_a_command(network: Network) -> None:
    """What no event of the log accounts for (the message of the test before) is gone afterwards."""
    expected = {entry["subject"] for entry in network.database("members").log.find({"type": JOINED})}
    command = f'. "{network.stack.home}/env" && exec "{sys.executable}" -m services.matching rebuild'
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^participants: rebuilt from \d+ events$", done.stdout, re.M)
    assert "(100 %)" in done.stderr
    assert network.participants().keys() == expected


def test_an_id_that_nothing_has_is_told_so(network: Network) -> None:
    with pytest.raises(RuntimeError, match="No parked message has the ID"):
        network.stack.dev("parked", "show", "no-such-id")


# -- bad input -----------------------------------------------------------------------------------------------------
LANGUAGES = {"en": re.compile("[A-Za-z]{3}"), "ar": re.compile("[\u0621-\u064a]{2}")}
VALID = {"organization": ORGANIZATION}
BAD: dict[str, tuple[int, str, bytes | dict[str, Any], str]] = {
    # what is wrong: HTTP status, path, body, and the field that the answer names
    "an undeclared field": (400, "", {**VALID, "colour": 1}, "colour"),
    "a wrong type": (400, "", {"organization": {**ORGANIZATION, "typeCode": []}}, "organization.type_code"),
    "a wrong value": (400, "", {"organization": {**ORGANIZATION, "typeCode": "1"}}, "organization.type_code"),
    "a missing field": (400, "", {"organization": {"typeCode": "441"}}, "organization.display_name"),
    "an unknown enum": (400, "", {"person": {"occupation": "KING"}}, "person.occupation"),
    "invalid UTF-8": (400, "", b'{"statement":{"ar":"\xff"}}', ""),
    "a body over the limit": (413, "", b'{"etag":"' + b"x" * 2_000_000 + b'"}', ""),
    "broken JSON": (400, "", b'{"organization":', ""),
    "another's resource": (404, "{other}:submit", {}, ""),
    "nothing": (404, f"/{uuid.uuid4()}:submit", {}, ""),
}


def stored(network: Network) -> dict[str, Any]:
    """Everything that the services keep, but for what changes by itself."""
    found = {}
    for service in ("members", "matching"):
        database = network.database(service)
        for name in set(database.list_collection_names()) - {"leases"}:
            found[f"{service}.{name}"] = list(database[name].find().sort("_id", 1))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_the_callers_language_and_nothing_is_stored(
    network: Network, case: str, language: str
) -> None:
    status, path, body, field = BAD[case]
    other = network.coordinator.ok("POST", "/v1/applications", json=VALID)["applicationId"]
    before = stored(network)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    address = f"/v1/applications{path}".replace("{other}", f"/{other}")
    headers = {"accept-language": language, "content-type": "application/json"}
    reply = network.applicant.post(address, content=content, headers=headers)
    assert reply.status_code == status, reply.text
    refused(reply, language, field and f"application.{field}")
    assert stored(network) == before


def refused(reply: httpx.Response, language: str, field: str = "") -> None:
    details = {detail["@type"].rpartition(".")[2]: detail for detail in reply.json()["details"]}
    assert details["ErrorInfo"]["reason"]
    assert details["LocalizedMessage"]["locale"] == language
    assert LANGUAGES[language].search(details["LocalizedMessage"]["message"])
    assert details["RequestInfo"]["requestId"] == reply.headers["x-request-id"]
    if field:
        (violation,) = details["BadRequest"]["fieldViolations"]
        assert violation["field"] == field
        assert LANGUAGES[language].search(violation["description"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_forged_or_expired_token_opens_nothing(network: Network, language: str) -> None:
    (key,) = (found["jwk"] for found in network.database("members").signing_keys.find())
    ours, others = OKPKey.import_key(key), OKPKey.generate_key("Ed25519", {"kid": key["kid"]})
    claims = {"iss": "https://wasl.example", "aud": "wasl", "sub": str(uuid.uuid4()), "roles": ["coordinator"]}
    before = stored(network)
    for signer, exp, reason in ((others, 600, "TOKEN_INVALID"), (ours, -60, "TOKEN_EXPIRED")):
        header = {"alg": "EdDSA", "kid": key["kid"]}
        token = jwt.encode(header, {**claims, "exp": int(time.time()) + exp}, signer, algorithms=["EdDSA"])
        headers = {"authorization": f"Bearer {token}", "accept-language": language}
        reply = network.nobody.post("/v1/applications", json=VALID, headers=headers)
        assert reply.status_code == 401, reply.text
        assert reply.json()["details"][0]["reason"] == reason
        refused(reply, language)
    assert stored(network) == before


# -- any input -----------------------------------------------------------------------------------------------------
@pytest.mark.timeout(330)
@pytest.mark.parametrize(("who", "phases"), [("nobody", "fuzzing"), ("coordinator", "coverage,fuzzing")])
def test_nothing_that_is_sent_breaks_a_promise_of_the_openapi_document(
    network: Network, who: str, phases: str, tmp_path: pathlib.Path
) -> None:
    """Schemathesis: no 5xx, no status, content type or body that the document does not have."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    client = getattr(network, who)
    command: list[str] = [
        *(str(pathlib.Path(sys.executable).with_name("schemathesis")), "run", f"{network.stack.url}/openapi.json"),
        *("--checks", checks, "--phases", phases, "--max-examples", "4", "--seed", "1"),
        *("--generation-database", "none", "--no-color"),
    ]
    if bearer := client.headers.get("authorization"):
        command += ["--header", f"Authorization: {bearer}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_password_of_the_first_coordinator_is_in_no_log(network: Network) -> None:
    account = json.loads((network.stack.home / "state" / "coordinator.json").read_text())
    for path in (network.stack.home / "log").iterdir():
        text = path.read_text(errors="replace")
        assert account["password"] not in text, path
        assert PASSWORD not in text, path
