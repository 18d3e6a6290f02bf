"""The portal holds no service's rule: what a form is refused with is what its RPC is refused with, word for word."""

import html
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from services.portal.pages import PAGES, convenings, needs, records
from tests.integration.network import Network, network, words
from tests.support import NO_ID, PERSON, Refused, Who

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONEY = {"en": "Please send us 900 dollars"}
HTTP = {"NOT_FOUND": 404, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "ABORTED": 409, "ALREADY_EXISTS": 409}
LONG = {"ar": "ط" * 20_000}
LINE = {"help_code": "science-kits", "quantity": 30, "unit_code": "kit"}
BAD_LINES = [
    {**LINE, "help_code": "nope", "quantity": 0},
    {**LINE, "unit_code": "nope", "place_code": "SY99", "note": MONEY},
]
BAD_CONVENING = {"title": MONEY, "kind": "WORKSHOP", "time_zone": "Mars/Olympus", "online_uri": "http://plain.example"}
BAD_RECORD = {"title": LONG, "licence": "mine", "type": "GUIDE", "subject_codes": ["nope"], "description": LONG}
BAD_PROFILE = {"display_name": LONG, "place_code": "SY99"}


class Case(msgspec.Struct, frozen=True):
    """Who sends what to which page; `rpc` is the service and the method behind it. {names} are those of `things`."""

    by: str
    path: str
    rpc: str
    request: Mapping[str, Any]
    named: Mapping[str, str] = {}  # what the address says for the page, and the request for the RPC


FORMS = (
    Case("nobody", "/sign-in", "members.SignIn", {"email": "", "password": "x" * 300}),
    Case("nobody", "/sign-in", "members.SignIn", {"email": "nobody@wasl.example", "password": "wrong password"}),
    Case("nobody", "/sign-up", "members.CreateAccount", {"account": {"email": "nobody", "password": "short"}}),
    Case("amal", "/apply", "members.CreateApplication", {"application": {"person": BAD_PROFILE, "statement": LONG}}),
    Case(
        "amal",
        "/apply?for=organization",
        "members.CreateApplication",
        {"application": {"organization": {**BAD_PROFILE, "type_code": "0", "homepage_uri": "javascript:alert(1)"}}},
    ),
    Case(
        "amal",
        "/applications/{draft}/change",
        "members.UpdateApplication",
        {
            "application": {"application_id": "{draft}", "person": BAD_PROFILE},
            "update_mask": {"paths": ["person", "statement"]},
        },
    ),
    Case(
        "school",
        "/organizations/{school}/change",
        "members.UpdateOrganization",
        {"organization": {"organization_id": "{school}", "profile": {**BAD_PROFILE, "homepage_uri": "ftp://x"}}},
    ),
    Case(
        "amal",
        "/people/{amal}/change",
        "members.UpdatePerson",
        {"person": {"person_id": "{amal}", "profile": {**BAD_PROFILE, "of_age": True}}},
    ),
    Case(
        "amal",
        "/affiliations/new",
        "members.CreateAffiliation",
        {"affiliation": {"person_id": "{amal}", "organization_id": "{school}"}},
    ),
    Case("school", "/needs/new", "matching.CreateNeed", {"organization_id": "{school}", "need": {"lines": BAD_LINES}}),
    Case(
        "school",
        "/offers/new",
        "matching.CreateOffer",
        {"organization_id": "{school}", "offer": {"title": MONEY, "lines": [LINE]}},
    ),
    Case("school", "/offers/new", "matching.CreateOffer", {"organization_id": NO_ID, "offer": {"lines": [LINE]}}),
    Case(
        "school",
        "/needs/{need}/change",
        "matching.UpdateNeed",
        {
            "need": {"need_id": "{need}", "title": MONEY, "lines": BAD_LINES},
            "update_mask": {"paths": needs.EDITED},
        },
    ),
    Case(
        "donor",
        "/offers/{offer}/change",
        "matching.UpdateOffer",
        {"offer": {"offer_id": "{offer}", "lines": BAD_LINES}, "update_mask": {"paths": needs.EDITED}},
    ),
    Case(
        "school",
        "/needs/{need}/propose",
        "matching.CreateMatch",
        {
            "match": {
                "need_id": "{need}",
                "need_line_id": "{need_line}",
                "offer_id": "{offer}",
                "offer_line_id": "{offer_line}",
                "proposed_quantity": 0,
            }
        },
    ),
    Case(
        "donor",
        "/offers/{offer}/propose",
        "matching.CreateMatch",
        {
            "match": {
                "need_id": "{need}",
                "need_line_id": "{need_line}",
                "offer_id": "{offer}",
                "offer_line_id": "{offer_line}",
                "proposed_quantity": 5000,
            }
        },
    ),
    Case(
        "donor", "/matches/{proposed}/decline", "matching.DeclineMatch", {"reason": MONEY}, {"match_id": "{proposed}"}
    ),
    Case("school", "/matches/{proposed}/withdraw", "matching.WithdrawMatch", {}, {"match_id": "{proposed}"}),
    Case(
        "donor",
        "/matches/{accepted}/deliver",
        "matching.DeliverMatch",
        {"delivered_quantity": 5_000},
        {"match_id": "{accepted}"},
    ),
    Case(
        "school",
        "/convenings/new",
        "events.CreateConvening",
        {"organization_id": "{school}", "convening": BAD_CONVENING},
    ),
    Case(
        "school",
        "/convenings/{convening}/change",
        "events.UpdateConvening",
        {
            "convening": {"convening_id": "{convening}", **BAD_CONVENING, "capacity": 0},
            "update_mask": {"paths": convenings.EDITED},
        },
    ),
    Case("school", "/convenings/{convening}/cancel", "events.CancelConvening", {}, {"convening_id": "{convening}"}),
    Case(
        "school",
        "/convenings/{convening}/registrations/{registration}/approve",
        "events.ApproveRegistration",
        {},
        {"registration_id": "{registration}"},
    ),
    Case("amal", "/calendar-feeds", "events.IssueCalendarFeed", {"label": "x" * 500}),
    Case(
        "coordinator",
        "/queues/applications/{submitted}/reject",
        "members.RejectApplication",
        {"reject_reason": LONG},
        {"application_id": "{submitted}"},
    ),
    Case(
        "coordinator",
        "/queues/affiliations/{affiliation}/decline",
        "members.DeclineAffiliation",
        {},
        {"affiliation_id": "{affiliation}"},
    ),
    Case(
        "coordinator",
        "/accounts/{coordinator}/roles/revoke",
        "members.RevokeRole",
        {"role": "coordinator"},
        {"account_id": "{coordinator}"},
    ),
    Case("school", "/records/new", "resources.CreateRecord", {"record": {"publisher_id": "{school}", **BAD_RECORD}}),
    Case(
        "school",
        "/records/{record}/change",
        "resources.UpdateRecord",
        {"record": {"record_id": "{record}", **BAD_RECORD}, "update_mask": {"paths": records.EDITED}},
    ),
    Case("curator", "/records/{waiting}/return", "resources.ReturnRecord", {}, {"record_id": "{waiting}"}),
    Case(
        "curator",
        "/records/{published}/withdraw",
        "resources.WithdrawRecord",
        {"withdraw_reason": LONG},
        {"record_id": "{published}"},
    ),
)
# They take nothing that is typed: a refusal is a page or a line above. Files have tests of their own.
BUTTONS = {
    *("/sign-out", "/sessions/{session_id}/revoke", "/applications/{application_id}/withdraw"),
    *("/convenings/{convening_id}/publish", "/convenings/{convening_id}/register", "/convenings/{convening_id}/accept"),
    *("/convenings/{convening_id}/withdraw", "/calendar-feeds/{calendar_feed_id}/revoke"),
    "/convenings/{convening_id}/registrations/{registration_id}/decline",
    *(f"/queues/applications/{{application_id}}/{verb}" for verb in ("review", "approve")),
    *("/queues/affiliations/{affiliation_id}/confirm", "/accounts/{account_id}/roles/grant"),
    *("/affiliations/{affiliation_id}/end", "/needs/{posting_id}/publish", "/needs/{posting_id}/close"),
    *("/offers/{posting_id}/publish", "/offers/{posting_id}/close"),
    *(f"/matches/{{match_id}}/{verb}" for verb in ("accept", "dispatch", "confirm")),
    *(f"/records/{{record_id}}/{verb}" for verb in ("submit", "publish", "version", "remove-file", "files", "uploads")),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def net(mongo_uri: str) -> AsyncIterator[Network]:
    async with network(mongo_uri) as running:
        yield running


class World(msgspec.Struct, frozen=True):
    """Who sends forms, and the ids of what they are about."""

    people: dict[str, Who]
    things: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(net: Network) -> World:
    amal, school, donor = await net.joined(), await net.school(), await net.school()
    curator = await net.members.account("curator")
    draft = await net.members("CreateApplication", by=amal.who, application={"person": PERSON})
    submitted = await net.members.submitted(await net.members.account(), person=PERSON)
    asked = {"person_id": amal.member_id, "organization_id": donor.member_id, "role": "STAFF"}
    affiliation = await net.members("CreateAffiliation", by=amal.who, affiliation=asked)

    async def posted(noun: str, by: Any) -> Any:
        kind = noun.title()
        posting: Any = {noun: {"title": {"en": "Kits"}, "lines": [{**LINE, "quantity": 100}]}}
        made = await net.matching(f"Create{kind}", by=by.who, organization_id=by.member_id, **posting)
        named = {f"{noun}_id": getattr(made, f"{noun}_id")}
        return await net.matching(f"Publish{kind}", by=by.who, **named)

    async def proposed(quantity: int) -> str:
        match = {
            "need_id": need.need_id,
            "need_line_id": need.lines[0].line_id,
            "offer_id": offer.offer_id,
            "offer_line_id": offer.lines[0].line_id,
            "proposed_quantity": quantity,
        }
        return str((await net.matching("CreateMatch", by=school.who, match=match)).match_id)

    need, offer = await posted("need", school), await posted("offer", donor)
    accepted = await proposed(10)
    for verb in ("Accept", "Dispatch"):
        await net.matching(f"{verb}Match", by=donor.who, match_id=accepted)
    waiting_match = await proposed(5)

    convening = await net.events(
        "CreateConvening",
        by=school.who,
        organization_id=school.member_id,
        convening={
            "kind": "WORKSHOP",
            "title": {"en": "Kits in class"},
            "sessions": [{"start_time": {"seconds": 4_000_000_000}, "end_time": {"seconds": 4_000_003_600}}],
            "time_zone": "Asia/Damascus",
            "capacity": 5,
            "audience": "EVERYBODY",
            "approval_required": True,
        },
    )
    await net.events("PublishConvening", by=school.who, convening_id=convening.convening_id)
    seat = {"convening_id": convening.convening_id}
    registration = await net.events("CreateRegistration", by=amal.who, registration=seat)
    named = {"registration_id": registration.registration_id}
    await net.events("DeclineRegistration", by=school.who, **named)

    async def recorded(*verbs: str) -> str:
        known = {"title": {"en": "Guide"}, "licence": "CC0-1.0", "type": "GUIDE", "language_codes": ["en"]}
        record = {**known, "publisher_id": school.member_id}
        made = await net.resources("CreateRecord", by=school.who, record=record)
        for verb in verbs:
            by = curator if verb == "Publish" else school.who
            await net.resources(f"{verb}Record", by=by, record_id=made.record_id)
        return str(made.record_id)

    return World(
        {
            "nobody": Who(),
            "amal": amal.who,
            "school": school.who,
            "donor": donor.who,
            "coordinator": net.coordinator,
            "curator": curator,
        },
        {
            "amal": amal.member_id,
            "school": school.member_id,
            "coordinator": net.coordinator.account_id,
            "draft": draft.application_id,
            "submitted": submitted.application_id,
            "affiliation": affiliation.affiliation_id,
            "need": need.need_id,
            "need_line": need.lines[0].line_id,
            "offer": offer.offer_id,
            "offer_line": offer.lines[0].line_id,
            "accepted": accepted,
            "proposed": waiting_match,
            "convening": convening.convening_id,
            "registration": registration.registration_id,
            "record": await recorded(),
            "waiting": await recorded("Submit"),
            "published": await recorded("Submit", "Publish"),
        },
    )


def filled(value: Any, things: dict[str, str]) -> Any:
    """With the ids for their names."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda name: things[name[1]], value)
    if isinstance(value, dict):
        return {key: filled(one, things) for key, one in value.items()}
    return [filled(one, things) for one in value] if isinstance(value, list) else value


def flat(request: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """As a form sends it: the fields' names are their paths."""
    if isinstance(request, dict):
        for key, one in request.items():
            if key != "update_mask":
                yield from flat(one, f"{path}.{key}" if path else key)
    elif isinstance(request, list) and request and isinstance(request[0], dict):
        for number, one in enumerate(request):
            yield from flat(one, f"{path}.{number}")
    else:
        yield (
            path,
            ["true" if one is True else str(one) for one in (request if isinstance(request, list) else [request])],
        )


@pytest.mark.parametrize("code", ["ar", "en"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.path} {form.rpc}")
async def test_a_form_is_told_what_its_rpc_is_told(net: Network, world: World, form: Case, code: str) -> None:
    by, request = world.people[form.by], filled(form.request, world.things)
    service, rpc = form.rpc.split(".")
    with pytest.raises(Refused) as caught:
        await getattr(net, service)(rpc, by=by, language=code, **request, **filled(form.named, world.things))
    refused = caught.value
    async with net.browser(by if by.token else None) as browser:
        await browser.get(f"/{code}/sign-in")  # for the form's token
        sent = dict(flat(request))
        sent["csrf"] = [browser.client.cookies["wasl_csrf"]]
        answer = await browser.client.post(f"/{code}{filled(form.path, world.things)}", data=sent)
    page = html.unescape(answer.text)
    assert answer.status_code == HTTP.get(refused.code, 400), page
    if refused.descriptions:
        above = "".join(re.findall(r'<div class="problems".*?</div>', page, re.DOTALL))
        told = dict(re.findall(r'<bdi dir="auto">([\w.]+): (.*?)</bdi>', above))
        told |= dict(re.findall(r'<small class="wrong" id="([^"]+)-wrong">([^<]*)<', page))
        assert told == {re.sub(r"\[(\d+)\]", r".\1", field): text for field, text in refused.descriptions.items()}
        for name, values in sent.items():
            assert not name.endswith((".ar", ".en", "_uri", "label")) or values[0] in page, f"{name} is kept"
    else:
        assert refused.text in words(page)


async def test_every_form_is_above() -> None:
    """A new page that takes what people type has to be compared, too."""
    taking = {path for path, _, methods in PAGES if "POST" in methods}
    compared = {re.sub(r"\{\w+\}", "*", form.path.partition("?")[0]) for form in FORMS}
    assert {re.sub(r"\{\w+\}", "*", path) for path in taking - BUTTONS} == compared
    assert taking >= BUTTONS
