"""The gateway when things go wrong behind it: limits, deadlines, retries, draining, deaths, keys that are away."""

import asyncio
import collections
import datetime
import http.server
import json
import pathlib
import signal
import ssl
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chassis.server import MARGIN_SECONDS
from chassis.servers import Process, free_port, wait_until
from tests.integration.gateway import ARABIC, ENGLISH, Gateway, Keys, check_refusal, code_of
from wasl.members.v1 import members_pb2, members_pb2_grpc

READ_TIMEOUT, JWKS_SECONDS = 1.0, 1.0  # of the gateways here


class Behind:
    """Instances of the double behind a gateway of the test's own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.keys = folder, Keys(folder / "keys.json")
        self.processes: list[Process] = []

    def double(self, instance: str, port: int = 0) -> tuple[Process, int]:
        """A started instance, and the port that it is going to listen on."""
        port = port or free_port()
        module = ["-m", "tests.integration.gateway_double", str(port), instance, str(self.keys.path)]
        process = Process([sys.executable, *module], self.folder / f"{instance}.log")
        process.start()
        self.processes.append(process)
        return process, port

    def gateway(self, members: str, **settings: str) -> Gateway:
        given = {"MEMBERS_API": members, "GATEWAY_READ_TIMEOUT": str(READ_TIMEOUT), **settings}
        gateway = Gateway(self.folder, **given)
        self.processes.append(gateway)
        gateway.start()
        return gateway


@pytest.fixture
def behind(tmp_path: pathlib.Path) -> Iterator[Behind]:
    running = Behind(tmp_path)
    yield running
    for process in running.processes:
        process.kill()


def told(reply: httpx.Response) -> dict[str, object]:
    """What the double tells of a call of GetOrganization."""
    assert reply.status_code == 200, reply.text
    found: dict[str, object] = json.loads(reply.json()["profile"]["homepageUri"])
    return found


def await_double(client: httpx.Client, *instances: str) -> None:
    """Until the gateway has found these instances, and no other, healthy."""

    def all_seen() -> bool:
        return {told(client.get("/v1/organizations/x"))["instance"] for _ in range(8)} == set(instances)

    wait_until(all_seen, 20, f"answers of {instances}")


def test_one_instance(behind: Behind, subtests: pytest.Subtests) -> None:
    """What needs no second instance shares one stack."""
    _, port = behind.double("a")
    limits = {"GATEWAY_SIGN_IN_PER_MINUTE": "5", "GATEWAY_WRITES_PER_MINUTE": "10"}
    gateway = behind.gateway(f"127.0.0.1:{port}", **limits)
    client = gateway.client()
    await_double(client, "a")
    channel = grpc.insecure_channel(f"127.0.0.1:{gateway.port}")
    gateway.clients.callback(channel.close)
    members = members_pb2_grpc.MembersServiceStub(channel)

    with subtests.test("the services get what we say, not what a client says of itself"):
        forged = {"x-wasl-subject": "evil", "x-wasl-fields": "evil", "x-wasl-language": "xx", "x-envoy-retry-on": "5xx"}
        seen = told(client.get("/v1/organizations/x", headers={**forged, **ARABIC}))
        assert seen["x-wasl-language"] == "ar"
        assert not {"x-wasl-subject", "x-wasl-fields", "x-envoy-retry-on"} & set(seen)
        bearer = behind.keys.bearer(sub="m1")
        seen = told(client.get("/v1/organizations/x", headers={**bearer, **forged}))
        assert seen["x-wasl-subject"] == "m1"
        assert seen["authorization"] == bearer["authorization"], "the services verify it again"
        assert READ_TIMEOUT + MARGIN_SECONDS < float(str(seen["deadline"])) < READ_TIMEOUT + 0.6

    with subtests.test("what stands in the address counts, and the body says the same or nothing"):
        for said, status in (({}, 200), ({"personId": "x"}, 200), ({"personId": "y"}, 400)):
            changed = client.patch("/v1/people/x", json=said, headers=behind.keys.bearer())
            assert changed.status_code == status, changed.text
            assert status == 400 or changed.json() == {"personId": "x"}

    with subtests.test("a read that takes too long"):
        began = time.monotonic()
        check_refusal(client.get("/v1/organizations/sleep.3", headers=ARABIC), 504, 4, "DEADLINE_EXCEEDED", "لم يصل")
        assert time.monotonic() - began < 3
        slow = members_pb2.GetOrganizationRequest(organization_id="sleep.3")
        assert code_of(lambda: members.GetOrganization(slow, timeout=10)) is grpc.StatusCode.DEADLINE_EXCEEDED

    with subtests.test("reads are tried again, writes are not"):
        assert told(client.get("/v1/organizations/once.read"))["calls"] == 2
        write = {"statement": {"en": "once.write"}}
        reply = client.post("/v1/applications", json=write, headers=behind.keys.bearer())
        assert (reply.status_code, reply.json()["code"]) == (503, 14)

    with subtests.test("long answers are compressed"):
        reply = client.get("/v1/organizations?page_size=100", headers={"accept-encoding": "gzip"})
        assert reply.headers["content-encoding"] == "gzip"
        assert len(reply.json()["organizations"]) == 100

    with subtests.test("sign-ins are limited by address"):
        first, second = gateway.client("127.0.0.2"), gateway.client("127.0.0.3")
        answers = [first.post("/v1/sessions:signIn", json={}, headers=ARABIC) for _ in range(7)]
        assert [one.status_code for one in answers] == [200] * 5 + [429] * 2
        check_refusal(answers[-1], 429, 8, "RATE_LIMITED", "طلبات كثيرة")
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert second.post("/v1/sessions:signIn", json={}).status_code == 200
        assert first.get("/v1/organizations/x").status_code == 200

    with subtests.test("writes are limited by account"):
        busy, other = behind.keys.bearer(sub="busy"), behind.keys.bearer(sub="other")
        answers = [client.post("/v1/applications", json={}, headers=busy) for _ in range(12)]
        assert [one.status_code for one in answers][:10] == [200] * 10
        assert answers[-1].status_code == 429
        assert client.post("/v1/applications", json={}, headers=other).status_code == 200
        again, metadata = members_pb2.CreateApplicationRequest(), (("authorization", busy["authorization"]),)
        calls = [code_of(lambda: members.CreateApplication(again, metadata=metadata)) for _ in range(4)]
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in calls, "the same bucket, whatever the client speaks"

    with subtests.test("signing in works with a token that has run out"):
        run_out = behind.keys.bearer(exp=5)
        assert gateway.client("127.0.0.4").post("/v1/sessions:signIn", json={}, headers=run_out).status_code == 200

    with subtests.test("an only instance is not ejected for being sick"):
        for _ in range(12):
            assert client.get("/v1/organizations/sick.a").status_code == 503
        assert told(client.get("/v1/organizations/x"))["instance"] == "a"


def test_keys(behind: Behind) -> None:
    """They are fetched through the gateway itself: whoever comes up first, and while the members service is away."""
    members, matching = free_port(), free_port()
    behind.double("matching", matching)
    gateway = behind.gateway(f"127.0.0.1:{members}", MATCHING_API=f"127.0.0.1:{matching}")
    client = gateway.client(**ARABIC)
    reply = client.get("/v1/participants/x", headers=behind.keys.bearer())
    check_refusal(reply, 503, 14, "KEYS_UNAVAILABLE", "يتعذّر التحقق")  # 401 would make clients forget their token

    def accepted(**headers: str) -> bool:
        return client.get("/v1/participants/x", headers=headers).status_code == 200

    started, _ = behind.double("members", members)
    wait_until(lambda: accepted(**behind.keys.bearer()), 20, "keys after the members service has come up")
    new = behind.keys.new("k2")
    assert not accepted(**behind.keys.bearer(new))
    behind.keys.publish(new, behind.keys.key)
    wait_until(lambda: accepted(**behind.keys.bearer(new)), 10, "new key")
    started.kill()
    time.sleep(JWKS_SECONDS * 3)
    assert accepted(**behind.keys.bearer()), "other services work on while members is away"
    check_refusal(client.get("/v1/organizations/x"), 503, 14, "UNAVAILABLE", "غير متاحة")
    check_refusal(client.get("/v1/organizations/x", headers=ENGLISH), 503, 14, "UNAVAILABLE", "not available")
    assert "127.0.0.1" not in client.get("/v1/organizations/x").text


def test_a_killed_instance_is_used_again_soon(behind: Behind) -> None:
    started, port = behind.double("a")
    client = behind.gateway(f"127.0.0.1:{port}").client()
    await_double(client, "a")
    for _ in range(3):
        started.kill()
        assert client.get("/v1/organizations/x").status_code == 503
        started.start()
        began = time.monotonic()
        wait_until(lambda: client.get("/v1/organizations/x").status_code == 200, 20, "answer")
        assert time.monotonic() - began < 10, "with the start of the process"


def test_too_many_forms_are_a_page_for_people(behind: Behind) -> None:
    client = behind.gateway(f"127.0.0.1:{free_port()}", GATEWAY_WRITES_PER_MINUTE="2").client()
    pages = [client.post("/ar/needs/new", data={}, headers={"accept": "text/html"}) for _ in range(3)]
    assert [page.status_code for page in pages] == [503, 503, 429]
    assert pages[-1].headers["content-type"] == "text/html; charset=utf-8"
    assert "طلبات كثيرة" in pages[-1].text


def test_the_portal_away_is_a_page_for_people_and_json_for_programs(behind: Behind) -> None:
    client = behind.gateway(f"127.0.0.1:{free_port()}").client()
    page = client.get("/ar", headers={"accept": "text/html,application/xhtml+xml"})
    assert page.status_code == 503
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert "غير متاحة" in page.text
    assert "not available" in page.text
    assert page.headers["x-request-id"] in page.text
    for address in ("/v1/statistics", "/ar"):
        check_refusal(client.get(address, headers=ARABIC), 503, 14, "UNAVAILABLE", "غير متاحة")


Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


async def hammer(gateway: Gateway, seconds: float, **calls: Call) -> dict[str, collections.Counter[object]]:
    """Each call again and again from two clients; the statuses, or exceptions, by the call's name."""
    seen: dict[str, collections.Counter[object]] = {name: collections.Counter() for name in calls}
    end = time.monotonic() + seconds

    async def repeat(name: str, call: Call) -> None:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=10) as client:
            while time.monotonic() < end:
                try:
                    seen[name][(await call(client)).status_code] += 1
                except httpx.HTTPError as error:
                    seen[name][type(error).__name__] += 1
                await asyncio.sleep(0.01)

    await asyncio.gather(*(repeat(name, call) for name, call in calls.items() for _ in range(2)))
    return seen


async def test_two_instances(behind: Behind, subtests: pytest.Subtests) -> None:
    ports = {instance: free_port() for instance in "ab"}
    running = {instance: behind.double(instance, port)[0] for instance, port in ports.items()}
    every = ",".join(f"127.0.0.1:{port}" for port in ports.values())
    gateway = behind.gateway(
        every, GATEWAY_JWKS_SECONDS="50"
    )  # a fetch of keys is a success, and no failure consecutive
    client = gateway.client()
    await_double(client, "a", "b")
    bearer = behind.keys.bearer()

    async def read(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get("/v1/organizations/sleep.0.02")

    async def write(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/applications", json={"statement": {"en": "sleep.0.02"}}, headers=bearer)

    with subtests.test("one drains: nothing fails"):
        calls = asyncio.create_task(hammer(gateway, 3, read=read, write=write))
        await asyncio.sleep(0.5)
        running["b"].signal(signal.SIGTERM)
        seen = await calls
        assert not running["b"].running
        assert {name: set(statuses) for name, statuses in seen.items()} == {"read": {200}, "write": {200}}, seen

    running["b"] = behind.double("b", ports["b"])[0]
    await asyncio.to_thread(await_double, client, "a", "b")
    with subtests.test("one is killed: no read fails, and writes only where they were"):
        calls = asyncio.create_task(hammer(gateway, 2, read=read, write=write))
        await asyncio.sleep(0.5)
        running["b"].kill()
        seen = await calls
        assert set(seen["read"]) == {200}, seen
        assert seen["write"][200] > 0, seen
        assert seen["write"].total() - seen["write"][200] <= 2, seen

    running["b"] = behind.double("b", ports["b"])[0]
    await asyncio.to_thread(await_double, client, "a", "b")
    with subtests.test("a sick one is ejected"):
        sick = {"statement": {"en": "sick.b"}}
        answers = [client.post("/v1/applications", json=sick, headers=bearer).status_code for _ in range(30)]
        assert 5 <= answers.count(503) <= 10, answers  # after the fifth, and what comes before all threads know
        assert set(answers[-10:]) == {200}, answers
        assert gateway.statistic("cluster.members.outlier_detection.ejections_enforced_total") > 0


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of one that takes traces, and what it has taken."""
    taken: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            while size := int(self.rfile.readline(), 16):  # Envoy sends chunks
                taken.append(self.rfile.read(size + 2))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing into the tests' output."""

    with http.server.HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()
        thread.join()


def test_traces(behind: Behind, collector: tuple[str, list[bytes]]) -> None:
    endpoint, taken = collector
    _, members = behind.double("a")
    client = behind.gateway(f"127.0.0.1:{members}", OTLP_ENDPOINT=endpoint).client()
    await_double(client, "a")
    trace = "0af7651916cd43dd8448eb211c80319c"
    for _ in range(6):  # Envoy sends them by the half-dozen
        seen = told(client.get("/v1/organizations/x", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}))
        assert trace in str(seen["traceparent"]), "the service goes on with the caller's trace"
        assert "b7ad6b7169203331" not in str(seen["traceparent"]), "below the gateway's own span"
    wait_until(lambda: bytes.fromhex(trace) in b"".join(taken), 10, "spans")
    assert b"gateway" in b"".join(taken)


def test_tls(behind: Behind) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_file = behind.folder / "certificate.pem", behind.folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(*form))
    _, members = behind.double("a")
    port = free_port()
    tls = {"GATEWAY_TLS_PORT": str(port), "GATEWAY_TLS_CERTIFICATE": str(pem), "GATEWAY_TLS_KEY": str(key_file)}
    gateway = behind.gateway(f"127.0.0.1:{members}", **tls)
    await_double(gateway.client(), "a")
    with httpx.Client(verify=ssl.create_default_context(cafile=str(pem))) as client:
        bearer = behind.keys.bearer()
        assert told(client.get(f"https://localhost:{port}/v1/organizations/x", headers=bearer))["x-wasl-subject"]
    credentials = grpc.ssl_channel_credentials(pem.read_bytes())
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        asked = members_pb2.GetOrganizationRequest(organization_id="x")
        assert members_pb2_grpc.MembersServiceStub(channel).GetOrganization(asked).organization_id == "x"
    assert b"PRIVATE KEY" not in (behind.folder / "envoy.yaml").read_bytes()
