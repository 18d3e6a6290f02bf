"""Needs and offers, what fits them, and matches from the proposal to the confirmed delivery.

Needs and offers are two sides of one thing: their pages share functions, which `_Side` tells apart.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import Response

from services.portal.acting import Acting, acting
from services.portal.forms import Form
from services.portal.names import participants_named
from services.portal.refusals import Refused
from services.portal.visit import Visit
from wasl.matching.v1 import matches_pb2 as matches_pb
from wasl.matching.v1 import postings_pb2 as p
from wasl.matching.v1 import suggestions_pb2 as s

EDITED = ("title", "description", "lines", "expire_time", "audience")
LINES = 3  # that a form shows, at least


class _Side(msgspec.Struct, frozen=True):
    """`noun` is that of the contract; `path` of the addresses."""

    noun: str
    other: str

    @property
    def path(self) -> str:
        return f"/{self.noun}s"

    def rpc(self, visit: Visit, verb: str, ending: str = "") -> Any:
        return getattr(visit.matching, f"{verb}{self.noun.title()}{ending}")

    def message(self, verb: str, ending: str = "", **fields: Any) -> Any:
        """The request of that method."""
        return self.kind(verb, ending)(**fields)

    def kind(self, verb: str, ending: str = "") -> Any:
        return getattr(p, f"{verb}{self.noun.title()}{ending}Request")

    def posting(self, **fields: Any) -> Any:
        return getattr(p, self.noun.title())(**fields)

    def id_of(self, posting: Any) -> str:
        return str(getattr(posting, f"{self.noun}_id"))


NEED, OFFER = _Side("need", "offer"), _Side("offer", "need")


# -- lists and pages -----------------------------------------------------------------------------------------------
async def postings(side: _Side, visit: Visit) -> Response:
    """The network's needs or offers, newest first, by words, place and kind."""
    request = side.message(
        "List",
        "s",
        query=visit.query("q"),
        place_code=visit.query("place"),
        help_code=visit.query("kind"),
        state=p.PUBLISHED,
        page_token=visit.query("page_token"),
        page_size=20,
    )
    found = await visit.call(side.rpc(visit, "List", "s"), request)
    items = getattr(found, f"{side.noun}s")
    named = await participants_named(visit, [one.participant_id for one in items])
    return visit.page("needs/list.html", side=side, items=items, found=found, named=named)


async def posting(side: _Side, visit: Visit) -> Response:
    """One need or offer; to who acts for it also what fits, with the reasons, and its matches."""
    return await _page(side, visit, await _posting(side, visit), visit.form())


async def _page(side: _Side, visit: Visit, one: Any, form: Form) -> Response:
    visit.path = f"{side.path}/{side.id_of(one)}"  # also of a proposal that was refused: the language switch leads here
    known = await visit.unless_away(acting(visit)) if visit.session else None
    own = known is not None and one.participant_id in known.ids
    suggestions, matches = None, None
    if own and one.state == p.PUBLISHED:
        ask = s.GetSuggestedOffersRequest if side is NEED else s.GetSuggestedNeedsRequest
        rpc = visit.matching.GetSuggestedOffers if side is NEED else visit.matching.GetSuggestedNeeds
        suggestions = await visit.part(rpc, ask(page_size=10, **{f"{side.noun}_id": side.id_of(one)}))
    if own:
        named_side: Any = {f"{side.noun}_id": side.id_of(one)}
        listed = matches_pb.ListMatchesRequest(page_size=50, participant_id=one.participant_id, **named_side)
        matches = await visit.part(visit.matching.ListMatches, listed)
    named = await participants_named(
        visit,
        [
            one.participant_id,
            *(each.participant_id for each in (suggestions.suggestions if suggestions else ())),
            *(getattr(each, f"{side.other}_participant_id") for each in (matches.matches if matches else ())),
        ],
    )
    context: Any = {"known": known, "own": own, "suggestions": suggestions, "matches": matches, "named": named}
    return visit.page("needs/one.html", side=side, posting=one, form=form, **context)


async def _posting(side: _Side, visit: Visit) -> Any:
    named = {f"{side.noun}_id": visit.argument("posting_id")}
    return await visit.call(side.rpc(visit, "Get"), side.message("Get", **named))


# -- writing -------------------------------------------------------------------------------------------------------
async def create(side: _Side, visit: Visit) -> Response:
    """A new one: saved as a draft, or published at once."""
    form, known = visit.form(), await acting(visit)
    form.fill(side.noun, side.posting(audience=p.MEMBERS))
    if form.sent:
        try:
            made = await visit.call(side.rpc(visit, "Create"), form.message(side.kind("Create")))
        except Refused as refused:
            form.refuse(refused)
        else:
            return await _saved(side, visit, form, made)
    return _form_page(side, visit, form, acting=known)


async def change(side: _Side, visit: Visit) -> Response:
    """Changes one; its lines keep their identity by a hidden field."""
    visit.signed_in()
    one = await _posting(side, visit)
    form = visit.form()
    form.fill(side.noun, one)
    if form.sent:
        try:
            request = form.message(side.kind("Update"), update_mask=FieldMask(paths=EDITED))
            setattr(getattr(request, side.noun), f"{side.noun}_id", side.id_of(one))
            changed = await visit.call(side.rpc(visit, "Update"), request)
        except Refused as refused:
            form.refuse(refused)
        else:
            return await _saved(side, visit, form, changed)
    return _form_page(side, visit, form, posting=one)


async def _saved(side: _Side, visit: Visit, form: Form, posting: Any) -> Response:
    """Publishes it when asked to. What is refused then is mended in the draft that there is now."""
    path = f"{side.path}/{side.id_of(posting)}"
    if form.value("publish"):
        try:
            known = {f"{side.noun}_id": side.id_of(posting), "etag": posting.etag}
            request = side.message("Publish", **known, request_id=form.value("request_id"))
            await visit.call(side.rpc(visit, "Publish"), request)
        except Refused as refused:
            form.refuse(refused, saved=True)
            visit.path = f"{path}/change"
            visit.typed.pop("request_id", None)  # the next change is another one, of what there is now
            visit.typed[f"{side.noun}.etag"] = [posting.etag]
            visit.typed |= {f"{side.noun}.lines.{n}.line_id": [line.line_id] for n, line in enumerate(posting.lines)}
            return _form_page(side, visit, form, posting=posting)
    return visit.to(path, "notice.published" if form.value("publish") else "notice.saved")


def _form_page(side: _Side, visit: Visit, form: Form, *, posting: Any = None, acting: Acting | None = None) -> Response:
    return visit.page(
        "needs/edit.html",
        form=form,
        side=side,
        posting=posting,
        acting=acting,
        least=len(posting.lines) + 1 if posting else LINES,
        audiences=visit.language.words(p.Audience),
    )


async def publish(side: _Side, visit: Visit) -> Response:
    """Shows a draft to its audience."""
    named = {f"{side.noun}_id": visit.argument("posting_id")}
    await visit.call(side.rpc(visit, "Publish"), visit.form().message(side.kind("Publish"), **named))
    return visit.to(f"{side.path}/{visit.argument('posting_id')}", "notice.published")


async def close(side: _Side, visit: Visit) -> Response:
    """Ends one before its time."""
    named = {f"{side.noun}_id": visit.argument("posting_id")}
    await visit.call(side.rpc(visit, "Close"), visit.form().message(side.kind("Close"), **named))
    return visit.to(f"{side.path}/{visit.argument('posting_id')}", "notice.closed")


# -- matches -------------------------------------------------------------------------------------------------------
async def propose(side: _Side, visit: Visit) -> Response:
    """Proposes a match of what a suggestion names."""
    form = visit.form()
    with form.refusals():
        made = await visit.call(visit.matching.CreateMatch, form.message(matches_pb.CreateMatchRequest))
        return visit.to(f"/matches/{made.match_id}", "notice.proposed")
    return await _page(side, visit, await _posting(side, visit), form)


async def match(visit: Visit) -> Response:
    """One match, and what the visitor may do next with it."""
    visit.signed_in()
    found = await visit.call(visit.matching.GetMatch, matches_pb.GetMatchRequest(match_id=visit.argument("match_id")))
    return await _match_page(visit, found)


async def _match_page(visit: Visit, found: matches_pb.Match, form: Any = None) -> Response:
    visit.path = f"/matches/{found.match_id}"  # also of a button that was refused: the language switch leads here
    known = await visit.unless_away(acting(visit))
    ids = known.ids if known else []
    named = await participants_named(visit, [found.need_participant_id, found.offer_participant_id])
    need = await visit.part(visit.matching.GetNeed, p.GetNeedRequest(need_id=found.need_id))
    offer = await visit.part(visit.matching.GetOffer, p.GetOfferRequest(offer_id=found.offer_id))
    needs, offers = found.need_participant_id in ids, found.offer_participant_id in ids
    answers = offers if found.proposed_by == matches_pb.NEED else needs
    return visit.page(
        "needs/match.html",
        form=form or visit.form(),
        match=found,
        known=known,
        named=named,
        need=need,
        offer=offer,
        needs=needs,
        offers=offers,
        answers=answers,
    )


async def move(verb: str, notice: str, visit: Visit) -> Response:
    """One step of a match: accept, decline, withdraw, dispatch, deliver, confirm."""
    form = visit.form()
    kind = getattr(matches_pb, f"{verb}MatchRequest")
    try:
        await visit.call(
            getattr(visit.matching, f"{verb}Match"), form.message(kind, match_id=visit.argument("match_id"))
        )
    except Refused as refused:
        form.refuse(refused)
        request = matches_pb.GetMatchRequest(match_id=visit.argument("match_id"))
        return await _match_page(visit, await visit.call(visit.matching.GetMatch, request), form)
    return visit.to(f"/matches/{visit.argument('match_id')}", notice)


async def matches(visit: Visit) -> Response:
    """The visitor's matches, newest first."""
    mine = await acting(visit)
    listed = await visit.parts(
        *(
            (visit.matching.ListMatches, matches_pb.ListMatchesRequest(participant_id=one, page_size=50))
            for one in mine.ids
        )
    )
    found = {one.match_id: one for answer in listed if answer for one in answer.matches}
    items = sorted(found.values(), key=lambda one: one.match_id, reverse=True)
    ids = [one for each in items for one in (each.need_participant_id, each.offer_participant_id)]
    return visit.page("needs/matches.html", items=items, named=await participants_named(visit, ids), mine=mine)


Page = Callable[[Visit], Awaitable[Response]]
_of = functools.partial
PAGES: list[tuple[str, Page, str]] = [
    *(
        (side.path + path, _of(page, side), methods)
        for side in (NEED, OFFER)
        for path, page, methods in (
            ("", postings, "GET"),
            ("/new", create, "GET POST"),
            ("/{posting_id}", posting, "GET"),
            ("/{posting_id}/change", change, "GET POST"),
            ("/{posting_id}/publish", publish, "POST"),
            ("/{posting_id}/close", close, "POST"),
            ("/{posting_id}/propose", propose, "POST"),
        )
    ),
    ("/matches", matches, "GET"),
    ("/matches/{match_id}", match, "GET"),
    *(
        (f"/matches/{{match_id}}/{verb.lower()}", _of(move, verb, notice), "POST")
        for verb, notice in (
            ("Accept", "notice.match.accept"),
            ("Decline", "notice.match.decline"),
            ("Withdraw", "notice.match.withdraw"),
            ("Dispatch", "notice.match.dispatch"),
            ("Deliver", "notice.match.deliver"),
            ("Confirm", "notice.match.confirm"),
        )
    ),
]
