"""Passwords, refresh tokens and signing keys."""

from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from chassis import settings
from services.members import tokens
from services.members.config import Config
from services.members.model import Account

CONFIG = settings.load(Config, "members", {})
ACCOUNT = Account(
    account_id="a-1", email="a@b.example", password_hash="", create_time=datetime.now(UTC), roles=("member",)
)


def test_a_password_is_kept_as_argon2id_and_verified() -> None:
    hashed = tokens.hash_password("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hashed != tokens.hash_password("correct horse")
    assert tokens.verify_password(hashed, "correct horse")
    assert not tokens.verify_password(hashed, "correct horsE")


@pytest.mark.parametrize("hashed", [None, "", "$argon2id$broken", "plain"])
def test_nothing_is_verified_against_what_is_no_hash(hashed: str | None) -> None:
    assert not tokens.verify_password(hashed, "")


def test_a_refresh_token_is_long_and_stored_as_a_digest() -> None:
    made = {tokens.new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(len(token) == 43 for token in made)
    assert len({tokens.digest(token) for token in made} | made) == 200


def test_what_is_published_of_a_key_signs_nothing() -> None:
    jwk = tokens.new_signing_key()
    published = tokens.public(jwk)
    assert set(published) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert jwk["d"] not in published.values()
    assert published["kid"] == OKPKey.import_key({**published}).thumbprint()


def test_an_access_token_says_who_and_until_when() -> None:
    jwk = tokens.new_signing_key()
    signed, ends = tokens.access_token(jwk, ACCOUNT, CONFIG, "s-1")
    token = jwt.decode(signed, OKPKey.import_key({**tokens.public(jwk)}), ["EdDSA"])
    assert token.header == {"alg": "EdDSA", "kid": jwk["kid"], "typ": "JWT"}
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == (CONFIG.issuer, CONFIG.audience, "a-1")
    assert (claims["roles"], claims["sid"]) == (["member"], "s-1")
    assert claims["exp"] - claims["iat"] == CONFIG.access_token_seconds
    assert claims["exp"] == ends.timestamp()
