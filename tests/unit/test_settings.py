"""Settings come from the environment, the service's own first."""

import pathlib

import msgspec
import pytest

from chassis import settings
from services.matching.config import Config as MatchingConfig
from services.members.config import Config as MembersConfig


def test_defaults_are_enough() -> None:
    loaded = settings.load(MembersConfig, "members", {})
    assert (loaded.service, loaded.database, loaded.access_token_seconds) == ("members", "wasl_members", 600)
    assert settings.load(MatchingConfig, "matching", {}).database == "wasl_matching"


def test_a_service_overrides_what_holds_for_all() -> None:
    environment = {"WASL_LOG_LEVEL": "warning", "WASL_MEMBERS_LOG_LEVEL": "debug", "WASL_MATCHING_GRPC_PORT": "4"}
    assert settings.load(MembersConfig, "members", environment).log_level == "debug"
    assert settings.load(MatchingConfig, "matching", environment).log_level == "warning"
    assert settings.load(MembersConfig, "members", environment).grpc_port == 0


def test_text_becomes_the_type_of_the_field() -> None:
    environment = {"WASL_GRPC_PORT": "8100", "WASL_DRAIN_SECONDS": "0.5", "WASL_STATE_DIR": "/var/lib/wasl"}
    loaded = settings.load(MembersConfig, "members", environment)
    assert (loaded.grpc_port, loaded.drain_seconds) == (8100, 0.5)
    assert loaded.state_dir == pathlib.Path("/var/lib/wasl")


def test_a_secret_comes_from_a_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    environment = {"WASL_SERVICE_SECRET_FILE": str(tmp_path / "secret")}
    assert settings.load(MembersConfig, "members", environment).service_secret == "open sesame"


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(msgspec.ValidationError, match="grpc_port"):
        settings.load(MembersConfig, "members", {"WASL_GRPC_PORT": "many"})


def test_the_service_is_not_for_the_environment_to_say() -> None:
    """A container has its SERVICE in the environment too."""
    assert settings.load(MembersConfig, "members", {"WASL_SERVICE": "matching"}).service == "members"
