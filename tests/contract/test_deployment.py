"""Every service is wired where it has to be, and docker-compose.yml gives each container what it needs and no more."""

import configparser
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from descriptors import ROOT

CONTAINERS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/worker.py"))
OURS = {name for name in CONTAINERS if re.search("-(api|http|worker|migrate)$", name)}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_wired_everywhere(service: str) -> None:
    """CONTRIBUTING.md, "Add a service"."""
    listed = dict(re.findall(r"^(SERVICES|REPLICAS)=\((.*?)\)", (ROOT / "dev").read_text(), re.MULTILINE | re.DOTALL))
    assert service in listed["SERVICES"].split(), "dev: SERVICES"
    for process in ("api", "worker"):
        assert re.search(rf"\b{service}-{process}:", listed["REPLICAS"]), f"dev: {service}-{process} in REPLICAS"
    for process in ("api", "migrate", "worker"):
        assert CONTAINERS[f"{service}-{process}"]["command"] == [process]
    assert f"WASL_{service.upper()}_API" in CONTAINERS["prepare"]["environment"], "docker-compose.yml: prepare"
    imports = configparser.ConfigParser()
    imports.read(ROOT / ".importlinter")
    assert f"services.{service}" in imports["importlinter:contract:layers"]["containers"].split(), ".importlinter"
    assert f"wasl.{service}" in imports["importlinter:contract:chassis"]["forbidden_modules"].split(), ".importlinter"


def test_only_services_know_the_secret_and_the_servers() -> None:
    told = {name for name, one in CONTAINERS.items() if re.search(r"WASL_\w*(URI|SECRET)", str(one.get("environment")))}
    mounted = {name for name, one in CONTAINERS.items() if "secrets:/secrets" in str(one.get("volumes"))}
    assert told == OURS
    assert mounted == OURS | {"prepare"}, "which makes it"
