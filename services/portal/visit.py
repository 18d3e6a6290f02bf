"""One request to the portal: who makes it, in which language, what it may ask of the services, how it is answered."""

import asyncio
import datetime
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import grpc
import structlog
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis import log
from services.portal import sessions
from services.portal.forms import Form
from services.portal.language import Language
from services.portal.multipart import File
from services.portal.refusals import Refused, SignInNeeded, refusal
from services.portal.services import Services
from services.portal.sessions import Session

REVALIDATE = "no-cache"  # keep it, but ask with its ETag whether it is still the same
CSRF, NOTICE = "wasl_csrf", "wasl_notice"
CSRF_HEADER = "x-csrf-token"
R = TypeVar("R", bound=Message)
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Visit:
    """What a page's function is given. `typed`: what a form sent, or what was kept of it while its sender signed in;
    `file`: what it sends behind that."""

    def __init__(
        self,
        request: Request,
        language: Language,
        services: Services,
        session: Session | None,
        typed: dict[str, list[str]] | None = None,
        file: File | None = None,
    ) -> None:
        self.request, self.language, self.session = request, language, session
        self.members, self.matching = services.members, services.matching
        self.events, self.resources = services.events, services.resources
        self.services = services
        self.path = request.url.path.removeprefix(f"/{language.code}")
        self.sent = request.method not in ("GET", "HEAD")
        self.typed, self.file = typed or {}, file
        self.csrf = request.cookies.get(CSRF) or secrets.token_urlsafe(24)
        self.session_changed = False
        self.away: Refused | None = None  # why the session, which has cookies, cannot be used for now

    # -- what was asked --------------------------------------------------------------------------------------------
    def argument(self, name: str) -> str:
        """Of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """Of the address; "" when it is not there."""
        return self.request.query_params.get(name, "")

    def form(self) -> Form:
        return Form(self.typed, sent=self.sent, translate=self.language.gettext)

    def signed_in(self) -> Session:
        """Raises SignInNeeded; Refused while the session cannot be renewed."""
        if self.session is None:
            raise self.away or SignInNeeded
        return self.session

    async def require(self, *roles: str) -> None:
        """One of these, where an RPC answers others with their own things instead. Raises SignInNeeded, Refused."""
        used = self.signed_in()
        if not self.may(*roles) and not (await self._has_got_a_role(used) and self.may(*roles)):
            raise Refused(403)

    def may(self, *roles: str) -> bool:
        """Has the visitor one of these roles, for what it is worth to a page?"""
        return self.session is not None and self.session.has(*roles)

    # -- the services ----------------------------------------------------------------------------------------------
    async def call(self, method: Callable[..., Awaitable[R]], request: Message, seconds: float = 0) -> R:
        """What a service answers, in the visitor's name and language. Raises Refused, SignInNeeded.

        Who has got a role since signing in need not sign in again: the tokens are renewed, and the call made once more.
        """
        used = self.session
        try:
            return await self._call(method, request, seconds)
        except Refused as refused:
            if used is None or not await self._is_mended(refused, used):
                raise
            return await self._call(method, request, seconds)

    async def _is_mended(self, refused: Refused, used: Session) -> bool:
        """By new tokens: a role since signing in, or keys that have changed; who gets none is nobody from now on."""
        if refused.reason not in ("ROLE_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED"):
            return False
        return await self._has_got_a_role(used) or (refused.status == 401 and self.session is not used)

    async def _has_got_a_role(self, used: Session) -> bool:
        """Since `used` was given out; of several calls at once each learns it."""
        if self.session is used and not self.session_changed:
            self.become(await self.services.renewals.renewed(used))
        return self.session is not None and self.session.roles != used.roles

    async def _call(self, method: Callable[..., Awaitable[R]], request: Message, seconds: float) -> R:
        metadata = [("x-request-id", log.correlation_id()), ("x-wasl-language", self.language.code)]
        if self.session:
            metadata.append(("authorization", f"Bearer {self.session.access_token}"))
        try:
            return await method(request, metadata=metadata, timeout=seconds or self.services.config.call_seconds)
        except grpc.aio.AioRpcError as error:
            refused = refusal(error)
            if refused.status == 401 and refused.reason == "UNAUTHENTICATED":
                raise SignInNeeded from error
            raise refused from error

    async def part(self, method: Callable[..., Awaitable[R]], request: Message) -> R | None:
        """For a part of a page that it can come without: None when its service does not answer in time."""
        return await self.unless_away(self.call(method, request, self.services.config.part_seconds))

    async def unless_away(self, asked: Awaitable[T]) -> T | None:
        """The same for a part that takes several calls."""
        try:
            return await asked
        except Refused as refused:
            if not refused.passing and refused.status < 500:
                raise
            _log.warning("part", status=refused.status, reason=refused.reason)
            return None

    async def parts(self, *calls: tuple[Callable[..., Awaitable[Any]], Message]) -> list[Any]:
        """Several at once."""
        return list(await asyncio.gather(*(self.part(method, request) for method, request in calls)))

    async def each(
        self, method: Callable[..., Awaitable[R]], requests: Mapping[str, Message], seconds: float = 0
    ) -> dict[str, R]:
        """Answers by the keys of their requests, without what is not there (any more). `seconds` for
        each, and raises, as `call`."""

        async def one(request: Message) -> R | None:
            try:
                return await self.call(method, request, seconds)
            except Refused as refused:
                if refused.status != 404:
                    raise
                return None

        found = await asyncio.gather(*map(one, requests.values()))
        return {key: answer for key, answer in zip(requests, found, strict=True) if answer is not None}

    # -- answers ---------------------------------------------------------------------------------------------------
    def page(self, template: str, status: int = 200, form: Form | None = None, **context: Any) -> Response:
        """With an ETag when it is the same for everybody."""
        text = self.rendered(template, form=form, status=status, **context)
        status = form.status if form and form.status != 200 else status
        return self.answer(text, "text/html", status)

    def rendered(self, template: str, *, form: Form | None = None, status: int = 200, **context: Any) -> str:
        return self.language.render(
            template,
            visit=self,
            form=form,
            status=status,
            notice=self._notice(),
            now=datetime.datetime.now(datetime.UTC),
            **context,
        )

    async def same_for_all(self, name: str, render: Callable[[], Awaitable[str]]) -> Response:
        """A page that is the same for all who are not signed in: who ask at the same moment share one rendering."""
        if self.session or self._notice():
            return self.answer(await render(), "text/html")
        key = f"{self.language.code} {name}?{self.request.url.query}"  # the query stands in the language switch
        return self.answer(await self.services.together(key, render), "text/html")

    def answer(self, body: str | bytes, media_type: str, status: int = 200) -> Response:
        contents = body.encode() if isinstance(body, str) else body
        if status != 200 or self.session or self.sent:
            return Response(contents, status, {"cache-control": "no-store"}, media_type)
        # Weak, or compression on the way would remove it.
        etag = f'W/"{hashlib.sha256(contents).hexdigest()[:20]}"'
        headers = {"etag": etag, "cache-control": REVALIDATE, "vary": "accept-language, cookie"}
        if etag in self.request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(contents, status, headers, media_type)

    def url(self, path: str, /, **query: str | int) -> str:
        """The address of a page in the visitor's language."""
        said = {name: value for name, value in query.items() if value}
        return f"/{self.language.code}{path}" + (f"?{urlencode(said)}" if said else "")

    def here(self, /, **query: str | int) -> str:
        """This page with these arguments changed; "" takes one away."""
        return self.url(self.path, **{**self.request.query_params, **query})

    def to(self, path: str, notice: str = "", **query: str) -> Response:
        """To another page, after a form has done its work. `notice`: key of a sentence that this page shows once."""
        response = RedirectResponse(self.url(path, **query), 303, {"cache-control": "no-store"})
        if notice:
            self.notify(response, notice)
        return response

    def notify(self, response: Response, notice: str) -> None:
        """The next page shows this sentence."""
        sessions.set_cookie(self.request, response, NOTICE, notice, max_age=60)

    def _notice(self) -> str:
        key = self.request.cookies.get(NOTICE, "")
        return self.language.gettext(key) if key.startswith("notice.") else ""

    # -- cookies ---------------------------------------------------------------------------------------------------
    def become(self, session: Session | None) -> None:
        """From now on somebody else, or nobody."""
        self.session, self.session_changed = session, True

    def finish(self, response: Response) -> Response:
        """Sets what changed in the visitor's cookies."""
        if self.session_changed:
            sessions.keep(self.request, response, self.session)
        if b"csrf" in getattr(response, "body", b"") and CSRF not in self.request.cookies:
            sessions.set_cookie(self.request, response, CSRF, self.csrf, max_age=sessions.REMEMBERED)
        if NOTICE in self.request.cookies and response.status_code == 200:
            response.delete_cookie(NOTICE)
        return response

    def check_csrf(self) -> None:
        """Does the form come from a page of ours, or what a script of ours sends? Raises Refused."""
        sent = self.typed.get("csrf", [""])[0] or self.request.headers.get(CSRF_HEADER, "")
        kept = self.request.cookies.get(CSRF, "")
        if not kept or not secrets.compare_digest(sent.encode(), kept.encode()):
            raise Refused(403, "FORM_FOREIGN", self.language.gettext("error.foreign"))
