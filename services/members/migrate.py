"""`migrate`: collections, indexes, the first signing key and the first coordinator. Run again, it changes nothing."""

import asyncio
import contextlib
import json
import os
import secrets

import structlog

from chassis import mongo
from chassis.app import App
from chassis.tx import Tx
from services.members import store, tokens, usecases
from services.members.config import Config
from services.members.model import EmailTaken

_log = structlog.get_logger(__name__)


def migrate(config: Config) -> None:
    asyncio.run(_migrate(config))


async def _migrate(config: Config) -> None:
    with contextlib.closing(mongo.client(config.mongo_uri)) as client:
        app = App(config, client)
        await store.migrate(app.db)
        await store.add_first_signing_key(app.db, tokens.new_signing_key())
        if await usecases.find_credentials(Tx(app.db, None), email=config.coordinator_email) is None:
            await _add_first_coordinator(app, config)


async def _add_first_coordinator(app: App, config: Config) -> None:
    """The file is written before the account, or a crash would leave one that nobody can sign in to; and it gets its
    name after the account, or the password of a migration that came second would replace that of the first."""
    account = {"email": config.coordinator_email, "password": secrets.token_urlsafe(18)}
    password_hash = tokens.hash_password(account["password"])
    path = config.state_dir / "coordinator.json"
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    config.state_dir.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(account, file)
    with contextlib.suppress(EmailTaken):
        await app.run(usecases.create_coordinator, email=account["email"], password_hash=password_hash)
    stored = await usecases.find_credentials(Tx(app.db, None), email=account["email"])
    if stored is not None and stored.password_hash == password_hash:
        draft.replace(path)
        _log.info("first coordinator", file=str(path))
    else:
        draft.unlink()
