"""The portal's routes. Each page is one function: read over gRPC, render in the page's language."""

import asyncio
import hashlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import structlog
import uvloop
from prometheus_client import Histogram
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import client, http, ids, log
from services.portal import language, reference
from services.portal.assets import Assets
from services.portal.config import Config
from services.portal.language import Language
from wasl.members.v1 import members_pb2, members_pb2_grpc

SECURITY = {
    # Nothing from elsewhere, no script, no style but our sheets; data: are the arrows and ticks in Pico's.
    "content-security-policy": "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
REVALIDATE = "no-cache"  # keep it, but ask with its ETag whether it is still the same
FOR_EVER = "public, max-age=31536000, immutable"
PROBES = ("/live", "/ready", "/metrics")

_log = structlog.get_logger(__name__)
_seconds = Histogram("wasl_page_seconds", "Duration of pages", ["route", "status"])


class Portal:
    """The handlers, with what they share."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.assets = Assets()
        self.languages = language.load({"asset": self.assets.url})
        contents = reference.load()
        self._docs = {
            code: spoken.render("docs.html", page="/docs", reference=contents)
            for code, spoken in self.languages.items()
        }
        self.members: members_pb2_grpc.MembersServiceAsyncStub

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with client.channel(self.config.members_address) as channel:
            self.members = members_pb2_grpc.MembersServiceStub(channel)
            yield

    # -- pages -----------------------------------------------------------------------------------------------------
    async def root(self, request: Request) -> Response:
        """To the home page in the visitor's language."""
        return RedirectResponse(f"/{self._language(request).code}", 302, {"vary": "accept-language"})

    async def home(self, request: Request) -> Response:
        return self._page(request, "home.html", figures=await self._figures())

    async def docs(self, request: Request) -> Response:
        return self._answer(request, self._docs[self._language(request).code], "text/html")

    async def _figures(self) -> members_pb2.Statistics | None:
        """The network in figures; None when members does not answer in time: the page comes without them."""
        try:
            return await self.members.GetStatistics(
                members_pb2.GetStatisticsRequest(),
                timeout=self.config.figures_seconds,
                metadata=(("x-request-id", log.correlation_id()),),
            )
        except grpc.aio.AioRpcError as error:
            _log.warning("figures", code=error.code().name)
            return None

    # -- files -----------------------------------------------------------------------------------------------------
    async def static(self, request: Request) -> Response:
        found = self.assets.read(request.path_params["path"])
        if found is None:
            raise HTTPException(404)
        return Response(found[0], headers={"cache-control": FOR_EVER}, media_type=found[1])

    async def document(self, request: Request) -> Response:
        return self._answer(request, reference.document(request.url.path[1:]), "application/json")

    # -- errors ----------------------------------------------------------------------------------------------------
    async def refused(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._page(request, "error.html", status)

    # -- shared ----------------------------------------------------------------------------------------------------
    def _language(self, request: Request) -> Language:
        """That of the address (`/ar/…`), or what the visitor's browser asks for."""
        code = request.url.path.split("/")[1]
        return self.languages.get(code) or language.choose(request.headers.get("accept-language", ""), self.languages)

    def _page(self, request: Request, template: str, status: int = 200, **context: object) -> Response:
        text = self._language(request).render(
            template,
            page=request.url.path.removeprefix(f"/{self._language(request).code}") if status == 200 else "",
            status=status,
            request_id=log.correlation_id(),
            **context,
        )
        return self._answer(request, text, "text/html", status)

    def _answer(self, request: Request, body: str | bytes, media_type: str, status: int = 200) -> Response:
        """With an ETag; 304 when the visitor has it already. Weak, or compression on the way would remove it."""
        contents = body.encode() if isinstance(body, str) else body
        etag = f'W/"{hashlib.sha256(contents).hexdigest()[:20]}"'
        headers = {"etag": etag, "cache-control": REVALIDATE, "vary": "accept-language"}
        if status == 200 and etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if status != 200:
            headers = {"cache-control": "no-store", **SECURITY}
        return Response(contents, status, headers, media_type)


class Around:
    """Around every answer: security headers, the correlation id, a log line, a measurement."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        request_id = Headers(scope=scope).get("x-request-id") or ids.new_id()
        structlog.contextvars.bind_contextvars(correlation_id=request_id)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            took = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "none")
            _seconds.labels(route, status).observe(took)
            _log.info("page", route=route, status=status, ms=round(took * 1000, 1))


async def _ready() -> dict[str, str]:
    """Pages come without the services, too."""
    return {}


def application(config: Config) -> Starlette:
    """The portal as an ASGI application."""
    portal = Portal(config)
    by_language: list[tuple[str, Callable[[Request], object]]] = [("", portal.home), ("/docs", portal.docs)]
    return Starlette(
        routes=[
            *http.probe_routes(_ready),
            Route("/", portal.root),
            Route("/docs", portal.docs),
            Route("/openapi.json", portal.document),
            Route("/asyncapi.json", portal.document),
            Route("/static/{path:path}", portal.static),
            *(Route(f"/{code}{path}", page) for code in portal.languages for path, page in by_language),
        ],
        middleware=[Middleware(Around)],
        exception_handlers={HTTPException: portal.refused, Exception: portal.refused},
        lifespan=portal.lifespan,
    )


async def _serve(config: Config) -> None:
    serving = asyncio.create_task(
        http.serve(application(config), config.bind, config.http_port, grace_seconds=config.grace_seconds)
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    _log.info("serving", http_port=config.http_port)
    await serving


def serve(config: Config) -> None:
    """Runs until SIGTERM or SIGINT. Raises SystemExit when the port is taken."""
    uvloop.run(_serve(config))
