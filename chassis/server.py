"""The api process: a gRPC server on which every method is guarded alike, beside a small HTTP server for probes.

The guards are put around a method once, when it is registered (grpc's own interceptors would be built for each call):
correlation id, load shedding, identity, access, deadline, unknown fields, validation, errors, metrics, one log line.
What a method may be called by is read from the contract; a method that declares nothing is refused.
"""

import asyncio
import contextlib
import functools
import hmac
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import structlog
import uvloop
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from prometheus_client import Counter, Gauge, Histogram
from structlog.contextvars import bind_contextvars

from chassis import errors, http, identity, ids, mongo, process, tracing, validation
from chassis.app import App
from chassis.call import SECRET_HEADER, Caller, caller, preferred, set_caller
from chassis.settings import Settings
from chassis.status import status_of
from wasl.options.v1 import options_pb2

Access = options_pb2.Access
LONGEST_SECONDS = 20.0  # for callers that set no deadline; the gateway sets one
# What the gateway lets through (60 KiB): above its own soft limit of 8 KiB, gRPC refuses at random, in its own words.
_METADATA = [("grpc.max_metadata_size", 64 << 10), ("grpc.absolute_max_metadata_size", 128 << 10)]
MARGIN_SECONDS = 0.1  # left of a deadline to tell the caller so

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}

_log = structlog.get_logger(__name__)
_seconds = Histogram("wasl_call_seconds", "Duration of calls", ["method", "code"])
_timer = functools.cache(_seconds.labels)
_in_flight = Gauge("wasl_calls_in_flight", "Calls being answered")
_shed = Counter("wasl_calls_shed_total", "Calls refused because too many were being answered")


class ServiceOnly(errors.PermissionDenied):
    """The method is for other services of the network."""

    en, ar = (
        "Only services of the network may call this",
        "هذا الإجراء لخدمات الشبكة وحدها",
    )


class MalformedRequest(errors.InvalidArgument):
    """The bytes are no message."""

    en, ar = "The request could not be read", "تعذّرت قراءة الطلب"


class _Broken:
    """Stands for a request that could not be decoded; the guard answers it."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class Guard:
    """What stands around every method of a server."""

    def __init__(self, settings: Settings, verifier: identity.Verifier) -> None:
        self._settings, self._verifier, self._running = settings, verifier, 0
        _in_flight.set_function(lambda: self._running)

    def wrap(self, service: str, handlers: dict[str, Any]) -> dict[str, Any]:
        described = descriptor_pool.Default().FindServiceByName(service).methods_by_name
        return {name: self._guarded(described[name], handler) for name, handler in handlers.items()}

    def _guarded(self, method: MethodDescriptor, handler: Any) -> Any:
        path = f"/{method.containing_service.full_name}/{method.name}"
        access = method.GetOptions().Extensions[options_pb2.access]
        refused = validation.refused_fields(method)
        # The gateway logs every call as well; ours adds what a write did, what went wrong, and the rest on demand.
        is_read = method.GetOptions().Extensions[annotations_pb2.http].HasField("get")
        decode = handler.request_deserializer

        def decode_or_tell(data: bytes) -> Any:
            try:
                return decode(data)
            except Exception:  # noqa: BLE001 - protobuf's own; grpc would answer UNKNOWN with Python's words
                return _Broken(data)

        async def admit(request: Any, metadata: dict[str, str]) -> None:
            # Who signs in or refreshes may still hold a token that has run out; the gateway looks at none there either.
            known = {} if access.level == Access.PUBLIC and not is_read else metadata
            set_caller(await self._admit(access, known, caller().language, caller().deadline))
            if isinstance(request, _Broken):
                if named := validation.undecodable(method.input_type, request.data):
                    raise errors.InvalidArgument(violations=named)
                raise MalformedRequest
            if (sent := metadata.get("x-wasl-fields")) and (violation := refused(sent)):
                raise errors.InvalidArgument(violations=[violation])
            if violations := validation.check(request):
                raise errors.InvalidArgument(violations=violations)

        async def unary(request: Any, context: Any) -> Any:
            async with self._answering(path, context, quiet=is_read) as metadata:
                async with asyncio.timeout(caller().deadline - time.monotonic() - MARGIN_SECONDS):
                    await admit(request, metadata)
                    return await handler.unary_unary(request, context)

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            # Whoever asked says how long it may take: a rebuild reads a whole log.
            async with self._answering(path, context) as metadata:
                await admit(request, metadata)
                async for reply in handler.unary_stream(request, context):
                    yield reply

        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, decode_or_tell, handler.response_serializer)
        return grpc.unary_unary_rpc_method_handler(unary, decode_or_tell, handler.response_serializer)

    @contextlib.asynccontextmanager
    async def _answering(self, path: str, context: Any, *, quiet: bool = False) -> AsyncIterator[dict[str, str]]:
        """Around one call: gives its metadata; every error becomes a status."""
        metadata = _begin(context)
        began, code = time.perf_counter(), "OK"
        self._running += 1
        try:
            if self._running > self._settings.max_in_flight:
                _shed.inc()
                raise errors.ResourceExhausted
            with tracing.serve(path, metadata):
                yield metadata
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"  # by the caller, or by a drain that took too long
            raise
        except Exception as error:  # noqa: BLE001
            status = status_of(error)
            code = _CODES[status.code]
            await context.abort_with_status(rpc_status.to_status(status))
        finally:
            self._running -= 1
            _end(path, code, began, quiet=quiet)

    async def _admit(self, access: Any, metadata: dict[str, str], language: str, deadline: float) -> Caller:
        if access.level == Access.INTERNAL:
            shown, secret = (
                metadata.get(SECRET_HEADER, ""),
                self._settings.service_secret,
            )
            if not secret or not hmac.compare_digest(shown.encode(), secret.encode()):
                raise ServiceOnly
            return Caller(language=language, deadline=deadline)
        if known := await identity.bearer(self._verifier, metadata.get("authorization", "")):
            who = Caller(known.subject, known.roles, language, deadline)
            bind_contextvars(subject=known.subject)
        elif access.level == Access.PUBLIC:
            return Caller(language=language, deadline=deadline)
        else:
            raise errors.Unauthenticated
        if access.level == Access.ROLE and who.roles.isdisjoint(access.roles):
            raise errors.RoleMissing
        if access.level == Access.LEVEL_UNSPECIFIED:
            raise errors.PermissionDenied
        return who


def _begin(context: Any) -> dict[str, str]:
    metadata = dict(context.invocation_metadata())
    bind_contextvars(correlation_id=ids.correlation_id(metadata.get("x-request-id")))
    language = metadata.get("x-wasl-language") or preferred(metadata.get("accept-language", ""))
    seconds = min(context.time_remaining() or LONGEST_SECONDS, LONGEST_SECONDS)
    set_caller(Caller(language=language, deadline=time.monotonic() + seconds))
    return metadata


def _end(path: str, code: str, began: float, *, quiet: bool = False) -> None:
    took = time.perf_counter() - began
    _timer(path, code).observe(took)
    tell = _log.debug if quiet and code == "OK" else _log.info
    tell("call", method=path, code=code, ms=round(took * 1000, 1))


class _Registry:
    """Takes what generated `add_…_to_server` functions register, and hands it on guarded."""

    def __init__(self, server: grpc.aio.Server, guard: Guard) -> None:
        self._server, self._guard = server, guard
        self.services: list[str] = []

    def add_generic_rpc_handlers(self, _: Sequence[Any]) -> None:
        """Generated code registers everything twice; the other way is enough."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        # As generic handlers: for every call, grpc.aio waits on a task for each registered method.
        guarded = self._guard.wrap(service, handlers)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))
        self.services.append(service)


Register = Callable[[App, Any], None]


class Running:
    """A started server; `port` is the one that it listens on."""

    def __init__(self, server: grpc.aio.Server, port: int, checker: Any, services: Sequence[str]) -> None:
        self.server, self.port, self._checker, self._services = (
            server,
            port,
            checker,
            services,
        )

    async def set_serving(self, serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        for name in ("", *self._services):
            await self._checker.set(name, states.SERVING if serving else states.NOT_SERVING)


async def start(app: App, register: Register, *, load_keys: identity.LoadKeys | None = None) -> Running:
    """Starts a guarded server for the servicers that `register` adds. Raises RuntimeError when the port is taken."""
    settings = app.settings
    load = load_keys or identity.fetch(settings.jwks_url)
    verifier = identity.Verifier(load, issuer=settings.issuer, audience=settings.audience)
    server = grpc.aio.server(
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 4 << 20), *_METADATA]
    )
    registry = _Registry(server, Guard(settings, verifier))
    register(app, registry)
    checker = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    port = server.add_insecure_port(f"{settings.bind}:{settings.grpc_port}")
    await server.start()
    running = Running(server, port, checker, registry.services)
    await running.set_serving(True)
    return running


async def _serve(
    settings: Settings,
    register: Register,
    make_load_keys: Callable[[App], identity.LoadKeys] | None,
) -> None:
    app = App(settings, mongo.client(settings.mongo_uri))
    running = await start(app, register, load_keys=make_load_keys(app) if make_load_keys else None)

    stop = asyncio.Event()

    async def ready() -> dict[str, str]:
        return {"mongodb": await app.ping(), "process": "stopping" if stop.is_set() else ""}

    serving = http.serve(http.probes(ready), settings.bind, settings.http_port, grace_seconds=settings.grace_seconds)
    probes = asyncio.create_task(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    process.keep_what_is_loaded()
    _log.info("serving", grpc_port=running.port, http_port=settings.http_port)
    await stop.wait()
    _log.info("draining")
    await running.set_serving(False)
    await asyncio.sleep(settings.drain_seconds)
    await running.server.stop(settings.grace_seconds)
    probes.cancel()
    await asyncio.wait({probes})


def serve(
    settings: Settings,
    register: Register,
    *,
    load_keys: Callable[[App], identity.LoadKeys] | None = None,
) -> None:
    """Runs an api process until SIGTERM or SIGINT."""
    uvloop.run(_serve(settings, register, load_keys))
