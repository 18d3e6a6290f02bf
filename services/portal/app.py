"""The portal as an application: its pages in each language, its files, and what stands around every answer."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
import uvloop
from prometheus_client import Histogram
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import http, ids, log
from services.portal import assets, language, multipart, reference
from services.portal.config import Config
from services.portal.language import Language
from services.portal.pages import PAGES, account, home
from services.portal.refusals import Refused, SignInNeeded
from services.portal.services import Services
from services.portal.sessions import read
from services.portal.visit import Visit

SECURITY = {
    # Nothing from elsewhere, nothing inline; data: are the arrows and ticks in Pico's sheet.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
FOR_EVER = "public, max-age=31536000, immutable"
PROBES = ("/live", "/ready", "/metrics")
MOST_FIELDS = 1000  # of a form
GONE = 499  # the visitor went away; nobody reads it but the log

_log = structlog.get_logger(__name__)
_seconds = Histogram("wasl_page_seconds", "Duration of pages", ["route", "status"])
Page = Callable[[Visit], Awaitable[Response]]


class Portal:
    """What all pages share."""

    def __init__(self, config: Config) -> None:
        self.services = Services(config)
        self.assets = assets.load()
        self.languages = language.load()

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self.services.connected():
            yield

    # -- pages -----------------------------------------------------------------------------------------------------
    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"/{code}{path}", self.endpoint(page), methods=methods.split())
            for code in self.languages
            for path, page, methods in PAGES
        ]

    def endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = await self._visit(request)
            try:
                if visit.sent:
                    visit.check_csrf()
                return visit.finish(await page(visit))
            finally:
                if visit.file:  # a browser reads no answer before it has sent all
                    await visit.file.pass_over()

        endpoint.page = page  # type: ignore[attr-defined]  # for a form that goes on after signing in
        return endpoint

    async def _visit(self, request: Request) -> Visit:
        """Raises Refused."""
        session = read(request)
        try:
            typed, file = await _typed(request)
        except UnicodeDecodeError as error:  # no browser sends it
            raise Refused(400, "NOT_UTF8", self._language(request).gettext("error.not_utf8")) from error
        visit = Visit(request, self._language(request), self.services, session, typed, file)
        request.state.visit = visit
        try:
            current = await self.services.renewals.current(session) if session else None
        except Refused as refused:
            if not refused.passing or visit.sent:
                raise
            visit.session, visit.away = None, refused  # pages that need nobody to be signed in are there
        else:
            if current is not session:
                visit.become(current)
        return visit

    def _language(self, request: Request) -> Language:
        """That of the address (`/ar/…`), or what the visitor's browser asks for."""
        code = request.url.path.split("/")[1]
        return self.languages.get(code) or language.choose(request.headers.get("accept-language", ""), self.languages)

    async def root(self, request: Request) -> Response:
        """To the home page in the visitor's language."""
        return RedirectResponse(f"/{self._language(request).code}", 302, {"vary": "accept-language"})

    # -- files -----------------------------------------------------------------------------------------------------
    async def static(self, request: Request) -> Response:
        found = self.assets.read(request.path_params["path"])
        if found is None:
            raise HTTPException(404)
        return Response(found[0], headers={"cache-control": FOR_EVER}, media_type=found[1])

    async def document(self, request: Request) -> Response:
        return self._stranger(request).answer(reference.document(request.url.path[1:]), "application/json")

    # -- errors ----------------------------------------------------------------------------------------------------
    async def refused(self, request: Request, error: Exception) -> Response:
        """The page for what cannot be shown."""
        visit = self._stranger(request)
        if isinstance(error, SignInNeeded):
            return visit.finish(await account.ask_to_sign_in(visit))
        if isinstance(error, HTTPException):
            status, text = error.status_code, ""
        elif isinstance(error, Refused):
            status, text = error.status, error.text if error.status < 500 else ""
            if status == 400 and error.fields and not visit.sent:
                if any(name.endswith("_id") or name == "page_token" for name in error.fields):
                    status, text = 404, ""  # nobody was given this address
                else:
                    text = " ".join(error.fields.values())
        else:
            status, text = 500, ""
            _log.error("unexpected", exc_info=error)
        if status == 404:
            visit.path = ""  # the other language has nothing at this address either
        again = visit.sent and not visit.file and isinstance(error, Refused) and error.passing
        context: Any = {"text": text, "request_id": log.correlation_id(), "again": visit.typed if again else {}}
        response = visit.page("error.html", status, **context)
        for name, value in SECURITY.items():  # what ends in a 500 passes by `Around`
            response.headers.setdefault(name, value)
        return visit.finish(response)

    async def gone(self, _: Request, __: Exception) -> Response:
        """For the log: the visitor went away while something was still to come."""
        return Response(status_code=GONE)

    def _stranger(self, request: Request) -> Visit:
        """The visit as far as it came."""
        known: Visit | None = getattr(request.state, "visit", None)
        return known or Visit(request, self._language(request), self.services, None)


async def _typed(request: Request) -> tuple[dict[str, list[str]], multipart.File | None]:
    """The fields of a form, and its file if it has one. Raises UnicodeDecodeError."""
    if request.method != "POST":
        return {}, None
    if request.headers.get("content-type", "").startswith(multipart.TYPE):
        return await multipart.read(request)
    unquote_to_bytes(await request.body()).decode()  # below, what is no UTF-8 is replaced
    typed: dict[str, list[str]] = {}
    for name, value in (await request.form(max_fields=MOST_FIELDS)).multi_items():
        typed.setdefault(name, []).append(str(value).replace("\r\n", "\n"))
    return typed, None


class Around:
    """Around every answer: security headers, the correlation id, a log line, a measurement."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        request_id = ids.correlation_id(Headers(scope=scope).get("x-request-id"))
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
            _log.info("page", route=route, method=scope["method"], status=status, ms=round(took * 1000, 1))


async def _ready() -> dict[str, str]:
    """Pages come without the services, too."""
    return {}


def application(config: Config) -> Starlette:
    """The portal as an ASGI application."""
    portal = Portal(config)
    return Starlette(
        routes=[
            *http.probe_routes(_ready),
            Route("/", portal.root),
            Route("/docs", portal.endpoint(home.docs)),
            Route("/openapi.json", portal.document),
            Route("/asyncapi.json", portal.document),
            Route("/static/{path:path}", portal.static),
            *portal.routes(),
        ],
        middleware=[Middleware(Around)],
        exception_handlers={
            **dict.fromkeys((HTTPException, Refused, SignInNeeded, Exception), portal.refused),
            ClientDisconnect: portal.gone,
        },
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
