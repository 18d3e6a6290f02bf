"""Settings of the matching service: `WASL_MATCHING_<NAME>`."""

from chassis.settings import Settings


class Config(Settings, frozen=True, kw_only=True):
    """Adds to chassis.settings.Settings."""

    members_address: str = "127.0.0.1:8100"  # host:port of members' gRPC, whose event log `rebuild` reads
