"""Fixtures for tests against real servers: `pytest_plugins = ["chassis.testing"]`.

MongoDB and RabbitMQ are started once for a pytest session (chassis/servers.py); each test gets a database and a virtual
host of its own. With WASL_MONGO_URI or WASL_AMQP_URI in the environment those servers are used instead, and
WASL_RABBITMQ_API is the address of that broker's management API, credentials included.
"""

import contextlib
import os
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pymongo
import pytest

from chassis import mongo
from chassis.servers import Mongo, Rabbit, wait_until

# For the environment of workers: new quorum queues are trusted at once. Not where a test kills the broker.
QUICK = {"WASL_QUEUE_SETTLE_SECONDS": "0.1"}


def new_virtual_host(uri: str, api: str) -> str:
    """The URI of a new virtual host of the broker at `uri`.

    On a broker of our own nobody deletes it: deleted while its queues recover from a kill, it would take the
    dead-lettering of all other queues along for good (RabbitMQ 3.10: rabbit_fifo_dlx_sup gives up).
    """
    name, parts = f"test-{uuid.uuid4().hex[:12]}", urllib.parse.urlsplit(uri)
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    wait_until(lambda: httpx.put(f"{api}/vhosts/{name}", json={}).is_success, 60, "virtual host")
    httpx.put(f"{api}/permissions/{name}/{parts.username}", json=everything).raise_for_status()
    return parts._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A replica set."""
    if given := os.environ.get("WASL_MONGO_URI"):
        yield given
        return
    server = Mongo(tmp_path_factory.mktemp("mongo"))
    server.start()
    try:
        server.await_ready()
        yield server.uri
    finally:
        server.stop(grace=0)  # its data goes with it


@pytest.fixture
def database(mongo_uri: str) -> Iterator[str]:
    """The name of a database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
        client.drop_database(name)


@pytest.fixture
async def db(mongo_uri: str, database: str) -> AsyncIterator[Any]:
    """The same as motor's database, on the test's loop."""
    client = mongo.client(mongo_uri)
    yield client[database]
    client.close()


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """A broker that a test may kill and pause, if it leaves it running."""
    server = Rabbit(tmp_path_factory.mktemp("rabbit"))
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        server.stop(grace=0)  # its data goes with it


@pytest.fixture
def amqp_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """A virtual host of the test's own."""
    if not (uri := os.environ.get("WASL_AMQP_URI")):
        server: Rabbit = request.getfixturevalue("rabbit")
        yield new_virtual_host(server.uri, server.api)
        return
    api = os.environ.get("WASL_RABBITMQ_API", "http://guest:guest@127.0.0.1:15672/api")
    own = new_virtual_host(uri, api)
    yield own
    with contextlib.suppress(httpx.HTTPError):
        httpx.delete(f"{api}/vhosts/{own.rpartition('/')[2]}", timeout=20)
