"""One trace from the request over outbox and broker to the effect in another service."""

import contextlib
import http.server
import pathlib
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import grpc
import httpx
import pymongo
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from chassis.servers import Process, free_port, wait_until
from chassis.testing import QUICK
from tests.support import SCHOOL, Members, environment, id_of, members_service, new_database

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(http.server.ThreadingHTTPServer):
    """Takes what OpenTelemetry exporters send over HTTP."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []  # with the name of the process
        super().__init__(("127.0.0.1", 0), _Take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of_trace(self) -> set[tuple[str, str]]:
        """Process and name of the spans of TRACE."""
        return {(process, span.name) for process, span in self.spans if span.trace_id.hex() == TRACE}


class _Take(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        for one in request.resource_spans:
            (name,) = (item.value.string_value for item in one.resource.attributes if item.key == "service.name")
            self.server.spans += [(name, span) for scope in one.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


async def test_a_request_and_what_becomes_of_it_elsewhere_are_one_trace(
    members: Members, mongo_uri: str, amqp_uri: str, collector: Collector, tmp_path: pathlib.Path
) -> None:
    """Two more processes: an api and a worker of members, and matching's worker; all tell the collector."""
    grpc_port, database = free_port(), {"members": members.db.name, "matching": new_database()}
    started: list[Process] = []

    def start(service: str, command: str, **changed: str) -> Process:
        more = {
            "amqp_uri": amqp_uri,
            "otlp_endpoint": collector.url,
            "http_port": str(free_port()),
            "log_level": "debug",
        }
        values = environment(mongo_uri, database[service], tmp_path, **more, **changed) | QUICK
        process = Process(
            [sys.executable, "-m", f"services.{service}", command], tmp_path / f"{service}-{command}.log", values
        )
        process.start()
        started.append(process)
        if command != "migrate":
            ready = f"http://127.0.0.1:{values['WASL_HTTP_PORT']}/ready"
            wait_until(lambda: httpx.get(ready).is_success, 60, f"{service} {command}: {process.output()[-500:]}")
        return process

    try:
        start("matching", "migrate").wait(60)
        matching = start("matching", "worker")
        start("members", "worker")
        start("members", "api", grpc_port=str(grpc_port))
        coordinator = await members.account("coordinator")
        submitted = await members.submitted(await members.account(), organization=SCHOOL)
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-request-id": "c-trace"}
        async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            there = Members(members.app, members.running, channel)
            approved = await there("ApproveApplication", by=coordinator, metadata=headers, **id_of(submitted))
        with pymongo.MongoClient[dict[str, object]](mongo_uri) as client:
            view = client[database["matching"]]["participants.1"]
            wait_until(lambda: view.find_one({"_id": approved.member_id}), 20, "participant")
            client.drop_database(database["matching"])
        expected = {
            ("members-api", "wasl.members.v1.MembersService/ApproveApplication"),
            ("matching-worker", "org.wasl.members.member.joined.v1"),
        }
        wait_until(lambda: expected <= collector.of_trace(), 20, f"spans: {collector.of_trace()}")
        # A worker's commands are those of a whole batch, of many traces: they are in none of them.
        assert ("members-api", "admin.commitTransaction") in collector.of_trace()
        assert '"correlation_id":"c-trace"' in matching.output()
    finally:
        with contextlib.ExitStack() as stack:
            for process in started:
                stack.callback(process.stop, 10)
