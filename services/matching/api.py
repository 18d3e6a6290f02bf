"""MatchingService over gRPC: request, use case, reply."""

from typing import Any

from chassis.app import App
from chassis.logservice import EventLog
from services.matching import usecases
from wasl.log.v1 import log_pb2_grpc
from wasl.matching.v1 import matching_pb2 as m
from wasl.matching.v1 import matching_pb2_grpc


class Matching(matching_pb2_grpc.MatchingServiceServicer):
    """One method for each RPC of the contract, in its order."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def GetParticipant(self, request: m.GetParticipantRequest, context: Any) -> m.Participant:
        return await self._app.read(usecases.get_participant, m.Participant, request)

    async def ListParticipants(self, request: m.ListParticipantsRequest, context: Any) -> m.ListParticipantsResponse:
        return await self._app.read(usecases.list_participants, m.ListParticipantsResponse, request)


def register(app: App, server: Any) -> None:
    """Adds this process's services to a server."""
    matching_pb2_grpc.add_MatchingServiceServicer_to_server(Matching(app), server)
    log_pb2_grpc.add_EventLogServiceServicer_to_server(EventLog(app), server)
