"""Settings of the members service: `WASL_MEMBERS_<NAME>`."""

import pathlib

from chassis.settings import Settings


class Config(Settings, frozen=True, kw_only=True):
    """Adds to chassis.settings.Settings."""

    access_token_seconds: int = 600  # life of an access token
    refresh_token_seconds: int = 30 * 86_400  # a session that is not refreshed for so long ends
    password_threads: int = 2  # argon2id takes 50 ms of a core each
    state_dir: pathlib.Path = pathlib.Path(".wasl/state")  # where `migrate` leaves what only an operator may read
    coordinator_email: str = "coordinator@wasl.example"  # of the first coordinator, made by `migrate`
