"""The HTTP side of every process: /live, /ready and /metrics, and how a Starlette application is served."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

Ready = Callable[[], Awaitable[dict[str, str]]]
PROBE_SECONDS = 2.0


def probe_routes(ready: Ready) -> list[BaseRoute]:
    """`ready` names what the process needs, with what is wrong with it ("" when nothing is)."""

    async def answer_live(_: Request) -> Response:
        return PlainTextResponse("live\n")

    async def answer_ready(_: Request) -> Response:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                state = await ready()
        except TimeoutError:
            state = {"answer": f"none within {PROBE_SECONDS} s"}
        return JSONResponse(state, 503 if any(state.values()) else 200)

    async def answer_metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/live", answer_live),
        Route("/ready", answer_ready),
        Route("/metrics", answer_metrics),
    ]


def probes(ready: Ready) -> Starlette:
    """An application of nothing but the probes."""
    return Starlette(routes=probe_routes(ready))


async def serve(application: Starlette, host: str, port: int, *, grace_seconds: float) -> None:
    """Serves until the task is cancelled. Signals are the process's business."""
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
    )
    config.timeout_graceful_shutdown = int(grace_seconds)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    running = asyncio.ensure_future(server.serve())
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        await running
