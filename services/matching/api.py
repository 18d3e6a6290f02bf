"""MatchingService over gRPC: request, use case, reply."""

from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis import pb
from chassis.app import App
from chassis.call import caller
from chassis.logservice import EventLog
from participants import usecases as participants
from services.matching import ranking
from services.matching.model import Side
from services.matching.usecases import figures, matches, postings
from wasl.log.v1 import log_pb2_grpc
from wasl.matching.v1 import matches_pb2 as t
from wasl.matching.v1 import matching_pb2 as m
from wasl.matching.v1 import matching_pb2_grpc
from wasl.matching.v1 import postings_pb2 as p
from wasl.matching.v1 import suggestions_pb2 as s

M = TypeVar("M", bound=Message)


class Matching(matching_pb2_grpc.MatchingServiceServicer):
    """One method for each RPC of the contract, in its order."""

    def __init__(self, app: App) -> None:
        self._app = app

    # -- participants ----------------------------------------------------------------------------------------------
    async def GetParticipant(self, request: m.GetParticipantRequest, context: Any) -> m.Participant:
        return await self._app.read(participants.get_participant, m.Participant, request)

    async def ListParticipants(self, request: m.ListParticipantsRequest, context: Any) -> m.ListParticipantsResponse:
        return await self._app.read(participants.list_participants, m.ListParticipantsResponse, request)

    # -- needs -----------------------------------------------------------------------------------------------------
    async def CreateNeed(self, request: p.CreateNeedRequest, context: Any) -> p.Need:
        return await self._write(postings.create_posting, p.Need, request, Side.NEED)

    async def GetNeed(self, request: p.GetNeedRequest, context: Any) -> p.Need:
        return await self._read(postings.get_posting, p.Need, request, Side.NEED)

    async def ListNeeds(self, request: p.ListNeedsRequest, context: Any) -> p.ListNeedsResponse:
        return await self._read(postings.list_postings, p.ListNeedsResponse, request, Side.NEED)

    async def UpdateNeed(self, request: p.UpdateNeedRequest, context: Any) -> p.Need:
        return await self._write(postings.update_posting, p.Need, request, Side.NEED)

    async def PublishNeed(self, request: p.PublishNeedRequest, context: Any) -> p.Need:
        return await self._write(postings.publish_posting, p.Need, request, Side.NEED)

    async def CloseNeed(self, request: p.CloseNeedRequest, context: Any) -> p.Need:
        return await self._write(postings.close_posting, p.Need, request, Side.NEED)

    # -- offers ----------------------------------------------------------------------------------------------------
    async def CreateOffer(self, request: p.CreateOfferRequest, context: Any) -> p.Offer:
        return await self._write(postings.create_posting, p.Offer, request, Side.OFFER)

    async def GetOffer(self, request: p.GetOfferRequest, context: Any) -> p.Offer:
        return await self._read(postings.get_posting, p.Offer, request, Side.OFFER)

    async def ListOffers(self, request: p.ListOffersRequest, context: Any) -> p.ListOffersResponse:
        return await self._read(postings.list_postings, p.ListOffersResponse, request, Side.OFFER)

    async def UpdateOffer(self, request: p.UpdateOfferRequest, context: Any) -> p.Offer:
        return await self._write(postings.update_posting, p.Offer, request, Side.OFFER)

    async def PublishOffer(self, request: p.PublishOfferRequest, context: Any) -> p.Offer:
        return await self._write(postings.publish_posting, p.Offer, request, Side.OFFER)

    async def CloseOffer(self, request: p.CloseOfferRequest, context: Any) -> p.Offer:
        return await self._write(postings.close_posting, p.Offer, request, Side.OFFER)

    # -- suggestions -----------------------------------------------------------------------------------------------
    async def GetSuggestedOffers(self, request: s.GetSuggestedOffersRequest, context: Any) -> s.SuggestionList:
        return await self._read(_suggestions, s.SuggestionList, request, Side.NEED)

    async def GetSuggestedNeeds(self, request: s.GetSuggestedNeedsRequest, context: Any) -> s.SuggestionList:
        return await self._read(_suggestions, s.SuggestionList, request, Side.OFFER)

    async def GetWeights(self, request: s.GetWeightsRequest, context: Any) -> s.Weights:
        weights = [
            s.Weights.Weight(code=s.Criterion.Code.Value(code), points=points)
            for code, points in ranking.POINTS.items()
        ]
        return s.Weights(version=ranking.VERSION, weights=weights)

    # -- matches ---------------------------------------------------------------------------------------------------
    async def CreateMatch(self, request: t.CreateMatchRequest, context: Any) -> t.Match:
        return await self._app.write(matches.create_match, t.Match, request, by=caller())

    async def GetMatch(self, request: t.GetMatchRequest, context: Any) -> t.Match:
        return await self._app.read(matches.get_match, t.Match, request, by=caller())

    async def ListMatches(self, request: t.ListMatchesRequest, context: Any) -> t.ListMatchesResponse:
        return await self._app.read(matches.list_matches, t.ListMatchesResponse, request, by=caller())

    async def AcceptMatch(self, request: t.AcceptMatchRequest, context: Any) -> t.Match:
        return await self._in_turn(matches.accept_match, request)

    async def DeclineMatch(self, request: t.DeclineMatchRequest, context: Any) -> t.Match:
        return await self._app.write(matches.decline_match, t.Match, request, by=caller())

    async def WithdrawMatch(self, request: t.WithdrawMatchRequest, context: Any) -> t.Match:
        return await self._in_turn(matches.withdraw_match, request)

    async def DispatchMatch(self, request: t.DispatchMatchRequest, context: Any) -> t.Match:
        return await self._app.write(matches.dispatch_match, t.Match, request, by=caller())

    async def DeliverMatch(self, request: t.DeliverMatchRequest, context: Any) -> t.Match:
        return await self._app.write(matches.deliver_match, t.Match, request, by=caller())

    async def ConfirmMatch(self, request: t.ConfirmMatchRequest, context: Any) -> t.Match:
        return await self._in_turn(matches.confirm_match, request)

    async def _in_turn(self, usecase: Any, request: Any) -> t.Match:
        """For what changes the quantities of both sides: many do so with one need, or one offer, at the same moment."""
        which = t.GetMatchRequest(match_id=request.match_id)
        match = await self._app.read(matches.get_match, t.Match, which, by=caller())
        async with self._app.turn(match.need_id, match.offer_id):
            return await self._app.write(usecase, t.Match, request, by=caller())

    # -- figures ---------------------------------------------------------------------------------------------------
    async def GetStatistics(self, request: m.GetStatisticsRequest, context: Any) -> m.Statistics:
        return await self._app.read(figures.get_statistics, m.Statistics, request)

    # -- both sides alike ------------------------------------------------------------------------------------------
    async def _read(self, usecase: Any, kind: type[M], request: Any, side: Side) -> M:
        return await self._app.read(_of(side, usecase), kind, request, by=caller())

    async def _write(self, usecase: Any, kind: type[M], request: Any, side: Side) -> M:
        return await self._app.write(_of(side, usecase), kind, request, by=caller())


def _of(side: Side, usecase: Any) -> Any:
    """The use case of one side: it knows no `need` and `need_id`, but what is `given` and `posting_id`."""
    names = {side.noun: "given", f"{side.noun}_id": "posting_id"}

    async def run(tx: Any, **fields: Any) -> Any:
        return await usecase(tx, side=side, **{names.get(name, name): value for name, value in fields.items()})

    return run


async def _suggestions(tx: Any, **asked: Any) -> s.SuggestionList:
    found, is_complete = await postings.suggest(tx, **asked)
    suggestions = [pb.to_pb(s.Suggestion, one) for one in found]
    return s.SuggestionList(suggestions=suggestions, weights_version=ranking.VERSION, is_complete=is_complete)


def register(app: App, server: Any) -> None:
    """Adds this process's services to a server."""
    matching_pb2_grpc.add_MatchingServiceServicer_to_server(Matching(app), server)
    log_pb2_grpc.add_EventLogServiceServicer_to_server(EventLog(app), server)
