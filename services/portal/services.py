"""The services that the portal shows, and members' renewal of sessions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import httpx

from chassis import client, log
from services.portal.config import Config
from services.portal.refusals import refusal
from services.portal.sessions import Renewals, Session, session_of
from wasl.events.v1 import convenings_pb2_grpc
from wasl.matching.v1 import matching_pb2_grpc
from wasl.members.v1 import members_pb2 as m
from wasl.members.v1 import members_pb2_grpc
from wasl.resources.v1 import resources_pb2_grpc


class Services:
    """A stub for each; `files` speaks to resources' http process."""

    members: "members_pb2_grpc.MembersServiceAsyncStub"
    matching: "matching_pb2_grpc.MatchingServiceAsyncStub"
    events: "convenings_pb2_grpc.EventsServiceAsyncStub"
    resources: "resources_pb2_grpc.ResourcesServiceAsyncStub"
    files: httpx.AsyncClient

    def __init__(self, config: Config) -> None:
        self.config = config
        self.renewals = Renewals(self._renew)
        self._making: dict[str, asyncio.Future[str]] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            channels = [
                await stack.enter_async_context(client.channel(address, retries=False))
                for address in (
                    self.config.members_address,
                    self.config.matching_address,
                    self.config.events_address,
                    self.config.resources_address,
                )
            ]
            self.members = members_pb2_grpc.MembersServiceStub(channels[0])
            self.matching = matching_pb2_grpc.MatchingServiceStub(channels[1])
            self.events = convenings_pb2_grpc.EventsServiceStub(channels[2])
            self.resources = resources_pb2_grpc.ResourcesServiceStub(channels[3])
            self.files = await stack.enter_async_context(
                httpx.AsyncClient(base_url=self.config.files_url, timeout=60.0, trust_env=False)
            )
            yield

    async def together(self, key: str, make: Callable[[], Awaitable[str]]) -> str:
        """What `make` gives; made once for all who ask for `key` before it is there."""
        if key not in self._making:
            self._making[key] = asyncio.ensure_future(make())
            self._making[key].add_done_callback(lambda _: self._making.pop(key))
        return await asyncio.shield(self._making[key])

    async def _renew(self, refresh_token: str) -> Session | None:
        """None when the session has ended. Raises Refused."""
        try:
            answer = await self.members.RefreshSession(
                m.RefreshSessionRequest(refresh_token=refresh_token),
                metadata=(("x-request-id", log.correlation_id()),),
                timeout=self.config.call_seconds,
            )
        except grpc.aio.AioRpcError as error:
            refused = refusal(error)
            if refused.passing or refused.status >= 500:
                raise refused from error
            return None
        return session_of(answer)
