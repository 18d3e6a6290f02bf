"""`migrate`: collections, indexes, the first signing key and the first coordinator; run again, it changes nothing.
`rotate`: the next signing key."""

import asyncio
import contextlib
import json
import os
import secrets
from datetime import UTC, datetime

import structlog
from pymongo.errors import DuplicateKeyError

from chassis import mongo
from chassis.app import App
from chassis.tx import Tx
from services.members import store, tokens
from services.members.config import Config
from services.members.model import EmailTaken
from services.members.usecases import accounts

_log = structlog.get_logger(__name__)


def migrate(config: Config) -> None:
    asyncio.run(_migrate(config))


async def _migrate(config: Config) -> None:
    with contextlib.closing(mongo.client(config.mongo_uri)) as client:
        app = App(config, client)
        await store.migrate(app.db)
        with contextlib.suppress(DuplicateKeyError):  # the key of an earlier migration stays
            await store.add_signing_key(app.db, tokens.new_signing_key(), number=1, now=datetime.now(UTC))
        if await accounts.find_credentials(Tx(app.db, None), email=config.coordinator_email) is None:
            await _add_first_coordinator(app, config)


def rotate(config: Config) -> None:
    """Adds a signing key. It signs as soon as everybody has fetched it; what older ones have signed stays valid."""

    async def run() -> None:
        with contextlib.closing(mongo.client(config.mongo_uri)) as client:
            db = client[config.database]
            number = len(await store.find_signing_keys(db)) + 1
            await store.add_signing_key(db, tokens.new_signing_key(), number=number, now=datetime.now(UTC))
            _log.info("signing key added", number=number)

    asyncio.run(run())


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
        await app.run(accounts.create_coordinator, email=account["email"], password_hash=password_hash)
    stored = await accounts.find_credentials(Tx(app.db, None), email=account["email"])
    if stored is not None and stored.password_hash == password_hash:
        draft.replace(path)
        _log.info("first coordinator", file=str(path))
    else:
        draft.unlink()
