"""Kills every process of `./dev up` in turn under load, then counts what was lost or done twice.

    python -m tests.chaos.run [--seed 1] [--applications 2000] | --file [MEGABYTES]

The order of the kills comes from the seed, and each comes when a set number of approvals has been answered, so the
plan repeats exactly; the interleaving of the machine does not. Prints each fault, and last one line of JSON.
`--file`: one large file goes up and down instead (file.py).
"""

import argparse
import asyncio
import json
import pathlib
import random
import sys
import tempfile
import time
from typing import Any

import msgspec

from tests.chaos.file import large_file
from tests.chaos.load import Load
from tests.chaos.records import collect
from tests.chaos.stack import Stack, running
from tests.chaos.verdict import Verdict, judge

REST_SECONDS = 90.0  # from the last answer until the view is whole
STUCK_SECONDS = 120.0  # without any answer


async def chaos(stack: Stack, seed: int, wanted: int) -> dict[str, Any]:
    """One run; the result is for the JSON line."""
    account = json.loads((stack.home / "state" / "coordinator.json").read_text())
    targets = sorted(stack.pids())
    random.Random(seed).shuffle(targets)
    load = Load(stack.url, account, wanted=wanted, seed=seed)
    began = time.monotonic()
    working = asyncio.create_task(load.run())
    for number, target in enumerate(targets, 1):
        await _answers(load, working, number * wanted // (len(targets) + 1))
        print(
            f"  {time.monotonic() - began:6.1f} s  kill -9 {target:18} after {len(load.approved)} approvals", flush=True
        )
        await asyncio.to_thread(stack.kill, target)
    await working
    took = time.monotonic() - began
    verdict, rest = await asyncio.to_thread(_at_rest, stack, load)
    told = {"seed": seed, "kills": targets, "seconds": round(took, 1), "rest_seconds": round(rest, 1)}
    told["journeys"] = load.journeys.rounds
    return {**told, "caller_errors": dict(load.errors), **msgspec.to_builtins(verdict), "holds": verdict.holds}


async def _answers(load: Load, working: "asyncio.Task[None]", count: int) -> None:
    """Until `count` approvals have been answered. Raises what the load raised, TimeoutError when nothing moves."""
    seen, changed = -1, time.monotonic()
    while len(load.approved) < count:
        if working.done():
            await working
            raise RuntimeError("the load ended early")
        if len(load.approved) != seen:
            seen, changed = len(load.approved), time.monotonic()
        if time.monotonic() - changed > STUCK_SECONDS:
            raise TimeoutError(f"no approval for {STUCK_SECONDS} s; errors so far: {dict(load.errors)}")
        await asyncio.sleep(0.05)


def _at_rest(stack: Stack, load: Load) -> tuple[Verdict, float]:
    """The verdict once nothing is wrong any more, or after REST_SECONDS; and the seconds until then."""
    began = time.monotonic()
    while True:
        verdict = judge(collect(stack, load))
        rest = time.monotonic() - began
        if verdict.holds or rest > REST_SECONDS:
            break
        time.sleep(0.5)
    time.sleep(2)  # a double that comes late is still a double
    return judge(collect(stack, load)), rest


def main() -> None:
    parser = argparse.ArgumentParser(description="kill every process of ./dev up in turn, then count")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--applications", type=int, default=2000)
    parser.add_argument("--file", type=int, nargs="?", const=1024, metavar="MEGABYTES", help="a file, of a gigabyte")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wasl-chaos-") as home, running(pathlib.Path(home)) as stack:
        if arguments.file:
            result = asyncio.run(large_file(stack, arguments.file << 20))
        else:
            result = asyncio.run(chaos(stack, arguments.seed, arguments.applications))
    print(json.dumps(result))
    sys.exit(not result["holds"])


if __name__ == "__main__":
    main()
