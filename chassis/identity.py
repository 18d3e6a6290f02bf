"""Access tokens: EdDSA JWTs (RFC 7519, RFC 8037), verified against a key set and then remembered until they run out."""

import asyncio
import base64
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet

from chassis import errors

# RFC 9864 renames EdDSA to Ed25519, and joserfc warns; Envoy knows the old name only.
warnings.filterwarnings("ignore", category=SecurityWarning, message=".*EdDSA.*")

ALGORITHM = "EdDSA"
LEEWAY_SECONDS = 5
REFETCH_SECONDS = 2.0  # an unknown key id may ask for the keys again this often
REMEMBERED = 10_000
_log = structlog.get_logger(__name__)

LoadKeys = Callable[[], Awaitable[dict[str, Any]]]


class TokenInvalid(errors.Unauthenticated):
    """Forged, broken, or meant for somebody else."""

    en, ar = "The access token is not valid", "رمز الدخول غير صالح"


class TokenExpired(errors.Unauthenticated):
    """It was valid."""

    en, ar = "Your session has ended, sign in again", "انتهت جلستك، سجّل الدخول من جديد"


class Identity(msgspec.Struct, frozen=True):
    """What a token says: the account, its roles, and until when (seconds since the epoch)."""

    subject: str
    roles: frozenset[str]
    expires: float


class Verifier:
    """Verifies tokens of one issuer for one audience. `load` gives the JWKS; when it fails, the keys stay."""

    def __init__(self, load: LoadKeys, *, issuer: str, audience: str) -> None:
        self._load, self._keys, self._loaded = load, KeySet([]), 0.0
        self._lock = asyncio.Lock()
        self._known: dict[str, Identity] = {}
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> Identity:
        """Raises TokenInvalid, TokenExpired, or errors.Unavailable while there is no key to verify with."""
        known = self._known.get(token)
        if known is None:
            known = await self._verify(token)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[token] = known
        if known.expires + LEEWAY_SECONDS < time.time():
            self._known.pop(token, None)
            raise TokenExpired
        return known

    async def _verify(self, token: str) -> Identity:
        if not await self._has_key_of(token):
            raise TokenInvalid if self._keys.keys else errors.Unavailable
        try:
            decoded = jwt.decode(token, self._keys, algorithms=[ALGORITHM])
            claims = decoded.claims
            if claims["exp"] + LEEWAY_SECONDS < time.time():
                raise TokenExpired
            self._claims.validate(claims)
            return Identity(claims["sub"], frozenset(claims.get("roles", ())), float(claims["exp"]))
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise TokenInvalid from error

    async def _has_key_of(self, token: str) -> bool:
        try:
            wanted = msgspec.json.decode(_base64url(token.split(".", 1)[0])).get("kid")
        except (ValueError, AttributeError, RecursionError):
            raise TokenInvalid from None
        if self._missing(wanted):  # a known key does not wait for an unknown one
            async with self._lock:
                if self._missing(wanted) and time.monotonic() - self._loaded > REFETCH_SECONDS:
                    self._loaded = time.monotonic()
                    await self._fetch()
        return not self._missing(wanted)

    async def _fetch(self) -> None:
        try:
            self._keys = KeySet.import_key_set(cast("Any", await self._load()))
        except (errors.Error, JoseError, ValueError, TypeError, KeyError) as error:
            _log.warning("no keys to verify tokens with", error=repr(error.__cause__ or error))

    def _missing(self, kid: Any) -> bool:
        return all(key.kid != kid for key in self._keys.keys)


async def bearer(verifier: Verifier, authorization: str) -> Identity | None:
    """Who an Authorization header names; None when it names nobody. Raises what `Verifier.verify` raises."""
    kind, _, token = authorization.partition(" ")
    return await verifier.verify(token) if token and kind.lower() == "bearer" else None


def _base64url(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def fetch(url: str) -> LoadKeys:
    """Loads the key set from `url`."""
    import httpx  # a quarter of the time that an api takes to start, and a service with keys of its own needs none

    client = httpx.AsyncClient(timeout=2.0, trust_env=False)

    async def load() -> dict[str, Any]:
        try:
            reply = (await client.get(url)).raise_for_status()
        except httpx.HTTPError as error:
            raise errors.Unavailable from error
        document: dict[str, Any] = reply.json()
        return document

    return load
