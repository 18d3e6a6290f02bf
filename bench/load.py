"""Load: wrk for HTTP for some seconds; `python -m bench.load`, a process of its own, for the rest.

grpc ADDRESS METHOD FILE SECONDS METADATA     calls for some seconds
each URL FILE CONNECTIONS                     HTTP, every request once
"""

import asyncio
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import grpc
import msgspec
import uvloop

from bench.stack import ROOT

CONNECTIONS = 32  # and gRPC calls in flight


class Load(msgspec.Struct, frozen=True):
    """What a round came to; `failed` counts everything that was not answered 2xx or OK."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int

    def __str__(self) -> str:
        return f"{self.per_second:7.0f}/s   p50 {self.p50_ms:6.1f} ms   p99 {self.p99_ms:6.1f} ms"


class Each(msgspec.Struct, frozen=True):
    """What came of requests that were sent once each: the seconds for all, and of each the milliseconds, in order."""

    seconds: float
    took_ms: list[float]

    @property
    def per_second(self) -> float:
        return len(self.took_ms) / self.seconds

    def __str__(self) -> str:
        return f"{self.per_second:7.0f}/s   p50 {percentile(self.took_ms, 50):6.1f} ms"


class Request(msgspec.Struct, frozen=True):
    """`token`: the caller's access token, empty for nobody."""

    method: str
    path: str
    token: str = ""
    body: str = ""

    def encode(self, host: str) -> bytes:
        """As it goes over HTTP/1.1."""
        body = self.body.encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if body:
            lines.append("Content-Type: application/json")
        return "\r\n".join([*lines, "", ""]).encode() + body


def percentile(values: Sequence[float], which: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1]


def http(url: str, requests: pathlib.Path, seconds: float, headers: Mapping[str, str]) -> Load:
    """`requests`: lines of "METHOD PATH BODY", sent in turn over 32 connections. Raises RuntimeError if any fails."""
    named = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    sized = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "10s", *named]
    script = ["-s", str(pathlib.Path(__file__).with_suffix(".lua")), url, "--", str(requests)]
    return _run(["wrk", *sized, *script])


def grpc_calls(address: str, method: str, requests: pathlib.Path, seconds: float, metadata: Mapping[str, str]) -> Load:
    """`requests`: lines of serialized messages in hexadecimal. Raises RuntimeError if any call fails."""
    words = [address, method, str(requests), str(seconds), json.dumps(dict(metadata))]
    return _run([sys.executable, "-m", "bench.load", "grpc", *words])


def each(url: str, requests: Iterable[Request], file: pathlib.Path, connections: int = CONNECTIONS) -> Each:
    """Sends every request once, in their order; `file` is where they are written. RuntimeError if any fails."""
    file.write_bytes(msgspec.json.encode(list(requests)))
    command = [sys.executable, "-m", "bench.load", "each", url, str(file), str(connections)]
    return msgspec.json.decode(last_line(command), type=Each)


def last_line(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    """Of what it prints. Raises RuntimeError with all of it when it fails."""
    env = {**os.environ, **(environment or {})}
    out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    if out.returncode:
        raise RuntimeError(out.stdout + out.stderr)
    return out.stdout.splitlines()[-1]


def _run(command: list[str]) -> Load:
    load = msgspec.json.decode(last_line(command), type=Load)
    if load.failed:
        raise RuntimeError(f"{load.failed} calls failed: {' '.join(command)}")
    return load


async def _calls(address: str, method: str, requests: str, seconds: str, metadata: str) -> Load:
    """Messages stay bytes, so that the client costs little beside the server."""
    messages = [bytes.fromhex(line) for line in pathlib.Path(requests).read_text().split()]
    headers = tuple(json.loads(metadata).items())
    took: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(method)
        await call(messages[0], metadata=headers)
        began = time.perf_counter()
        end = began + float(seconds)

        async def keep_calling(number: int) -> None:
            while (at := time.perf_counter()) < end:
                await call(messages[number % len(messages)], metadata=headers)
                took.append(time.perf_counter() - at)
                number += CONNECTIONS

        await asyncio.gather(*map(keep_calling, range(CONNECTIONS)))
        total = time.perf_counter() - began
    cuts = statistics.quantiles(took, n=100)
    return Load(len(took) / total, cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000, 0)


async def _each(url: str, file: str, connections: str) -> Each:
    """Raw HTTP/1.1: a client library would cost as much of the processor as the gateway."""
    where = urlsplit(url)
    requests = msgspec.json.decode(pathlib.Path(file).read_bytes(), type=list[Request])
    waiting = iter([(number, one.encode(where.netloc)) for number, one in enumerate(requests)])
    took = [0.0] * len(requests)

    async def keep_sending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, request in waiting:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, length = head.split(None, 2)[1], head.lower().partition(b"content-length: ")[2].split(None, 1)[0]
            body = await reader.readexactly(int(length))
            took[number] = (time.perf_counter() - began) * 1000
            if not status.startswith(b"2"):
                raise RuntimeError(f"{request!r}: {head!r} {body!r}")

    opened = [await asyncio.open_connection(where.hostname, where.port) for _ in range(int(connections))]
    began = time.perf_counter()
    await asyncio.gather(*(keep_sending(*one) for one in opened))
    return Each(time.perf_counter() - began, took)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    work: Any = {"grpc": _calls, "each": _each}[what]
    print(msgspec.json.encode(uvloop.run(work(*arguments))).decode())
