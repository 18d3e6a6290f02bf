"""One stack for all end-to-end tests, gone when they are over: `./dev up`, two workers for members and for matching."""

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pymongo
import pytest

from tests.chaos.stack import Stack, running
from tests.e2e.collector import Collector

ORGANIZATION = {"displayName": {"ar": "جمعية التعليم", "en": "Education Society"}, "typeCode": "441"}
PASSWORD = "a long e2e password"


class Client(httpx.Client):
    """Somebody at the gateway."""

    def ok(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON; it has to be 200."""
        reply = self.request(method, path, **options)
        assert reply.status_code == 200, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json()


class Network:
    """The running stack, and the people who use it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._mongo = pymongo.MongoClient[dict[str, Any]](stack.variable("WASL_MONGO_URI"))
        self.nobody = Client(base_url=stack.url, timeout=20)
        account = json.loads((stack.home / "state" / "coordinator.json").read_text())
        self.coordinator_account = {"email": account["email"], "password": account["password"]}
        self.coordinator = self.signed_in(**self.coordinator_account)
        self.applicant = self.new_account()

    def curator_account(self) -> dict[str, str]:
        """The sign-in of a new curator."""
        account = {"email": f"{uuid.uuid4().hex}@wasl.example", "password": PASSWORD}
        made = self.nobody.ok("POST", "/v1/accounts", json=account)
        self.coordinator.ok("POST", f"/v1/accounts/{made['accountId']}:grantRole", json={"role": "curator"})
        return account

    def signed_in(self, email: str, password: str) -> Client:
        session = self.nobody.ok("POST", "/v1/sessions:signIn", json={"email": email, "password": password})
        bearer = {"authorization": f"Bearer {session['accessToken']}"}
        return Client(base_url=self.stack.url, timeout=20, headers=bearer)

    def new_account(self) -> Client:
        email = f"{uuid.uuid4().hex}@wasl.example"
        self.nobody.ok("POST", "/v1/accounts", json={"email": email, "password": PASSWORD})
        return self.signed_in(email, PASSWORD)

    def submitted(self, **organization: Any) -> str:
        """Path of a new application that was handed in."""
        body = {"organization": {**ORGANIZATION, **organization}}
        draft = self.applicant.ok("POST", "/v1/applications", json=body)
        path = f"/v1/applications/{draft['applicationId']}"
        self.applicant.ok("POST", f"{path}:submit", json={})
        return path

    def approved(self, **organization: Any) -> str:
        """Id of a new member."""
        answer = self.coordinator.ok("POST", f"{self.submitted(**organization)}:approve", json={})
        return str(answer["memberId"])

    def participants(self) -> dict[str, str]:
        """English name by id, of all pages."""
        found: dict[str, str] = {}
        token = ""
        while True:
            page = self.coordinator.ok("GET", "/v1/participants", params={"pageSize": 200, "pageToken": token})
            found |= {one["participantId"]: one["displayName"].get("en", "") for one in page.get("participants", [])}
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def database(self, service: str) -> Any:
        return self._mongo[f"wasl_{service}"]

    def close(self) -> None:
        for one in (self.nobody, self.coordinator, self.applicant, self._mongo):
            one.close()


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="package")
def network(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    workers = ("--scale", "members-worker=2", "--scale", "matching-worker=2")
    home = tmp_path_factory.mktemp("stack")
    with running(home, *workers, WASL_OTLP_ENDPOINT=collector.url, WASL_LANGUAGE="en") as stack:
        people = Network(stack)
        yield people
        people.close()
