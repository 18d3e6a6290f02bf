"""Passwords, refresh tokens and the access tokens' signing key. Pure computation; nothing here stores anything."""

import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from joserfc import jwt
from joserfc.jwk import OKPKey

from chassis.identity import ALGORITHM
from services.members.config import Config
from services.members.model import Account

# OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2 passes, 1 lane; about 50 ms.
_hasher = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
# Verified when there is no such account, so that the answer takes the same time.
_NOBODYS_HASH = _hasher.hash(secrets.token_urlsafe())


def hash_password(password: str) -> str:
    """argon2id's encoded form, salt and parameters included. Blocks for about 50 ms: call it in a thread."""
    return _hasher.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """False also for no hash, in the same time. Blocks like hash_password."""
    try:
        return _hasher.verify(password_hash or _NOBODYS_HASH, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def new_token() -> str:
    """A refresh token of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a refresh token: it is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_signing_key() -> dict[str, Any]:
    """A private Ed25519 JWK (RFC 8037) whose key id is its thumbprint."""
    key = OKPKey.generate_key("Ed25519", private=True)
    return {
        **key.as_dict(private=True),
        "kid": key.thumbprint(),
        "use": "sig",
        "alg": ALGORITHM,
    }


def public(jwk: dict[str, Any]) -> dict[str, str]:
    """The public half, as it is published."""
    return {name: jwk[name] for name in ("kty", "crv", "x", "kid", "use", "alg")}


def access_token(jwk: dict[str, Any], account: Account, config: Config, session_id: str) -> tuple[str, datetime]:
    """A signed JWT for `config.access_token_seconds`, and when it ends: in whole seconds (RFC 7519, NumericDate)."""
    now = int(time.time())
    ends = now + config.access_token_seconds
    claims = {
        "iss": config.issuer,
        "aud": config.audience,
        "sub": account.account_id,
        "roles": list(account.roles),
        "sid": session_id,
        "iat": now,
        "exp": ends,
    }
    key = OKPKey.import_key(jwk)
    token = jwt.encode({"alg": ALGORITHM, "kid": jwk["kid"]}, claims, key, algorithms=[ALGORITHM])
    return token, datetime.fromtimestamp(ends, UTC)
