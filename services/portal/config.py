"""Settings of the portal: `WASL_PORTAL_<NAME>`."""

from chassis.settings import Process


class Config(Process, frozen=True, kw_only=True):
    """Adds to chassis.settings.Process."""

    members_address: str = "127.0.0.1:8100"  # host:port of members' gRPC, for the figures
    figures_seconds: float = 1.0  # how long a page waits for the figures before it comes without them
