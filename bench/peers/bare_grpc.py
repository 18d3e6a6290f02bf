"""Bare grpc.aio with motor on uvloop: the same RPC, answering the same message from the same document; no chassis.

    python -m bench.peers.bare_grpc PORT

No identity, no access rules, no validation, no deadline, no log, no metrics, no limits.
"""

import os
import sys
from datetime import datetime
from typing import Any

import grpc
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from motor.motor_asyncio import AsyncIOMotorClient

from bench.peers import documents
from wasl.members.v1 import members_pb2 as m
from wasl.type.v1.localized_text_pb2 import LocalizedText


class Members:
    def __init__(self, db: Any) -> None:
        self._db = db

    async def GetOrganization(self, request: m.GetOrganizationRequest, context: Any) -> m.Organization:
        found = await self._db.organizations.find_one({"_id": request.organization_id})
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such organization")
        profile = found["profile"]
        return m.Organization(
            organization_id=found["_id"],
            profile=m.OrganizationProfile(
                display_name=LocalizedText(**profile["display_name"]),
                type_code=profile["type_code"],
                place_code=profile["place_code"],
                homepage_uri=profile["homepage_uri"],
            ),
            join_time=_timestamp(found["join_time"]),
            update_time=_timestamp(found["update_time"]),
            etag=str(found["version"]),
        )


def _timestamp(value: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp


async def serve(port: str) -> None:
    client: Any = AsyncIOMotorClient(os.environ["WASL_MONGO_URI"], **documents.CLIENT)
    server = grpc.aio.server()
    members = Members(client[os.environ["BENCH_DATABASE"]])
    get = grpc.unary_unary_rpc_method_handler(
        members.GetOrganization, m.GetOrganizationRequest.FromString, m.Organization.SerializeToString
    )
    # Not by generated code: for every call, grpc.aio waits on a task for each method that it registers.
    handlers = grpc.method_handlers_generic_handler("wasl.members.v1.MembersService", {"GetOrganization": get})
    server.add_generic_rpc_handlers((handlers,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
