"""Load: wrk for HTTP; for gRPC `python -m bench.load ADDRESS METHOD FILE SECONDS CALLS`, a process of its own."""

import asyncio
import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import grpc
import msgspec
import uvloop

from bench.stack import ROOT

CONNECTIONS = 32  # and gRPC calls in flight


class Load(msgspec.Struct, frozen=True):
    """What a round came to; `failed` counts everything that was not answered 2xx or OK."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int

    def __str__(self) -> str:
        return f"{self.per_second:7.0f}/s   p50 {self.p50_ms:6.1f} ms   p99 {self.p99_ms:6.1f} ms"


def http(url: str, requests: pathlib.Path, seconds: float, headers: Mapping[str, str]) -> Load:
    """`requests`: lines of "METHOD PATH BODY", sent in turn over 32 connections. Raises RuntimeError if any fails."""
    named = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    sized = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "10s", *named]
    script = ["-s", str(pathlib.Path(__file__).with_suffix(".lua")), url, "--", str(requests)]
    return _run(["wrk", *sized, *script])


def grpc_calls(address: str, method: str, requests: pathlib.Path, seconds: float, metadata: Mapping[str, str]) -> Load:
    """`requests`: lines of serialized messages in hexadecimal. Raises RuntimeError if any call fails."""
    words = [address, method, str(requests), str(seconds), json.dumps(dict(metadata))]
    return _run([sys.executable, "-m", "bench.load", *words])


def _run(command: list[str]) -> Load:
    out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if out.returncode:
        raise RuntimeError(out.stdout + out.stderr)
    load = msgspec.json.decode(out.stdout.splitlines()[-1], type=Load)
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
    return Load(len(took) / total, cuts[49] * 1000, cuts[98] * 1000, 0)


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(_calls(*sys.argv[1:]))).decode())
