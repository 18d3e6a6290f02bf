"""Settings from the environment, into a frozen Struct.

`WASL_<SERVICE>_<FIELD>` wins over `WASL_<FIELD>`; `WASL_<FIELD>_FILE` names a file that holds the value (secrets).
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

S = TypeVar("S", bound="Process")


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """What every process needs, the portal's included, which holds no secret."""

    service: str
    bind: str = "127.0.0.1"  # address to listen on
    http_port: int = 0  # /live /ready /metrics, and the portal's pages; 0: any free port
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # of the lines that are written
    otlp_endpoint: str = ""  # OTLP over HTTP, such as http://collector:4318; empty: no traces
    grace_seconds: float = 8.0  # for calls and deliveries that are running when the process is asked to stop


class Settings(Process, frozen=True, kw_only=True):
    """What every process of a service needs. A service adds its own fields in config.py."""

    database: str = ""  # empty: wasl_<service>
    mongo_uri: str = "mongodb://127.0.0.1:27017/?replicaSet=rs0"  # a replica set: transactions need one
    amqp_uri: str = "amqp://guest:guest@127.0.0.1:5672/%2F"  # RabbitMQ, with credentials and virtual host
    grpc_port: int = 0  # 0: any free port
    issuer: str = "https://wasl.example"  # `iss` of access tokens
    audience: str = "wasl"  # `aud` of access tokens
    jwks_url: str = "http://127.0.0.1:8080/.well-known/jwks.json"  # where the public keys of access tokens are
    service_secret: str = ""  # what services show each other; empty: internal methods are refused
    drain_seconds: float = 0.0  # between NOT_SERVING and the end, for the gateway to notice
    max_in_flight: int = 256  # calls at once; more are answered RESOURCE_EXHAUSTED
    write_patience_seconds: float = 8.0  # how long a write waits for a database that fails over


def load(cls: type[S], service: str, environment: Mapping[str, str] = os.environ) -> S:
    """Reads `cls` from `environment`. Raises msgspec.ValidationError that names the field."""
    values: dict[str, str] = {"service": service}
    for field in set(cls.__struct_fields__) - {"service"}:
        for name in (f"WASL_{field}".upper(), f"WASL_{service}_{field}".upper()):
            if name in environment:
                values[field] = environment[name]
            elif f"{name}_FILE" in environment:
                values[field] = pathlib.Path(environment[f"{name}_FILE"]).read_text().strip()
    if "database" in cls.__struct_fields__:
        values.setdefault("database", f"wasl_{service}")
    return msgspec.convert(values, cls, strict=False, dec_hook=lambda kind, value: kind(value))
