"""The http process, for what gRPC cannot carry: Starlette handlers that are guarded as an api's methods are.

Correlation id, load shedding, identity, errors as google.rpc.Status in JSON, metrics, one log line: what
chassis/server.py does around an RPC stands here around a handler. Access is said where the route is made.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
import uvloop
from google.protobuf import json_format
from prometheus_client import Gauge, Histogram
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from chassis import errors, http, identity, ids, mongo, process
from chassis.app import App
from chassis.call import Caller, preferred, set_caller
from chassis.settings import Settings
from chassis.status import known_error, status_of

Handler = Callable[[Request], Awaitable[Response]]
STATUS = {3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 13: 500, 14: 503, 16: 401}  # as Envoy maps
GONE = 499  # the client went away; nobody reads it but the log

_log = structlog.get_logger(__name__)
_seconds = Histogram("wasl_http_seconds", "Duration of HTTP requests", ["route", "method", "status"])
_in_flight = Gauge("wasl_http_in_flight", "HTTP requests being answered")


class _Watched(Response):
    """An answer that is over when its last byte has gone, or whoever asked: a download may take an hour."""

    def __init__(self, response: Response, ended: Callable[[], None]) -> None:
        self._response, self._ended = response, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._response(scope, receive, send)
        finally:
            self._ended()


class Door:
    """Makes routes whose handlers are guarded. `headers` go with every answer, refusals included."""

    def __init__(self, settings: Settings, verifier: identity.Verifier, headers: Mapping[str, str]) -> None:
        self._settings, self._verifier, self._headers, self._running = settings, verifier, headers, 0
        _in_flight.set_function(lambda: self._running)

    def route(self, path: str, handler: Handler, *methods: str, public: bool = False) -> Route:
        """`public`: also for who is not signed in; `caller()` is nobody then."""

        async def guarded(request: Request) -> Response:
            began, response = time.perf_counter(), None
            self._running += 1

            def ended() -> None:
                self._running -= 1
                status, took = response.status_code if response else GONE, time.perf_counter() - began
                _seconds.labels(path, request.method, status).observe(took)
                _log.info("request", route=path, method=request.method, status=status, ms=round(took * 1000, 1))

            try:
                _begin(request)
                response = await self._answer(request, handler, public)
            except BaseException:
                ended()
                raise
            for name, value in self._headers.items():
                response.headers.setdefault(name, value)
            return _Watched(response, ended)

        return Route(path, guarded, methods=list(methods))

    async def _answer(self, request: Request, handler: Handler, public: bool) -> Response:
        try:
            if self._running > self._settings.max_in_flight:
                raise errors.ResourceExhausted
            await self._admit(request, public)
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=GONE)
        except Exception as error:  # noqa: BLE001 - each becomes a status
            known = known_error(error)
            body = json_format.MessageToDict(status_of(known))
            return JSONResponse(body, known.http or STATUS[known.code], {"cache-control": "no-store"})

    async def _admit(self, request: Request, public: bool) -> None:
        known = await identity.bearer(self._verifier, request.headers.get("authorization", ""))
        if known is not None:
            set_caller(Caller(known.subject, known.roles, _language(request)))
            bind_contextvars(subject=known.subject)
        elif not public:
            raise errors.Unauthenticated


def _begin(request: Request) -> None:
    clear_contextvars()
    bind_contextvars(correlation_id=ids.correlation_id(request.headers.get("x-request-id")))
    set_caller(Caller(language=_language(request)))


def _language(request: Request) -> str:
    return request.headers.get("x-wasl-language") or preferred(request.headers.get("accept-language", ""))


MakeRoutes = Callable[[App, Door], Sequence[BaseRoute]]


async def _serve(settings: Settings, make: MakeRoutes, headers: Mapping[str, str]) -> None:
    app = App(settings, mongo.client(settings.mongo_uri))
    load = identity.fetch(settings.jwks_url)
    verifier = identity.Verifier(load, issuer=settings.issuer, audience=settings.audience)
    stop = asyncio.Event()

    async def ready() -> dict[str, str]:
        return {"mongodb": await app.ping(), "process": "stopping" if stop.is_set() else ""}

    routes = [*http.probe_routes(ready), *make(app, Door(settings, verifier, headers))]
    application = Starlette(routes=routes)
    serving = asyncio.create_task(
        http.serve(application, settings.bind, settings.http_port, grace_seconds=settings.grace_seconds)
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    process.keep_what_is_loaded()
    _log.info("serving", http_port=settings.http_port)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        _log.info("draining")
        await asyncio.sleep(settings.drain_seconds)
        serving.cancel()
    stopping.cancel()
    await serving


def serve(settings: Settings, make: MakeRoutes, headers: Mapping[str, str]) -> None:
    """Runs an http process until SIGTERM or SIGINT. Raises SystemExit when the port is taken."""
    uvloop.run(_serve(settings, make, headers))


def etag_matches(header: str, etag: str) -> bool:
    """Does If-None-Match name this ETag? (RFC 9110, 13.1.2: weak comparison.)"""
    return header.strip() == "*" or etag in [one.strip().removeprefix("W/") for one in header.split(",")]


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """The one range that a Range header asks for, as start and stop; None: all of it, since it asks for no or several.

    Raises ValueError when it lies outside (416). RFC 9110, 14.1.2.
    """
    unit, _, asked = header.partition("=")
    first, dash, last = asked.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not (first + last).isdecimal() or not (first + last).isascii():
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if first and last and int(last) < int(first):
        return None  # not a range: as if the header was not there
    if start >= size:
        raise ValueError(header)
    return start, stop
