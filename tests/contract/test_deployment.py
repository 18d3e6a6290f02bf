"""docker-compose.yml gives each container what it needs and no more."""

import re
from typing import Any

import yaml  # type: ignore[import-untyped]
from descriptors import ROOT

CONTAINERS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name for name in CONTAINERS if re.search("-(api|http|worker|migrate)$", name)}


def test_only_services_know_the_secret_and_the_servers() -> None:
    told = {name for name, one in CONTAINERS.items() if re.search(r"WASL_\w*(URI|SECRET)", str(one.get("environment")))}
    mounted = {name for name, one in CONTAINERS.items() if "secrets:/secrets" in str(one.get("volumes"))}
    assert told == OURS
    assert mounted == OURS | {"prepare"}, "which makes it"
