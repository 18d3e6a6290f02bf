"""Settings of the resources service: `WASL_RESOURCES_<NAME>`."""

from participants.config import ParticipantsConfig


class Config(ParticipantsConfig, frozen=True, kw_only=True):
    """Adds to participants.config.ParticipantsConfig."""

    largest_file_bytes: int = 2 << 30  # of one file
    upload_seconds: int = 7 * 86_400  # an upload that is not finished so long after it began is forgotten
