"""How the demo tells a step, and when it stops."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator

import httpx

from demo.client import Client, Refused

PATIENCE_SECONDS = 15.0


class Wrong(Exception):
    """A step did not come out as told."""


def expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Wrong(otherwise)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"  {1000 * (time.perf_counter() - began):8.0f} ms  {text}", flush=True)


@contextlib.contextmanager
def refused(status: int, field: str = "") -> Iterator[list[str]]:
    """The body is answered with `status`, naming `field`; gives what a person would read."""
    told: list[str] = []
    try:
        yield told
    except Refused as answer:
        expect(answer.status == status, f"expected {status}, got {answer}")
        expect(field in answer.text(), f"the answer does not name {field}: {answer.text()}")
        told.append(answer.text())
    else:
        raise Wrong(f"expected {status}, but it was allowed")


async def within(seconds: float, holds: Callable[[], Awaitable[bool]]) -> None:
    """Asks again and again. Raises Wrong when it does not hold in time."""
    began = time.perf_counter()
    while not await holds():
        expect(time.perf_counter() - began < seconds, f"it does not hold after {seconds} s")
        await asyncio.sleep(0.05)


async def until_shown(client: Client, member_id: str) -> float:
    """Seconds until `GET /v1/participants/{id}` answers."""
    began = time.perf_counter()
    while True:
        try:
            await client.get(f"/v1/participants/{member_id}")
        except Refused as answer:
            if answer.status != httpx.codes.NOT_FOUND:
                raise
        else:
            return time.perf_counter() - began
        expect(time.perf_counter() - began < PATIENCE_SECONDS, f"{member_id} is not among the participants")
        await asyncio.sleep(0.002)
