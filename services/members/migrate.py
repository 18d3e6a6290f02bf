"""`migrate`: collections, indexes, the first signing key and the first coordinator. Run again, it changes nothing."""

import asyncio
import json
import os
import pathlib
import secrets

import structlog

from chassis import mongo
from chassis.app import App
from chassis.tx import Tx
from services.members import store, tokens, usecases
from services.members.config import Config

_log = structlog.get_logger(__name__)


def migrate(config: Config) -> None:
    asyncio.run(_migrate(config))


async def _migrate(config: Config) -> None:
    app = App(config, mongo.client(config.mongo_uri))
    await store.migrate(app.db)
    await store.add_first_signing_key(app.db, tokens.new_signing_key())
    if await usecases.find_credentials(Tx(app.db, None), email=config.coordinator_email) is None:
        account = {
            "email": config.coordinator_email,
            "password": secrets.token_urlsafe(18),
        }
        written = _tell_only_the_operator(config.state_dir, account)  # first: nobody could sign in without it
        password_hash = tokens.hash_password(account["password"])
        await app.run(
            usecases.create_coordinator,
            email=account["email"],
            password_hash=password_hash,
        )
        _log.info("first coordinator", file=str(written))


def _tell_only_the_operator(folder: pathlib.Path, account: dict[str, str]) -> pathlib.Path:
    """Into a file that only its owner can read, from its first byte on; never into a log."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "coordinator.json"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(account, file)
    return path
