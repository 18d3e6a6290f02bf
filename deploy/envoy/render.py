"""Writes the gateway's configuration: `python deploy/envoy/render.py --out envoy.yaml`.

One template for `./dev`, compose and Kubernetes; what differs comes from the environment (`--help` lists it). The file
is complete in itself: descriptors, Lua and the texts of refusals are inside, so there is nothing that could fall apart.

What the contract says is read from its descriptors: every RPC with a `google.api.http` annotation gets a route, a read
(`get:`) is tried again, a write is limited, and only a PUBLIC one needs no token. Anything else has no route. A new RPC
needs no change here; a new service needs its endpoints, WASL_<SERVICE>_API.
"""

import argparse
import base64
import dataclasses
import ipaddress
import json
import os
import pathlib
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jinja2
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet, MethodDescriptorProto

from wasl.options.v1 import options_pb2

HERE = pathlib.Path(__file__).resolve().parent
DESCRIPTORS = HERE.parents[1] / "gen" / "wasl.binpb"
HIGHEST_PORT = 65_535


class Invalid(Exception):
    """A setting that cannot be used; the text names it."""


def text(value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("must be printable ASCII without spaces")
    return value


def port(value: str) -> int:
    return between(1, HIGHEST_PORT)(value)


def between(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isdecimal() or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return parse


def seconds(value: str) -> float:
    if not re.fullmatch(r"\d+(\.\d{1,3})?", value) or not 0 < float(value) <= 86_400:
        raise ValueError("must be seconds, at most 86400 and with at most three decimals")
    return float(value)


def address(value: str) -> str:
    return str(ipaddress.ip_address(value))


def endpoints(value: str) -> list[tuple[str, int]]:
    """[("127.0.0.1", 8100), …] of "127.0.0.1:8100,[::1]:8102,members-api:50051"."""
    found = []
    for one in value.split(","):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?):(\d{1,5})", one.strip())
        if not match:
            raise ValueError(f"must be host:port, or several with commas between; not {one.strip()!r}")
        found.append((match[1].strip("[]"), port(match[3])))
    return found


def origins(value: str) -> list[str]:
    found = [one.strip() for one in value.split(",")]
    for one in found:
        if one != "*" and not re.fullmatch(r"https?://[0-9A-Za-z.-]+(:\d{1,5})?", one):
            raise ValueError(f"must be origins such as https://app.example, or *; not {one!r}")
    return found


@dataclasses.dataclass(frozen=True)
class Collector:
    """Where traces go: `url` without a path, and its host and port."""

    url: str
    address: tuple[str, int]


def collector(value: str) -> Collector:
    match = re.fullmatch(r"(http://([^/]+))/?", value)
    if not match:
        raise ValueError("must be http://host:port")
    return Collector(match[1], endpoints(match[2])[0])


def path(value: str) -> str:
    if not re.fullmatch(r"/[!-~]+", value):
        raise ValueError("must be an absolute path")
    return value


def log_path(value: str) -> str:
    return value if value in ("stdout", "off") else path(value)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting: `field` of the template, its default as text (None: needed), how to read it, what it is."""

    name: str
    default: str | None
    parse: Callable[[str], Any]
    help: str

    @property
    def field(self) -> str:
        return self.name.removeprefix("WASL_").removeprefix("GATEWAY_").lower()


SETTINGS = [
    Setting("WASL_GATEWAY_LISTEN", "127.0.0.1", address, "address of the public listener and of the metrics listener"),
    Setting("WASL_GATEWAY_PORT", None, port, "public listener: HTTP/1.1 and h2c"),
    Setting("WASL_GATEWAY_METRICS_PORT", None, port, "/metrics and /ready, for Prometheus and probes"),
    Setting("WASL_GATEWAY_ADMIN_PORT", None, port, "Envoy's admin interface, on 127.0.0.1 only"),
    Setting("WASL_GATEWAY_TLS_PORT", "", port, "a second public listener with TLS; needs certificate and key"),
    Setting("WASL_GATEWAY_TLS_CERTIFICATE", "", path, "PEM file, the whole chain"),
    Setting("WASL_GATEWAY_TLS_KEY", "", path, "PEM file; only its path goes into the configuration"),
    Setting("WASL_PORTAL_HTTP", None, endpoints, "where the portal answers: host:port, several with commas"),
    Setting("WASL_RESOURCES_HTTP", None, endpoints, "where resources takes and gives files: host:port, …"),
    Setting("WASL_ISSUER", "https://wasl.example", text, "`iss` of access tokens"),
    Setting("WASL_AUDIENCE", "wasl", text, "`aud` of access tokens"),
    Setting(
        "WASL_GATEWAY_JWKS_SECONDS",
        "30",
        between(1, 50),
        "life of public keys; a new one signs after 60 s",
    ),
    Setting("WASL_GATEWAY_CORS_ORIGINS", "", origins, "other origins whose pages may call the API; * for all"),
    Setting("WASL_GATEWAY_TRUSTED_HOPS", "0", between(0, 9), "proxies in front that write x-forwarded-for"),
    Setting("WASL_GATEWAY_SIGN_IN_PER_MINUTE", "60", between(1, 10**9), "public writes (SignIn …) per address"),
    Setting("WASL_GATEWAY_WRITES_PER_MINUTE", "1200", between(1, 10**9), "other writes per account or else address"),
    Setting("WASL_GATEWAY_BODY_LIMIT", "65536", between(1024, 1 << 24), "request body, bytes; a form: four times"),
    Setting("WASL_GATEWAY_READ_TIMEOUT", "5", seconds, "reads, all tries together, seconds"),
    Setting("WASL_GATEWAY_WRITE_TIMEOUT", "15", seconds, "writes and the portal, seconds"),
    Setting("WASL_GATEWAY_HEALTH_INTERVAL", "1", seconds, "between health checks; a service drains for two of them"),
    Setting("WASL_GATEWAY_MAX_CONNECTIONS", "10000", between(1, 10**6), "clients' connections at once"),
    Setting("WASL_OTLP_ENDPOINT", "", collector, "takes traces by OTLP over HTTP: http://host:port; empty: no traces"),
    Setting("WASL_GATEWAY_ACCESS_LOG", "stdout", log_path, "stdout, off or a file: one JSON object a line"),
]


@dataclasses.dataclass(frozen=True)
class Rpc:
    """A method with a route: `path` is /package.Service/Method, `service` the one that answers it."""

    path: str
    service: str
    kind: str  # "read", "write" or "stream"
    public: bool


@dataclasses.dataclass(frozen=True)
class Contract:
    """What the template needs of the descriptors. `rest` matches the REST addresses, which are yet to be transcoded.

    `secrets` are beginnings of addresses that go on with a field marked `sensitive`: neither logged nor traced. `lists`
    are the names of the lists that a request can hold; none of them is one value elsewhere (a test).
    """

    descriptors: bytes
    services: list[str]  # full names of the services to transcode
    rpcs: list[Rpc]
    rest: list[dict[str, str]]
    secrets: list[str]
    lists: list[str]

    @property
    def owners(self) -> list[str]:
        """The services that answer: members, matching …"""
        return sorted({rpc.service for rpc in self.rpcs})


def read_contract(path: pathlib.Path) -> Contract:
    """Raises Invalid when a method with a route declares no access, or INTERNAL."""
    levels = options_pb2.Access
    content = path.read_bytes()
    services, rpcs, rest, secrets = [], [], set(), set()
    lists: set[str] = set()
    files = FileDescriptorSet.FromString(content).file
    pool = descriptor_pool.DescriptorPool()
    for described in files:
        pool.Add(described)
    messages = {f".{file.package}.{message.name}": message for file in files for message in file.message_type}
    for described in files:
        for service in described.service:
            full_name = f"{described.package}.{service.name}"
            for method in service.method:
                if not method.options.HasExtension(annotations_pb2.http):
                    continue
                level = method.options.Extensions[options_pb2.access].level
                if level in (levels.LEVEL_UNSPECIFIED, levels.INTERNAL):
                    raise Invalid(f"{full_name}/{method.name} has an HTTP route but may be called by nobody outside")
                owner = described.package.split(".")[1]  # wasl.members.v1
                rpcs.append(Rpc(f"/{full_name}/{method.name}", owner, _kind(method), level == levels.PUBLIC))
                rest.update(_addresses(method))
                secrets.update(_secrets(method, messages[method.input_type]))
                lists.update(_lists(pool.FindMessageTypeByName(method.input_type[1:])))
                if full_name not in services:
                    services.append(full_name)
    return Contract(content, services, rpcs, [dict([match]) for match in sorted(rest)], sorted(secrets), sorted(lists))


def _lists(message: Descriptor) -> Iterator[str]:
    for field in message.fields:
        if field.is_repeated:
            yield field.name
        if field.message_type:
            yield from _lists(field.message_type)


def _kind(method: MethodDescriptorProto) -> str:
    if method.server_streaming:
        return "stream"
    return "read" if method.options.Extensions[annotations_pb2.http].WhichOneof("pattern") == "get" else "write"


def _addresses(method: MethodDescriptorProto) -> set[tuple[str, str]]:
    """{("prefix", "/v1/")} for what stands under a version, else the address up to its first variable."""
    rule = method.options.Extensions[annotations_pb2.http]
    found = set()
    for one in (rule, *rule.additional_bindings):
        verb = one.WhichOneof("pattern")
        template: str = one.custom.path if verb == "custom" else getattr(one, verb)
        version = re.match(r"/v\d+/", template)
        fixed, variable, _ = template.partition("{")
        found.add(("prefix", version[0]) if version else ("prefix" if variable else "path", fixed))
    return found


def _secrets(method: MethodDescriptorProto, request: DescriptorProto) -> set[str]:
    sensitive = [field.name for field in request.field if field.options.Extensions[options_pb2.sensitive]]
    rule = method.options.Extensions[annotations_pb2.http]
    found = (rule.get.partition(f"{{{name}}}") for name in sensitive)
    return {before for before, variable, _ in found if variable}


def read_replies() -> dict[str, dict[str, Any]]:
    """The gateway's own refusals by reason. Raises Invalid when a text would break out of where it stands."""
    replies: dict[str, dict[str, Any]] = tomllib.loads((HERE / "replies.toml").read_text())
    _check_texts(replies.values())
    return replies


def read_violations() -> dict[str, Any]:
    """`violations`, and `invalid`, the sentence above them. Raises Invalid as above."""
    found = tomllib.loads((HERE / "violations.toml").read_text())
    _check_texts([found["invalid"], *found["violations"]])
    return found


def _check_texts(replies: Iterable[dict[str, Any]]) -> None:
    for reply in replies:
        if any(mark in reply[language] for mark in "'\"\\%" for language in ("en", "ar")):
            raise Invalid(f"no quotation marks, backslashes or % in texts: {reply['en']!r}, {reply['ar']!r}")


def lua(value: Any) -> str:
    """A value as a Lua expression."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'["{key}"] = {lua(item)}' for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{\n  " + ",\n  ".join(map(lua, value)) + ",\n}"
    return json.dumps(value, ensure_ascii=False)


def fields_lua(contract: Contract) -> str:
    return f"local LISTS = {lua(dict.fromkeys(contract.lists, True))}\n\n" + (HERE / "fields.lua").read_text()


def refusals_lua() -> str:
    found = read_violations()
    violations = [{"field": True, **violation} for violation in found["violations"]]
    tables = f"local VIOLATIONS = {lua(violations)}\nlocal INVALID = {lua(found['invalid'])}\n\n"
    return tables + (HERE / "refusals.lua").read_text()


def all_settings() -> list[Setting]:
    """SETTINGS, and that of each service's endpoints."""
    return [*SETTINGS, *map(api_setting, read_contract(DESCRIPTORS).owners)]


def read_settings(environment: Mapping[str, str], services: list[str]) -> dict[str, Any]:
    """{field: value}, and `apis`: {service: [(host, port), …]}. Raises Invalid that names the variable."""

    def value(setting: Setting) -> Any:
        raw = environment.get(setting.name, setting.default)
        if raw is None:
            raise Invalid(f"{setting.name} is not set: {setting.help}")
        if raw == "" and setting.default == "":
            return None
        try:
            return setting.parse(raw.strip())
        except ValueError as error:
            raise Invalid(f"{setting.name} {error}") from error

    values = {setting.field: value(setting) for setting in SETTINGS}
    values["apis"] = {name: value(api_setting(name)) for name in services}
    if bool(values["tls_port"]) != bool(values["tls_certificate"] and values["tls_key"]):
        raise Invalid("WASL_GATEWAY_TLS_PORT, WASL_GATEWAY_TLS_CERTIFICATE and WASL_GATEWAY_TLS_KEY belong together")
    ports = [values[field] for field in ("port", "metrics_port", "admin_port", "tls_port") if values[field]]
    if len(set(ports)) != len(ports):
        raise Invalid(f"the gateway's own ports must differ: {ports}")
    return values


def api_setting(service: str) -> Setting:
    what = f"gRPC endpoints of {service}: host:port, several with commas"
    return Setting(f"WASL_{service.upper()}_API", None, endpoints, what)


def discovery(found: list[tuple[str, int]]) -> str:
    """STATIC for addresses; as soon as one is a name, STRICT_DNS, which looks up all its addresses again and again."""
    try:
        for host, _ in found:
            ipaddress.ip_address(host)
    except ValueError:
        return "STRICT_DNS"
    return "STATIC"


def render(environment: Mapping[str, str], descriptors: pathlib.Path = DESCRIPTORS) -> str:
    """The configuration as YAML. Raises Invalid."""
    contract = read_contract(descriptors)
    settings = read_settings(environment, contract.owners)
    loader = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False, keep_trailing_newline=True,
    )  # fmt: skip
    loader.filters["q"] = lambda value: json.dumps(value, ensure_ascii=False)
    loader.globals.update(discovery=discovery)
    listen = settings["listen"]
    everywhere = ipaddress.ip_address(listen).is_unspecified
    return loader.get_template("envoy.yaml.j2").render(
        **settings,
        own_address=("::1" if ":" in listen else "127.0.0.1") if everywhere else listen,
        contract=contract,
        descriptors=base64.b64encode(contract.descriptors).decode(),
        fields_lua=fields_lua(contract),
        language_lua=(HERE / "language.lua").read_text(),
        refusals_lua=refusals_lua(),
        replies=read_replies(),
    )


def _help() -> str:
    lines = ["environment (all optional unless it says: needed):"]
    for setting in all_settings():
        lines.append(f"  {setting.name}  [{'needed' if setting.default is None else setting.default}]")
        lines += textwrap.wrap(setting.help, 100, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Writes the configuration of the gateway (Envoy) from the contract and the environment.",
        epilog=_help(), formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--out", type=pathlib.Path, required=True, help="file to write; replaced at once, never half")
    parser.add_argument("--descriptors", type=pathlib.Path, default=DESCRIPTORS, help="descriptor set [gen/wasl.binpb]")
    arguments = parser.parse_args()
    try:
        configuration = render(os.environ, arguments.descriptors)
    except (Invalid, OSError) as error:
        sys.exit(f"render.py: {error}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    new = arguments.out.with_name(f".{arguments.out.name}.new")
    new.write_text(configuration)
    new.replace(arguments.out)


if __name__ == "__main__":
    main()
