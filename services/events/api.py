"""EventsService over gRPC: request, use case, reply."""

import secrets
from typing import Any

from google.api import httpbody_pb2
from google.protobuf import empty_pb2

from chassis import pb
from chassis.app import App
from chassis.call import caller
from chassis.logservice import EventLog
from services.events.usecases import calendars, convenings, seats
from wasl.events.v1 import calendars_pb2 as c
from wasl.events.v1 import convenings_pb2 as m
from wasl.events.v1 import convenings_pb2_grpc
from wasl.events.v1 import registrations_pb2 as r
from wasl.log.v1 import log_pb2_grpc


class Events(convenings_pb2_grpc.EventsServiceServicer):
    """One method for each RPC of the contract, in its order."""

    def __init__(self, app: App) -> None:
        self._app = app

    # -- convenings ------------------------------------------------------------------------------------------------
    async def CreateConvening(self, request: m.CreateConveningRequest, context: Any) -> m.Convening:
        return await self._app.write(convenings.create_convening, m.Convening, request, by=caller())

    async def GetConvening(self, request: m.GetConveningRequest, context: Any) -> m.Convening:
        return await self._app.read(convenings.get_convening, m.Convening, request, by=caller())

    async def ListConvenings(self, request: m.ListConveningsRequest, context: Any) -> m.ListConveningsResponse:
        return await self._app.read(convenings.list_convenings, m.ListConveningsResponse, request, by=caller())

    async def UpdateConvening(self, request: m.UpdateConveningRequest, context: Any) -> m.Convening:
        return await self._app.write(convenings.update_convening, m.Convening, request, by=caller())

    async def PublishConvening(self, request: m.PublishConveningRequest, context: Any) -> m.Convening:
        return await self._app.write(convenings.publish_convening, m.Convening, request, by=caller())

    async def CancelConvening(self, request: m.CancelConveningRequest, context: Any) -> m.Convening:
        return await self._app.write(convenings.cancel_convening, m.Convening, request, by=caller())

    # -- registrations ---------------------------------------------------------------------------------------------
    async def CreateRegistration(self, request: r.CreateRegistrationRequest, context: Any) -> r.Registration:
        async with self._app.turn(request.registration.convening_id):  # all of them write its seats
            return await self._app.write(seats.create_registration, r.Registration, request, by=caller())

    async def GetRegistration(self, request: r.GetRegistrationRequest, context: Any) -> r.Registration:
        return await self._app.read(seats.get_registration, r.Registration, request, by=caller())

    async def ListRegistrations(self, request: r.ListRegistrationsRequest, context: Any) -> r.ListRegistrationsResponse:
        return await self._app.read(seats.list_registrations, r.ListRegistrationsResponse, request, by=caller())

    async def ApproveRegistration(self, request: r.ApproveRegistrationRequest, context: Any) -> r.Registration:
        return await self._app.write(seats.approve_registration, r.Registration, request, by=caller())

    async def DeclineRegistration(self, request: r.DeclineRegistrationRequest, context: Any) -> r.Registration:
        return await self._app.write(seats.decline_registration, r.Registration, request, by=caller())

    async def AcceptRegistration(self, request: r.AcceptRegistrationRequest, context: Any) -> r.Registration:
        return await self._app.write(seats.accept_registration, r.Registration, request, by=caller())

    async def WithdrawRegistration(self, request: r.WithdrawRegistrationRequest, context: Any) -> r.Registration:
        return await self._app.write(seats.withdraw_registration, r.Registration, request, by=caller())

    # -- calendars -------------------------------------------------------------------------------------------------
    async def GetConveningCalendar(self, request: c.GetConveningCalendarRequest, context: Any) -> httpbody_pb2.HttpBody:
        return await self._app.read(calendars.get_convening_calendar, httpbody_pb2.HttpBody, request, by=caller())

    async def IssueCalendarFeed(self, request: c.IssueCalendarFeedRequest, context: Any) -> c.CalendarFeed:
        token = secrets.token_urlsafe(32)  # not by `write`, which keeps what it answers
        feed = await self._app.run(calendars.issue_feed, label=request.label, token=token, by=caller())
        issued = pb.to_pb(c.CalendarFeed, feed)
        issued.token = token
        return issued

    async def ListCalendarFeeds(self, request: c.ListCalendarFeedsRequest, context: Any) -> c.ListCalendarFeedsResponse:
        return await self._app.read(calendars.list_feeds, c.ListCalendarFeedsResponse, request, by=caller())

    async def RevokeCalendarFeed(self, request: c.RevokeCalendarFeedRequest, context: Any) -> empty_pb2.Empty:
        await self._app.run(calendars.revoke_feed, calendar_feed_id=request.calendar_feed_id, by=caller())
        return empty_pb2.Empty()

    async def GetCalendar(self, request: c.GetCalendarRequest, context: Any) -> httpbody_pb2.HttpBody:
        return await self._app.read(calendars.get_calendar, httpbody_pb2.HttpBody, request, by=caller())


def register(app: App, server: Any) -> None:
    """Adds this process's services to a server."""
    convenings_pb2_grpc.add_EventsServiceServicer_to_server(Events(app), server)
    log_pb2_grpc.add_EventLogServiceServicer_to_server(EventLog(app), server)
