"""Settings of the events service: `WASL_EVENTS_<NAME>`."""

from participants.config import ParticipantsConfig


class Config(ParticipantsConfig, frozen=True, kw_only=True):
    """Adds nothing yet."""
