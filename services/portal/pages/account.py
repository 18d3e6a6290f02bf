"""Signing in and out, and where; opening an account, applying to join."""

from collections.abc import Iterable
from typing import Any

import msgspec
from google.protobuf.field_mask_pb2 import FieldMask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from services.portal import agents, sessions
from services.portal.forms import Form
from services.portal.refusals import Refused
from services.portal.visit import Visit
from wasl.members.v1 import members_pb2 as m


# -- signing in ----------------------------------------------------------------------------------------------------
async def sign_in(visit: Visit) -> Response:
    """Leads to `next`, or to the desk; a form that was sent without a session is shown again with what it held."""
    form = visit.form()
    if form.sent:
        try:
            request = form.message(m.SignInRequest, client=agents.client(visit.request))
            answer = await visit.call(visit.members.SignIn, request)
        except Refused as refused:
            form.refuse(refused)
        else:
            visit.become(sessions.session_of(answer))
            following, kept = _inside(form.value("next")), form.value("kept")
            return await _again(visit, following, _typed(kept)) if kept else visit.to(following)
    return visit.page("account/sign_in.html", form=form, following=form.value("next") or visit.query("next"), kept="")


async def ask_to_sign_in(visit: Visit) -> Response:
    """In place of a page for who is signed in. What a form held is kept on the page, never on the server."""
    visit.become(None)
    query = f"?{visit.request.url.query}" if visit.request.url.query else ""
    if not visit.sent:
        return visit.to("/sign-in", "notice.sign_in", next=visit.path + query)
    kept = msgspec.json.encode(visit.typed).decode()  # letters as they are: the browser encodes them once more
    page = visit.path + query if _endpoint(visit, visit.path, "GET") else _before(visit.path)
    visit.typed = {}
    return visit.page("account/sign_in.html", 401, form=visit.form(), following=page, kept=kept)


def _before(path: str) -> str:
    """The page whose button did not do its work: `/matches/1` of `/matches/1/accept`."""
    return path.rpartition("/")[0]


def _typed(kept: str) -> dict[str, list[str]]:
    """What `ask_to_sign_in` kept; nothing when it is anything else."""
    try:
        return msgspec.json.decode(kept, type=dict[str, list[str]])
    except ValueError:
        return {}


def _inside(following: str) -> str:
    """A path of the portal; anything else is the desk."""
    return following if following.startswith("/") and not following.startswith(("//", "/\\")) else "/desk"


async def _again(visit: Visit, path: str, kept: dict[str, list[str]]) -> Response:
    """The page at `path` as if it was just opened, with what its form held."""
    page = _endpoint(visit, path, "GET")
    if page is None:
        return visit.to("/desk")
    endpoint, arguments = page
    visit.path, _, query = path.partition("?")
    visit.request = Request({**visit.request.scope, "path_params": arguments, "query_string": query.encode()})
    visit.sent = False
    visit.typed = {name: values for name, values in kept.items() if name != "csrf"}
    response: Response = await endpoint(visit)
    return response


def _endpoint(visit: Visit, path: str, method: str) -> tuple[Any, dict[str, Any]] | None:
    """The page's function and its arguments."""
    scope = {**visit.request.scope, "path": visit.url(path.partition("?")[0]), "method": method, "path_params": {}}
    routes: Iterable[Any] = visit.request.app.routes
    for route in routes:
        match, found = route.matches(scope)
        if match is Match.FULL and isinstance(route, Route) and hasattr(route.endpoint, "page"):
            return route.endpoint.page, found["path_params"]
    return None


async def sign_out(visit: Visit) -> Response:
    """Ends the session."""
    if visit.session:
        await visit.call(visit.members.SignOut, m.SignOutRequest(refresh_token=visit.session.refresh_token))
    visit.become(None)
    return visit.to("", "notice.signed_out")


async def sign_up(visit: Visit) -> Response:
    """Opens an account, signs in, and goes on to the application."""
    form = visit.form()
    if form.sent:
        request = form.message(m.CreateAccountRequest)
        try:
            await visit.call(visit.members.CreateAccount, request)
            known = {"email": request.account.email, "password": request.account.password}
            first = m.SignInRequest(**known, client=agents.client(visit.request))
            answer = await visit.call(visit.members.SignIn, first)
        except Refused as refused:
            form.refuse(refused)
        else:
            visit.become(sessions.session_of(answer))
            return visit.to("/apply")
    return visit.page("account/sign_up.html", form=form)


async def my_sessions(visit: Visit) -> Response:
    """The account, and where it is signed in."""
    request = m.GetAccountRequest(account_id=visit.signed_in().account_id)
    account = await visit.call(visit.members.GetAccount, request)
    asked = m.ListSessionsRequest(page_token=visit.query("page_token"), page_size=20)
    found = await visit.call(visit.members.ListSessions, asked)
    return visit.page("account/sessions.html", account=account, found=found)


async def revoke_session(visit: Visit) -> Response:
    """Ends a session elsewhere."""
    request = m.RevokeSessionRequest(session_id=visit.argument("session_id"))
    await visit.call(visit.members.RevokeSession, request)
    return visit.to("/sessions", "notice.session.ended")


# -- applying ------------------------------------------------------------------------------------------------------
async def apply(visit: Visit) -> Response:
    """Begins an application, for oneself or for an organization: saved as a draft, or handed in at once."""
    visit.signed_in()
    form, kind = visit.form(), "organization" if visit.query("for") == "organization" else "person"
    if form.sent:
        try:
            made = await visit.call(visit.members.CreateApplication, form.message(m.CreateApplicationRequest))
        except Refused as refused:
            form.refuse(refused)
        else:
            return await _saved(visit, form, made)
    return _form_page(visit, form, kind)


async def change_application(visit: Visit) -> Response:
    """Changes a draft, and hands it in when asked to."""
    visit.signed_in()
    application = await _application(visit)
    kind = application.WhichOneof("applicant") or "person"
    form = visit.form()
    form.fill("application", application)
    if form.sent:
        mask = FieldMask(paths=[kind, "statement"])
        try:
            request = form.message(m.UpdateApplicationRequest, update_mask=mask)
            request.application.application_id = application.application_id
            changed = await visit.call(visit.members.UpdateApplication, request)
        except Refused as refused:
            form.refuse(refused)
        else:
            return await _saved(visit, form, changed)
    return _form_page(visit, form, kind, application)


async def _saved(visit: Visit, form: Form, application: m.Application) -> Response:
    """Hands it in when asked to. What is refused then is mended in the draft that there is now."""
    path = f"/applications/{application.application_id}"
    if not form.value("submit"):
        return visit.to(path, "notice.saved")
    try:
        known = {"application_id": application.application_id, "etag": application.etag}
        request = m.SubmitApplicationRequest(**known, request_id=form.value("request_id"))
        await visit.call(visit.members.SubmitApplication, request)
    except Refused as refused:
        form.refuse(refused, saved=True)
        visit.path = f"{path}/change"
        visit.typed.pop("request_id", None)  # the next change is another one
        return _form_page(visit, form, application.WhichOneof("applicant") or "person", application)
    return visit.to(path, "notice.submitted")


def _form_page(visit: Visit, form: Form, kind: str, application: m.Application | None = None) -> Response:
    occupations = visit.language.words(m.PersonProfile.Occupation)
    return visit.page("account/apply.html", form=form, kind=kind, application=application, occupations=occupations)


async def application(visit: Visit) -> Response:
    """One application, with where it stands."""
    visit.signed_in()
    return visit.page("account/application.html", application=await _application(visit))


async def withdraw_application(visit: Visit) -> Response:
    """Takes one's own application back before it is decided."""
    known = {"application_id": visit.argument("application_id")}
    request = visit.form().message(m.WithdrawApplicationRequest, **known)
    await visit.call(visit.members.WithdrawApplication, request)
    return visit.to(f"/applications/{request.application_id}", "notice.withdrawn")


async def _application(visit: Visit) -> m.Application:
    request = m.GetApplicationRequest(application_id=visit.argument("application_id"))
    return await visit.call(visit.members.GetApplication, request)


PAGES = [
    ("/sign-in", sign_in, "GET POST"),
    ("/sign-out", sign_out, "POST"),
    ("/sign-up", sign_up, "GET POST"),
    ("/sessions", my_sessions, "GET"),
    ("/sessions/{session_id}/revoke", revoke_session, "POST"),
    ("/apply", apply, "GET POST"),
    ("/applications/{application_id}", application, "GET"),
    ("/applications/{application_id}/change", change_application, "GET POST"),
    ("/applications/{application_id}/withdraw", withdraw_application, "POST"),
]
