"""Stands for the services where a test needs an answer that they cannot be made to give: late, sick, an instance's own.

    python -m tests.integration.gateway_double PORT INSTANCE KEYS_FILE

The text that a request carries (organization_id, statement.en) says what happens: `sleep.SECONDS`, `once.KEY` (the
first call with it is UNAVAILABLE), `sick.INSTANCE` (UNAVAILABLE there). The reply tells the instance and the metadata.
SIGTERM: NOT_SERVING for DRAIN_SECONDS, then the end, as chassis/server.py does it.
"""

import asyncio
import collections
import json
import os
import pathlib
import signal
import sys
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from wasl.log.v1 import log_pb2, log_pb2_grpc
from wasl.matching.v1 import matching_pb2, matching_pb2_grpc
from wasl.members.v1 import members_pb2, members_pb2_grpc
from wasl.type.v1 import localized_text_pb2

State = health_pb2.HealthCheckResponse
DRAIN_SECONDS = 1.0


class Double(  # type: ignore[misc]  # two services have a GetStatistics; it has none
    members_pb2_grpc.MembersServiceServicer,
    matching_pb2_grpc.MatchingServiceServicer,
    log_pb2_grpc.EventLogServiceServicer,
):
    def __init__(self, instance: str, keys: pathlib.Path) -> None:
        self.instance, self.keys = instance, keys
        self.calls: collections.Counter[str] = collections.Counter()

    async def told(self, order: str, context: Any) -> str:
        what, _, value = order.partition(".")
        self.calls[order] += 1
        if what == "sleep":
            await asyncio.sleep(float(value))
        if (what == "once" and self.calls[order] == 1) or (what == "sick" and value == self.instance):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "as told")
        remaining = context.time_remaining()
        seen = {"instance": self.instance, "deadline": remaining, "calls": self.calls[order]}
        return json.dumps(seen | dict(context.invocation_metadata()), default=repr)

    async def GetOrganization(self, request: Any, context: Any) -> Any:
        told = await self.told(request.organization_id, context)
        profile = members_pb2.OrganizationProfile(homepage_uri=told)
        return members_pb2.Organization(organization_id=request.organization_id, profile=profile)

    async def ListOrganizations(self, request: Any, context: Any) -> Any:
        name = localized_text_pb2.LocalizedText(ar="جامعة حلب", en="University of Aleppo")
        one = members_pb2.Organization(profile=members_pb2.OrganizationProfile(display_name=name))
        return members_pb2.ListOrganizationsResponse(organizations=[one] * request.page_size)

    async def CreateApplication(self, request: Any, context: Any) -> Any:
        await self.told(request.application.statement.en, context)
        return request.application

    async def UpdatePerson(self, request: Any, context: Any) -> Any:
        return request.person

    async def SignIn(self, request: Any, context: Any) -> Any:
        return members_pb2.Session(account_id=await self.told("", context))

    async def GetJsonWebKeySet(self, request: Any, context: Any) -> Any:
        keys = json.loads(self.keys.read_text())["keys"]
        return members_pb2.JsonWebKeySet(keys=[members_pb2.JsonWebKeySet.Key(**key) for key in keys])

    async def GetParticipant(self, request: Any, context: Any) -> Any:
        return matching_pb2.Participant(participant_id=request.participant_id)

    async def ReadEvents(self, request: Any, context: Any) -> Any:
        yield log_pb2.ReadEventsResponse(complete=True)


async def main(port: str, instance: str, keys: str) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    double = Double(instance, pathlib.Path(keys))  # type: ignore[abstract] # what no test calls is missing
    members_pb2_grpc.add_MembersServiceServicer_to_server(double, server)
    matching_pb2_grpc.add_MatchingServiceServicer_to_server(double, server)
    log_pb2_grpc.add_EventLogServiceServicer_to_server(double, server)
    checker = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    await checker.set("", State.SERVING)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await checker.set("", State.NOT_SERVING)
    await asyncio.sleep(DRAIN_SECONDS)
    await server.stop(2)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
