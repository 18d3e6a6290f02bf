"""MembersService over gRPC: request, use case, reply. Passwords are worked on off the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import empty_pb2

from chassis import errors, identity, pb
from chassis.app import App
from chassis.call import caller
from chassis.logservice import EventLog
from chassis.tx import Tx
from services.members import store, tokens
from services.members.config import Config
from services.members.model import Account, CredentialsWrong, Session, SessionEnded
from services.members.usecases import accounts, affiliations, applications, directory
from wasl.log.v1 import log_pb2_grpc
from wasl.members.v1 import affiliations_pb2 as a
from wasl.members.v1 import members_pb2 as m
from wasl.members.v1 import members_pb2_grpc


class Members(members_pb2_grpc.MembersServiceServicer):
    """One method for each RPC of the contract, in its order."""

    def __init__(self, app: App, config: Config) -> None:
        self._app, self._config = app, config
        self._threads = ThreadPoolExecutor(config.password_threads, "password")
        self._refresh_life = timedelta(seconds=config.refresh_token_seconds)

    # -- accounts and sessions -------------------------------------------------------------------------------------
    async def CreateAccount(self, request: m.CreateAccountRequest, context: Any) -> m.Account:
        password_hash = await self._off_loop(tokens.hash_password, request.account.password)
        return await self._app.write(accounts.create_account, m.Account, request, password_hash=password_hash)

    async def GetAccount(self, request: m.GetAccountRequest, context: Any) -> m.Account:
        return await self._app.read(accounts.get_account, m.Account, request, by=caller())

    async def GrantRole(self, request: m.GrantRoleRequest, context: Any) -> m.Account:
        return await self._app.write(accounts.grant_role, m.Account, request, by=caller())

    async def RevokeRole(self, request: m.RevokeRoleRequest, context: Any) -> m.Account:
        return await self._app.write(accounts.revoke_role, m.Account, request, by=caller())

    async def SignIn(self, request: m.SignInRequest, context: Any) -> m.Session:
        account = await accounts.find_credentials(Tx(self._app.db, None), email=request.email)
        known = account.password_hash if account else None
        if not await self._off_loop(tokens.verify_password, known, request.password) or account is None:
            raise CredentialsWrong
        token = tokens.new_token()
        session = await self._app.run(
            accounts.start_session,
            account=account,
            token=token,
            client=request.client,
            life=self._refresh_life,
        )
        return await self._reply(account, session, token)

    async def RefreshSession(self, request: m.RefreshSessionRequest, context: Any) -> m.Session:
        following = tokens.new_token()
        session, account = await self._app.run(
            accounts.refresh_session,
            refresh_token=request.refresh_token,
            following=following,
            life=self._refresh_life,
        )
        if session.revoked:
            raise SessionEnded
        return await self._reply(account, session, following)

    async def SignOut(self, request: m.SignOutRequest, context: Any) -> empty_pb2.Empty:
        await self._app.run(accounts.end_session, refresh_token=request.refresh_token)
        return empty_pb2.Empty()

    async def ListSessions(self, request: m.ListSessionsRequest, context: Any) -> m.ListSessionsResponse:
        return await self._app.read(accounts.list_sessions, m.ListSessionsResponse, request, by=caller())

    async def RevokeSession(self, request: m.RevokeSessionRequest, context: Any) -> empty_pb2.Empty:
        await self._app.run(accounts.revoke_session, session_id=request.session_id, by=caller())
        return empty_pb2.Empty()

    async def GetJsonWebKeySet(self, request: m.GetJsonWebKeySetRequest, context: Any) -> m.JsonWebKeySet:
        return m.JsonWebKeySet(keys=[m.JsonWebKeySet.Key(**key) for key in await _public_keys(self._app)])

    async def _off_loop(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _reply(self, account: Account, session: Session, token: str) -> m.Session:
        jwk = await store.get_signing_key(self._app.db, now=datetime.now(UTC))
        access_token, access_ends = tokens.access_token(jwk, account, self._config, session.session_id)
        return m.Session(
            access_token=access_token,
            access_expire_time=pb.timestamp(access_ends),
            refresh_token=token,
            refresh_expire_time=pb.timestamp(session.expire_time),
            account_id=account.account_id,
            roles=account.roles,
            session_id=session.session_id,
        )

    # -- applications ----------------------------------------------------------------------------------------------
    async def CreateApplication(self, request: m.CreateApplicationRequest, context: Any) -> m.Application:
        return await self._app.write(applications.create_application, m.Application, request, by=caller())

    async def GetApplication(self, request: m.GetApplicationRequest, context: Any) -> m.Application:
        return await self._app.read(applications.get_application, m.Application, request, by=caller())

    async def ListApplications(self, request: m.ListApplicationsRequest, context: Any) -> m.ListApplicationsResponse:
        return await self._app.read(applications.list_applications, m.ListApplicationsResponse, request, by=caller())

    async def UpdateApplication(self, request: m.UpdateApplicationRequest, context: Any) -> m.Application:
        return await self._app.write(applications.update_application, m.Application, request, by=caller())

    async def SubmitApplication(self, request: m.SubmitApplicationRequest, context: Any) -> m.Application:
        return await self._app.write(applications.submit_application, m.Application, request, by=caller())

    async def ReviewApplication(self, request: m.ReviewApplicationRequest, context: Any) -> m.Application:
        return await self._app.write(applications.review_application, m.Application, request, by=caller())

    async def ApproveApplication(self, request: m.ApproveApplicationRequest, context: Any) -> m.Application:
        return await self._app.write(applications.approve_application, m.Application, request, by=caller())

    async def RejectApplication(self, request: m.RejectApplicationRequest, context: Any) -> m.Application:
        return await self._app.write(applications.reject_application, m.Application, request, by=caller())

    async def WithdrawApplication(self, request: m.WithdrawApplicationRequest, context: Any) -> m.Application:
        return await self._app.write(applications.withdraw_application, m.Application, request, by=caller())

    # -- people and organizations ----------------------------------------------------------------------------------
    async def GetPerson(self, request: m.GetPersonRequest, context: Any) -> m.Person:
        return await self._app.read(directory.get_person, m.Person, request)

    async def ListPeople(self, request: m.ListPeopleRequest, context: Any) -> m.ListPeopleResponse:
        return await self._app.read(directory.list_people, m.ListPeopleResponse, request)

    async def UpdatePerson(self, request: m.UpdatePersonRequest, context: Any) -> m.Person:
        return await self._app.write(directory.update_person, m.Person, request, by=caller())

    async def GetOrganization(self, request: m.GetOrganizationRequest, context: Any) -> m.Organization:
        return await self._app.read(directory.get_organization, m.Organization, request)

    async def ListOrganizations(self, request: m.ListOrganizationsRequest, context: Any) -> m.ListOrganizationsResponse:
        return await self._app.read(directory.list_organizations, m.ListOrganizationsResponse, request)

    async def UpdateOrganization(self, request: m.UpdateOrganizationRequest, context: Any) -> m.Organization:
        return await self._app.write(directory.update_organization, m.Organization, request, by=caller())

    # -- affiliations ----------------------------------------------------------------------------------------------
    async def CreateAffiliation(self, request: a.CreateAffiliationRequest, context: Any) -> a.Affiliation:
        return await self._app.write(affiliations.create_affiliation, a.Affiliation, request, by=caller())

    async def GetAffiliation(self, request: a.GetAffiliationRequest, context: Any) -> a.Affiliation:
        return await self._app.read(affiliations.get_affiliation, a.Affiliation, request, by=caller())

    async def ListAffiliations(self, request: a.ListAffiliationsRequest, context: Any) -> a.ListAffiliationsResponse:
        return await self._app.read(affiliations.list_affiliations, a.ListAffiliationsResponse, request, by=caller())

    async def ConfirmAffiliation(self, request: a.ConfirmAffiliationRequest, context: Any) -> a.Affiliation:
        return await self._app.write(affiliations.confirm_affiliation, a.Affiliation, request)

    async def DeclineAffiliation(self, request: a.DeclineAffiliationRequest, context: Any) -> a.Affiliation:
        return await self._app.write(affiliations.decline_affiliation, a.Affiliation, request)

    async def EndAffiliation(self, request: a.EndAffiliationRequest, context: Any) -> a.Affiliation:
        return await self._app.write(affiliations.end_affiliation, a.Affiliation, request, by=caller())

    # -- figures ---------------------------------------------------------------------------------------------------
    async def GetStatistics(self, request: m.GetStatisticsRequest, context: Any) -> m.Statistics:
        return await self._app.read(directory.get_statistics, m.Statistics, request)

    async def GetGrowth(self, request: m.GetGrowthRequest, context: Any) -> m.Growth:
        return await self._app.read(directory.get_growth, m.Growth, request)


async def _public_keys(app: App) -> list[dict[str, str]]:
    """Raises Unavailable while there is none: nobody may remember an empty set."""
    if found := await store.find_signing_keys(app.db):
        return [tokens.public(jwk) for jwk in found]
    raise errors.Unavailable  # `migrate` has not run


def load_keys(app: App) -> identity.LoadKeys:
    """This service knows its own keys: it needs no gateway to verify a token."""

    async def load() -> dict[str, Any]:
        return {"keys": await _public_keys(app)}

    return load


def register(config: Config, app: App, server: Any) -> None:
    """Adds this process's services to a server."""
    members_pb2_grpc.add_MembersServiceServicer_to_server(Members(app, config), server)
    log_pb2_grpc.add_EventLogServiceServicer_to_server(EventLog(app), server)
