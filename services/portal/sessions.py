"""Who is signed in: the tokens of members in cookies that no script can read. The portal stores nothing.

What stands in an access token is believed for drawing a page only; the services verify it with each call.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wasl.members.v1 import members_pb2 as m

REMEMBERED = 30 * 86_400  # seconds that a browser keeps who is signed in, as members does
ACCESS, REFRESH = "wasl_access", "wasl_refresh"
EARLY_SECONDS = 20  # a token that ends so soon is renewed at once
REMEMBERED_SECONDS = 60  # how long a renewal is remembered for requests that were on their way with the old token


class Session(msgspec.Struct, frozen=True):
    """The tokens, and what the access token says; `ends` in seconds since 1970."""

    access_token: str
    refresh_token: str
    account_id: str
    session_id: str
    roles: tuple[str, ...]
    ends: float

    def has(self, *roles: str) -> bool:
        return not set(roles).isdisjoint(self.roles)


class _Claims(msgspec.Struct):
    sub: str
    exp: float
    roles: tuple[str, ...] = ()
    sid: str = ""


def read(request: Request) -> Session | None:
    """What the cookies hold; None when they hold nothing or what is no token of ours."""
    access, refresh = request.cookies.get(ACCESS, ""), request.cookies.get(REFRESH, "")
    return of_tokens(access, refresh) if access.isascii() and access and refresh else None


def of_tokens(access: str, refresh: str) -> Session | None:
    try:
        payload = access.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims)
    except (IndexError, ValueError):  # binascii's and msgspec's are ValueErrors
        return None
    return Session(access, refresh, claims.sub, claims.sid, claims.roles, claims.exp)


def keep(request: Request, response: Response, session: Session | None) -> None:
    """Sets the cookies, or removes them."""
    for name in (ACCESS, REFRESH):
        if session is None:
            response.delete_cookie(name)
        else:
            value = session.access_token if name == ACCESS else session.refresh_token
            set_cookie(request, response, name, value, max_age=REMEMBERED)


def set_cookie(request: Request, response: Response, name: str, value: str, max_age: int | None = None) -> None:
    """For the portal's own use: no script reads it, no other site sends it with a form."""
    secure = scheme(request) == "https"
    response.set_cookie(name, value, max_age=max_age, httponly=True, secure=secure, samesite="lax")


def scheme(request: Request) -> str:
    """As the visitor's browser has it, before the gateway."""
    return request.headers.get("x-forwarded-proto", request.url.scheme)


class Renewals:
    """Exchanges each refresh token once, however many requests of a browser come with it.

    A refresh token that is used twice ends its whole session (members does so), and a browser sends several requests at
    once. Each portal process remembers its own renewals, so requests of one browser should come to the same process.
    """

    def __init__(self, renew: Callable[[str], Awaitable[Session | None]]) -> None:
        self._renew = renew
        self._known: dict[str, tuple[float, asyncio.Future[Session | None]]] = {}

    async def current(self, session: Session) -> Session | None:
        """The session with tokens that are good; None when it has ended. Raises what `renew` raises."""
        return session if session.ends - EARLY_SECONDS > time.time() else await self.renewed(session)

    async def renewed(self, session: Session) -> Session | None:
        """The session with new tokens, which know the account's present roles; else as `current`."""
        now = time.monotonic()
        for token in [token for token, (until, _) in self._known.items() if until < now]:
            del self._known[token]
        if session.refresh_token not in self._known:
            begun = asyncio.ensure_future(self._renew(session.refresh_token))
            self._known[session.refresh_token] = now + REMEMBERED_SECONDS, begun
        renewing = self._known[session.refresh_token][1]
        try:
            return await asyncio.shield(renewing)
        except BaseException:
            if renewing.done():  # a failure is not remembered
                self._known.pop(session.refresh_token, None)
            raise


def session_of(answer: m.Session) -> Session:
    """Of what SignIn and RefreshSession answer. Raises ValueError when that is no token."""
    session = of_tokens(answer.access_token, answer.refresh_token)
    if session is None:
        raise ValueError("members answered without tokens")
    return session
