"""Settings of the matching service: `WASL_MATCHING_<NAME>`."""

from participants.config import ParticipantsConfig


class Config(ParticipantsConfig, frozen=True, kw_only=True):
    """Adds nothing yet."""
