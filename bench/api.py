"""Reads and writes per second through the gateway, and of the service alone, against their peers.

What is compared, all in one run, in turn, 32 connections, on the same MongoDB:

* reads: one organization by id. `classic_nameko` is an HTTP entrypoint, AMQP RPC and PyMongo; `fastapi` is FastAPI with
  motor, without any gateway. Every side gives the same JSON for the same document, which is checked at the start.
* writes: an application to join, stored in the same collection with the same indexes, durable on a majority's journals
  when it is answered. Theirs is one insert. Ours does more for the same answer: it verifies who writes, checks the
  contract's rules and unknown fields, and stores the answer beside the document, in one transaction, so that a
  `request_id` sent twice is answered once.
* service: our members api without the gateway, called over gRPC, against a bare grpc.aio server with motor that answers
  the same message. Both get the same metadata; only ours verifies the token in it, and logs, measures and limits.

Each side runs in the set-up that was best for it on two cores; ours is that of ./dev up, access log and all. Of the
reads that the api is answering at the same time, several share a query (chassis/loader.py); no peer's do.
"""

import asyncio
import datetime
import pathlib
import sys
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import httpx

from bench import data, load
from bench.report import finish, in_turn, median, ratio, table
from bench.stack import Stack
from chassis import mongo, settings
from chassis.ids import new_id
from chassis.servers import free_port
from participants.model import MEMBER
from services.members.config import Config
from services.members.model import Organization
from wasl.members.v1 import members_pb2 as m

ORGANIZATIONS = 500
METHOD = "/wasl.members.v1.MembersService/GetOrganization"
NAMEKO_WORKERS = 64  # green threads of each process: more than connections, so that none waits for one


def main(*, quick: bool) -> None:
    seconds, rounds = (2, 2) if quick else (2, 12)
    with Stack() as stack:
        stack.start_servers()
        stack.migrate("members")
        config = settings.load(Config, "members", stack.environment)
        ids, token = asyncio.run(_prepare(config))
        gateway, service = start_ours(stack)
        peers = _start_peers(stack, config.database)
        bare = _start_bare(stack, config.database)
        reads = _write(stack.folder / "reads", [f"GET /v1/organizations/{one}" for one in ids])
        writes = _write(stack.folder / "writes", [f"POST /v1/applications {body}" for body in data.applications(100)])
        calls = [m.GetOrganizationRequest(organization_id=one).SerializeToString().hex() for one in ids]
        messages = _write(stack.folder / "messages", calls)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        metadata = {"authorization": f"Bearer {token}", "x-request-id": str(uuid.uuid4()), "x-wasl-language": "ar"}
        sides = {"wasl": gateway, **peers}
        _check_same_answers(sides, ids, headers)
        _check_same_messages([service, bare], ids, metadata)

        def http(url: str, requests: pathlib.Path, seconds: float) -> Callable[[], load.Load]:
            return lambda: load.http(url, requests, seconds, headers)

        def grpc_(address: str, seconds: float) -> Callable[[], load.Load]:
            return lambda: load.grpc_calls(address, METHOD, messages, seconds, metadata)

        for url in sides.values():  # caches, connections, the interpreter's own specialising
            http(url, reads, 1)()
            http(url, writes, 1)()
        measured = {}
        for work, requests in (("reads", reads), ("writes", writes)):
            print(f"\n{work}, 32 connections, {seconds} s each")
            measured[work] = in_turn({name: http(url, requests, seconds) for name, url in sides.items()}, rounds)
        print(f"\nservice, 32 calls in flight, {seconds} s each")
        both = {"wasl": grpc_(service, seconds), "bare_grpc": grpc_(bare, seconds)}
        measured["service"] = in_turn(both, rounds)
    _tell(measured)


def start_ours(stack: Stack) -> tuple[str, str]:
    """The gateway's URL and the api's gRPC address."""
    _, port = stack.service("members", "api")
    return stack.gateway(members=port), f"127.0.0.1:{port}"


def _start_peers(stack: Stack, database: str) -> dict[str, str]:
    """{"classic_nameko": URL, "fastapi": URL}"""
    web, api = free_port(), free_port()
    config = stack.folder / "nameko.yaml"
    config.write_text(
        f"AMQP_URI: {stack.rabbit.uri}\nWEB_SERVER_ADDRESS: 127.0.0.1:{web}\nmax_workers: {NAMEKO_WORKERS}\n"
    )
    where = {"BENCH_DATABASE": database}
    for name in ("Members", "Gateway"):
        run = ["-c", "from nameko.cli.main import main; main()", "run", "--config", str(config)]
        stack.process(f"nameko-{name}", [sys.executable, *run, f"bench.peers.classic_nameko:{name}"], where)
    options = ["--workers", "2", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    stack.python("fastapi", "uvicorn", "bench.peers.fastapi_motor:app", "--port", str(api), *options, **where)
    return {"classic_nameko": f"http://127.0.0.1:{web}", "fastapi": f"http://127.0.0.1:{api}"}


def _start_bare(stack: Stack, database: str) -> str:
    port = free_port()
    stack.python("bare-grpc", "bench.peers.bare_grpc", str(port), BENCH_DATABASE=database)
    return f"127.0.0.1:{port}"


# -- data ----------------------------------------------------------------------------------------------------------
async def _prepare(config: Config) -> tuple[list[str], str]:
    """Organizations as the service stores them; their ids, and an access token of a member."""
    client = mongo.client(config.mongo_uri)
    db, joined = client[config.database], datetime.datetime(2026, 3, 1, 8, 30, 0, 125_000, datetime.UTC)
    documents = []
    for profile in data.profiles(ORGANIZATIONS):
        one = Organization(
            organization_id=new_id(),
            account_id=new_id(),
            profile=profile,
            join_time=joined,
            update_time=joined,
            version=1,
        )
        documents.append({**mongo.to_document(one), "at": 1})
    await db.organizations.insert_many(documents)
    token = await data.access_token(db, config, MEMBER)
    client.close()
    return [document["_id"] for document in documents], token


def _write(path: pathlib.Path, lines: list[str]) -> pathlib.Path:
    path.write_text("\n".join(lines))
    return path


# -- the same work -------------------------------------------------------------------------------------------------
def _check_same_answers(sides: dict[str, str], ids: list[str], headers: dict[str, str]) -> None:
    """Waits for every side, then raises AssertionError unless all give the same JSON, but for what each write makes."""
    with httpx.Client(headers=headers, trust_env=False, transport=httpx.HTTPTransport(retries=8)) as client:

        def answer(url: str) -> tuple[Any, Any]:
            read = client.get(f"{url}/v1/organizations/{ids[0]}").raise_for_status().json()
            written = client.post(f"{url}/v1/applications", content=data.applications(100)[0]).raise_for_status().json()
            own = {name: bool(written.pop(name)) for name in ("applicationId", "accountId", "createTime")}
            return read, (own, written)

        answers = {name: answer(url) for name, url in sides.items()}
    for name, found in answers.items():
        assert found == answers["wasl"], f"{name} answers {found}, not {answers['wasl']}"


def _check_same_messages(addresses: list[str], ids: list[str], metadata: dict[str, str]) -> None:
    request = m.GetOrganizationRequest(organization_id=ids[0]).SerializeToString()
    answers = set()
    for address in addresses:
        with grpc.insecure_channel(address) as channel:
            call: Any = channel.unary_unary(METHOD)
            answers.add(call(request, metadata=tuple(metadata.items()), wait_for_ready=True, timeout=20))
    assert len(answers) == 1, answers


# -- the result ----------------------------------------------------------------------------------------------------
def _tell(measured: dict[str, dict[str, list[load.Load]]]) -> None:
    ratios, figures = {}, {}
    for work, sides in measured.items():
        rates = {name: [one.per_second for one in rounds] for name, rounds in sides.items()}
        p50 = {name: median([one.p50_ms for one in rounds]) for name, rounds in sides.items()}
        p99 = {name: median([one.p99_ms for one in rounds]) for name, rounds in sides.items()}
        rows = {}
        for name in sides:
            better = ratio(rates["wasl"], rates[name])
            rows[name] = [median(rates[name]), p50[name], p99[name], better]
            figures[f"{work}/{name}_per_s"] = median(rates[name])
            figures[f"{work}/{name}_p50_ms"], figures[f"{work}/{name}_p99_ms"] = p50[name], p99[name]
            if name != "wasl":
                ratios[f"{work}/{name}"] = better
        table(work, ["per second", "p50 ms", "p99 ms", "wasl / it"], rows)
    finish("api", ratios, figures)
