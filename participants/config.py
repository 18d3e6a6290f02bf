"""Settings of a service that keeps the participants."""

from chassis.settings import Settings


class ParticipantsConfig(Settings, frozen=True, kw_only=True):
    """Adds to chassis.settings.Settings."""

    members_address: str = "127.0.0.1:8100"  # host:port of members' gRPC, whose event log `rebuild` reads
