"""A large file goes up in pieces while the process that takes it is killed, and comes down again."""

import asyncio
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import time
from collections import Counter
from typing import Any

import httpx

from tests.chaos.account import Account, joined, new_account, once_known, upload
from tests.chaos.stack import Stack

BLOCK = 1 << 20  # of which the content is made
PIECE = 8 << 20
MOST_BYTES = 300_000_000  # in memory, of each process
TAKES = "resources-http-1"
RECORD = {"title": {"en": "Atlas"}, "licence": "CC0-1.0", "type": "DATASET"}


def block(number: int) -> bytes:
    """The content without having all of it in memory; a PDF by its first bytes."""
    return (b"%PDF-1.7\n" if number == 0 else b"") + random.Random(number).randbytes(BLOCK - 9 * (number == 0))


def content(start: int, stop: int) -> bytes:
    first = start // BLOCK
    blocks = b"".join(block(number) for number in range(first, -(-stop // BLOCK)))
    return blocks[start - first * BLOCK : stop - first * BLOCK]


async def large_file(stack: Stack, size: int) -> dict[str, Any]:
    """One way up and down of `size` bytes; what was measured, for the JSON line."""
    expected = hashlib.sha256()
    for start in range(0, size, PIECE):
        expected.update(content(start, min(start + PIECE, size)))
    credentials, errors = json.loads((stack.home / "state" / "coordinator.json").read_text()), Counter[str]()
    async with httpx.AsyncClient(base_url=stack.url, timeout=30.0, trust_env=False) as http:
        coordinator = Account(http, credentials["email"], credentials["password"], errors)
        await coordinator.sign_in()
        publisher = await new_account(http, errors)
        publisher_id = await joined(coordinator, publisher, "A publisher")
        await publisher.sign_in()  # as a member
        record = await once_known(lambda: publisher.post("/v1/records", {**RECORD, "publisherId": publisher_id}))

        killed, peaks = stack.pids()[TAKES], dict[str, int]()
        half = asyncio.Event()

        def piece(offset: int) -> bytes:
            if offset >= size // 2:
                half.set()
            return content(offset, min(offset + PIECE, size))

        async def kill_amid_a_piece() -> None:
            await half.wait()
            await asyncio.sleep(0.02)
            peaks[f"{TAKES}, killed"] = _peak(killed)
            os.kill(killed, signal.SIGKILL)

        began = time.monotonic()
        file_id, _ = await asyncio.gather(upload(publisher, record["recordId"], size, piece), kill_amid_a_piece())
        up, began = time.monotonic() - began, time.monotonic()
        came = hashlib.sha256()
        async with http.stream("GET", f"/v1/files/{file_id}", headers=publisher.bearer) as answer:
            async for some in answer.aiter_bytes():
                came.update(some)
        down = time.monotonic() - began
        start, stop = size // 2 - 1000, size // 2 + BLOCK + 1000  # over the ends of chunks
        headers = {"range": f"bytes={start}-{stop - 1}"}
        ranged = await publisher.send("GET", f"/v1/files/{file_id}", headers=headers)
    processes = await asyncio.to_thread(stack.pids)
    peaks |= {name: _peak(pid) for name, pid in processes.items()}
    holds = (
        came.digest() == expected.digest()
        and (ranged.status_code, ranged.headers["content-range"]) == (206, f"bytes {start}-{stop - 1}/{size}")
        and ranged.content == content(start, stop)
        and processes[TAKES] != killed
        and max(peaks.values()) < MOST_BYTES
    )
    return {
        "bytes": size,
        "up_seconds": round(up, 1),
        "down_seconds": round(down, 1),
        "same_sha256": came.digest() == expected.digest(),
        "range_status": ranged.status_code,
        "restarted": processes[TAKES] != killed,
        "peak_megabytes": {name: round(peak / 1e6) for name, peak in sorted(peaks.items(), key=lambda one: -one[1])},
        "caller_errors": dict(errors),
        "holds": holds,
    }


def _peak(pid: int) -> int:
    """The most bytes that a process ever had in memory, 0 when it is gone."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    return 0
