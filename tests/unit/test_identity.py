"""Which tokens are believed."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from chassis import errors, identity
from chassis.identity import TokenExpired, TokenInvalid, Verifier

ISSUER, AUDIENCE = "https://wasl.example", "wasl"


class Key:
    """A signing key, and tokens signed with it."""

    def __init__(self, kid: str) -> None:
        self._key = OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": "EdDSA"}, private=True)
        self.public = self._key.as_dict(private=False)

    def token(self, header: dict[str, Any] | None = None, **changed: Any) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "a-1",
            "roles": ["member"],
            "exp": time.time() + 600,
            **changed,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(
            {"alg": "EdDSA", **(header or {"kid": self.public["kid"]})}, kept, self._key, algorithms=["EdDSA"]
        )


class Keys:
    """Where a verifier gets its keys from; what it holds can change and it can be away."""

    def __init__(self, *keys: Key) -> None:
        self.set: Any = {"keys": [key.public for key in keys]}
        self.away: Exception | None = None
        self.asked = 0

    async def load(self) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise self.away
        answer: dict[str, Any] = self.set
        return answer


KEY, OTHER = Key("one"), Key("two")


def verifier(keys: Keys | None = None) -> Verifier:
    return Verifier((keys or Keys(KEY)).load, issuer=ISSUER, audience=AUDIENCE)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys may be asked for again at once."""
    monkeypatch.setattr(identity, "REFETCH_SECONDS", -1.0)


async def test_a_valid_token_says_who_it_is() -> None:
    known = await verifier().verify(KEY.token(roles=["member", "coordinator"]))
    assert (known.subject, known.roles) == ("a-1", frozenset({"member", "coordinator"}))
    assert (await verifier().verify(KEY.token(roles=None))).roles == frozenset()


def forged(algorithm: str, key: Any, **claims: Any) -> Callable[[], str]:
    return lambda: jwt.encode(
        {"alg": algorithm, "kid": "one"},
        {"iss": ISSUER, "aud": AUDIENCE, "sub": "a-1", "exp": time.time() + 600, **claims},
        key,
        algorithms=[algorithm],
    )


def unsigned() -> str:
    parts = [{"alg": "none", "kid": "one"}, {"iss": ISSUER, "aud": AUDIENCE, "sub": "a-1", "exp": time.time() + 600}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def with_another_body() -> str:
    header, _, signature = KEY.token().split(".")
    return f"{header}.{KEY.token(sub='somebody-else').split('.')[1]}.{signature}"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: KEY.token(iss="https://evil.example"), id="of another issuer"),
        pytest.param(lambda: KEY.token(iss=None), id="of nobody"),
        pytest.param(lambda: KEY.token(aud="another"), id="for others"),
        pytest.param(lambda: KEY.token(aud=None), id="for nobody"),
        pytest.param(lambda: KEY.token(sub=None), id="about nobody"),
        pytest.param(lambda: KEY.token(exp=None), id="without an end"),
        pytest.param(lambda: KEY.token(exp="tomorrow"), id="with an end that is no time"),
        pytest.param(lambda: KEY.token(nbf=time.time() + 3600), id="of the future"),
        pytest.param(lambda: KEY.token(roles=7), id="with roles that are none"),
        pytest.param(lambda: OTHER.token(), id="with an unknown key"),
        pytest.param(lambda: OTHER.token({"kid": "one"}), id="with another key under our name"),
        pytest.param(unsigned, id="unsigned"),
        pytest.param(
            forged("HS256", OctKey.import_key(str(KEY.public["x"]))), id="signed with our public key as a secret"
        ),
        pytest.param(with_another_body, id="changed"),
        pytest.param(lambda: KEY.token()[:-4], id="cut"),
        pytest.param(lambda: KEY.token({"cty": "JWT"}), id="without a key id"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "..", id="hollow"),
    ],
)
async def test_a_token_is_refused(make: Callable[[], str], no_pause: None) -> None:
    with pytest.raises(TokenInvalid):
        await verifier().verify(make())


@given(st.text(max_size=60) | st.from_regex(r"\A[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}\Z"))
@example("é.é.é")
@example(base64.urlsafe_b64encode(b"[" * 50_000).decode() + "..")
@example(base64.urlsafe_b64encode(b'{"kid":"one","alg":"EdDSA","crit":[' + b"[" * 50_000).decode() + "..")
@example(base64.urlsafe_b64encode(b'{"kid":["one"]}').decode() + "..")
@example(base64.urlsafe_b64encode(b'{"kid":"one"}').decode() + "..")
@example(base64.urlsafe_b64encode(b"[]").decode() + "..")
def test_garbage_is_refused(garbage: str) -> None:
    with pytest.raises(TokenInvalid):
        asyncio.run(verifier().verify(garbage))


# -- time ----------------------------------------------------------------------------------------------------------
async def test_an_expired_token_is_told_so_and_a_clock_may_be_a_little_off() -> None:
    one = verifier()
    with pytest.raises(TokenExpired):
        await one.verify(KEY.token(exp=time.time() - identity.LEEWAY_SECONDS - 1))
    assert await one.verify(KEY.token(exp=time.time() - identity.LEEWAY_SECONDS + 2))


async def test_a_remembered_token_expires_too(monkeypatch: pytest.MonkeyPatch) -> None:
    one, token = verifier(), KEY.token(exp=time.time() + 60)
    await one.verify(token)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 66)
    with pytest.raises(TokenExpired):
        await one.verify(token)


async def test_what_is_remembered_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "REMEMBERED", 3)
    one = verifier()
    for number in range(8):
        await one.verify(KEY.token(jti=str(number)))
        assert len(one._known) <= 3


# -- keys ----------------------------------------------------------------------------------------------------------
async def test_a_new_key_is_fetched_when_its_first_token_comes(no_pause: None) -> None:
    keys = Keys(KEY)
    one = verifier(keys)
    await one.verify(KEY.token())
    keys.set = {"keys": [OTHER.public, KEY.public]}
    assert await one.verify(OTHER.token())
    assert await one.verify(KEY.token(jti="2"))
    assert keys.asked == 2


async def test_unknown_keys_do_not_make_us_ask_all_the_time() -> None:
    keys = Keys(KEY)
    one = verifier(keys)
    for number in range(20):
        with pytest.raises(TokenInvalid):
            await one.verify(Key(f"evil-{number}").token())
    assert keys.asked == 1


async def test_a_known_key_does_not_wait_for_an_unknown_one(no_pause: None) -> None:
    keys, asked = Keys(KEY), asyncio.Event()
    one = verifier(keys)
    await one.verify(KEY.token())

    async def hang() -> dict[str, Any]:
        asked.set()
        await asyncio.sleep(30)
        return {}

    one._load = hang
    waiting = asyncio.create_task(one.verify(OTHER.token()))
    await asyncio.wait_for(asked.wait(), 5)
    assert await asyncio.wait_for(one.verify(KEY.token(jti="2")), 1)
    waiting.cancel()


BROKEN: list[Any] = [{}, [], {"keys": None}, {"keys": [{}]}, {"keys": [{"kty": "?"}]}, {"keys": ["x"]}, "x", None]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
async def test_a_key_set_that_is_none_counts_as_away(broken: Any, no_pause: None) -> None:
    keys = Keys()
    keys.set = broken
    one = verifier(keys)
    with pytest.raises(errors.Unavailable):
        await one.verify(KEY.token())
    keys.set = {"keys": [KEY.public]}
    assert await one.verify(KEY.token())
    keys.set = broken
    with pytest.raises(TokenInvalid):
        await one.verify(OTHER.token())
    assert await one.verify(KEY.token(jti="2"))


@pytest.mark.parametrize("error", [errors.Unavailable(), ValueError("no JSON")], ids=repr)
async def test_while_the_keys_are_away_nobody_is_called_a_forger(error: Exception, no_pause: None) -> None:
    keys = Keys(KEY)
    one = verifier(keys)
    keys.away = error
    with pytest.raises(errors.Unavailable):
        await one.verify(KEY.token())
    keys.away = None
    assert await one.verify(KEY.token())
    keys.away = error
    assert await one.verify(KEY.token(jti="2"))  # the keys stay


async def test_keys_are_fetched_over_http() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"keys": [KEY.public]})
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        one = Verifier(identity.fetch(f"http://{host}:{port}/"), issuer=ISSUER, audience=AUDIENCE)
        assert (await one.verify(KEY.token())).subject == "a-1"
    gone = Verifier(identity.fetch(f"http://{host}:{port}/"), issuer=ISSUER, audience=AUDIENCE)
    with pytest.raises(errors.Unavailable):
        await gone.verify(KEY.token())
