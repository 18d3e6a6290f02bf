"""`migrate`: as often as one likes, by as many as like at once. The coordinator's password is for one pair of eyes."""

import asyncio
import json
import pathlib
import stat
import subprocess
import sys
from typing import Any

from chassis import mongo
from chassis.app import App
from services.matching import store as matching_store
from services.members import migrate, store, tokens
from services.members.config import Config
from services.resources import store as resources_store
from tests.support import environment, log_lines


def settings(mongo_uri: str, database: str, folder: pathlib.Path) -> Config:
    return Config(service="members", mongo_uri=mongo_uri, database=database, state_dir=folder / "state")


async def test_a_second_migration_changes_nothing(mongo_uri: str, database: str, tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "services.members", "migrate"]
    files: list[str] = []
    databases: list[dict[str, Any]] = []
    output = ""
    client = mongo.client(mongo_uri)
    for _ in range(2):
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment(mongo_uri, database, tmp_path), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        output += done.stdout + done.stderr
        path = tmp_path / "state" / "coordinator.json"
        files.append(path.read_text())
        names = sorted(await client[database].list_collection_names())
        databases.append(
            {name: await client[database][name].find().to_list(None) for name in names}
            | {f"{name} indexes": await client[database][name].index_information() for name in names}
        )
    client.close()
    assert files[0] == files[1]
    assert databases[0] == databases[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    account = json.loads(files[0])
    (stored,) = databases[0]["accounts"]
    assert (stored["email"], stored["roles"]) == (account["email"], ["coordinator"])
    assert tokens.verify_password(stored["password_hash"], account["password"])
    assert account["password"] not in output
    assert account["password"] not in str(databases)
    assert [line["event"] for line in log_lines(output)] == ["first coordinator"]


async def test_migrations_that_meet_leave_one_coordinator_whose_password_is_in_the_file(
    mongo_uri: str, database: str, tmp_path: pathlib.Path
) -> None:
    config = settings(mongo_uri, database, tmp_path)
    await asyncio.gather(*(migrate._migrate(config) for _ in range(5)))
    client = mongo.client(mongo_uri)
    (stored,) = await client[database].accounts.find().to_list(None)
    assert await client[database].signing_keys.count_documents({}) == 1
    client.close()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["coordinator.json"]
    account = json.loads((tmp_path / "state" / "coordinator.json").read_text())
    assert tokens.verify_password(stored["password_hash"], account["password"])


async def test_a_password_that_was_changed_since_is_left_alone(
    mongo_uri: str, database: str, tmp_path: pathlib.Path
) -> None:
    config = settings(mongo_uri, database, tmp_path)
    await migrate._migrate(config)
    client = mongo.client(mongo_uri)
    await client[database].accounts.update_one({}, {"$set": {"password_hash": "changed"}})
    (tmp_path / "state" / "coordinator.json").unlink()
    await migrate._migrate(config)
    (stored,) = await client[database].accounts.find().to_list(None)
    client.close()
    assert stored["password_hash"] == "changed"
    assert list((tmp_path / "state").iterdir()) == []


async def test_every_collection_that_a_transaction_writes_is_there_before(
    mongo_uri: str, database: str, tmp_path: pathlib.Path
) -> None:
    """One that is made inside of a transaction makes the first callers of a new network wait, or conflict."""
    client = mongo.client(mongo_uri)
    app = App(settings(mongo_uri, database, tmp_path), client)
    for _ in range(2):
        await store.migrate(app.db)
        await matching_store.migrate(app.db)
        await resources_store.migrate(app.db)
    names = set(await app.db.list_collection_names())
    client.close()
    assert {"accounts", "sessions", "applications", "people", "organizations", "outbox", "log", "requests"} <= names
    assert {"inbox", "views", "participants.1", "records", "entries"} <= names
