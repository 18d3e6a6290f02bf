"""Classic Nameko: an HTTP entrypoint that calls a service over AMQP RPC, which uses PyMongo.

    nameko run --config FILE bench.peers.classic_nameko:Gateway
    nameko run --config FILE bench.peers.classic_nameko:Members

`nameko run` monkey-patches; eventlet makes PyMongo's sockets green. No contract, no identity.
"""

import json
import os
from typing import Any

import pymongo
from nameko.extensions import DependencyProvider
from nameko.rpc import RpcProxy, rpc
from nameko.web.handlers import http

from bench.peers import documents


class Database(DependencyProvider):  # type: ignore[misc]
    def setup(self) -> None:
        client = pymongo.MongoClient[dict[str, Any]](os.environ["WASL_MONGO_URI"], **documents.CLIENT)
        self._db = client[os.environ["BENCH_DATABASE"]]

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self._db


class Members:
    name = "members"
    db = Database()

    @rpc  # type: ignore[untyped-decorator]
    def get_organization(self, organization_id: str) -> dict[str, Any]:
        return documents.organization(self.db.organizations.find_one({"_id": organization_id}))

    @rpc  # type: ignore[untyped-decorator]
    def create_application(self, body: dict[str, Any]) -> dict[str, Any]:
        document = documents.new_application(body)
        self.db.applications.insert_one(document)
        return documents.application(document)


class Gateway:
    name = "gateway"
    members = RpcProxy("members")

    @http("GET", "/v1/organizations/<string:organization_id>")  # type: ignore[untyped-decorator]
    def get_organization(self, request: Any, organization_id: str) -> Any:
        return _json(self.members.get_organization(organization_id))

    @http("POST", "/v1/applications")  # type: ignore[untyped-decorator]
    def create_application(self, request: Any) -> Any:
        return _json(self.members.create_application(json.loads(request.get_data())))


def _json(value: Any) -> Any:
    return 200, {"Content-Type": "application/json"}, json.dumps(value, ensure_ascii=False)
