"""Settings of the portal: `WASL_PORTAL_<NAME>`."""

from chassis.settings import Process


class Config(Process, frozen=True, kw_only=True):
    """Adds to chassis.settings.Process."""

    members_address: str = "127.0.0.1:8100"  # of members' gRPC, as gRPC writes addresses
    matching_address: str = "127.0.0.1:8120"  # of matching's
    events_address: str = "127.0.0.1:8150"  # of events'
    resources_address: str = "127.0.0.1:8180"  # of resources'
    files_url: str = "http://127.0.0.1:8200"  # of resources' http process
    contact_email: str = "help@wasl.example"  # whom visitors may write to: of the network's own people
    call_seconds: float = 5.0  # how long a page waits for an answer that it cannot do without
    part_seconds: float = 1.0  # how long for a part that it comes without
