"""The desk in a browser: what waits for whom, and what stays when a service is away."""

import datetime
import re
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.matching import store
from tests.integration.network import Browser, Member, Network, network, words
from tests.integration.test_portal import NOBODY
from tests.support import PERSON, REASON, SCHOOL

pytestmark = pytest.mark.asyncio(loop_scope="module")
KITS = {"help_code": "science-kits", "quantity": 30, "unit_code": "kit", "place_code": "SY07"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def net(mongo_uri: str) -> AsyncIterator[Network]:
    async with network(mongo_uri) as running:
        yield running


async def posted(net: Network, by: Member, noun: str, *, publish: bool = True, title: str = "Kits") -> Any:
    posting: Any = {noun: {"title": {"en": title}, "lines": [KITS]}}
    kind = noun.title()
    made = await net.matching(f"Create{kind}", by=by.who, organization_id=by.member_id, **posting)
    if publish:
        made = await net.matching(f"Publish{kind}", by=by.who, **{f"{noun}_id": getattr(made, f"{noun}_id")})
    return made


async def convening(net: Network, by: Member, title: str, begins: float, *, capacity: int = 5) -> Any:
    start = int(time.time() + begins)
    made = await net.events(
        "CreateConvening",
        by=by.who,
        organization_id=by.member_id,
        convening={
            "kind": "WORKSHOP",
            "title": {"en": title},
            "sessions": [{"start_time": {"seconds": start}, "end_time": {"seconds": start + 3600}}],
            "time_zone": "Asia/Damascus",
            "capacity": capacity,
            "audience": "EVERYBODY",
        },
    )
    return await net.events("PublishConvening", by=by.who, convening_id=made.convening_id)


async def part(browser: Browser, heading: str, language: str = "en") -> str:
    """What stands on the desk between this heading and the next; "" without the heading."""
    page = await browser.get(f"/{language}/desk")
    return words("<main>" + page.partition(f"<h2>{heading}</h2>")[2].partition("<h2>")[0] + "</main>")


async def test_a_new_account_is_shown_the_way_in(net: Network) -> None:
    who = await net.members.account()
    async with net.browser(who) as browser:
        for language, sentence in (("ar", "أهلًا بك في وصل"), ("en", "Welcome to Wasl")):
            page = await browser.get(f"/{language}/desk")
            assert sentence in page
            assert f'href="/{language}/apply?for=organization"' in page
            assert "/needs/new" not in page, "nobody posts before joining"
        await net.members.submitted(who)
        page = await browser.get("/en/desk")
        assert "Welcome to Wasl" not in page
        assert "Amal Haddad Handed in" in await part(browser, "Your applications")


async def test_who_was_approved_since_signing_in_sees_the_desk_of_a_member(net: Network) -> None:
    for application in ({"person": PERSON}, {"organization": SCHOOL}):
        who = await net.members.account()
        async with net.browser(who) as browser:
            await net.approved(who, **application)
            early = words(await browser.get("/en/desk"))
            assert "Matches This part is not available now" in early, "matching has not heard of it yet"
            await net.heard()
            assert "not available now" not in await browser.get("/en/desk")


async def test_a_match_waits_for_who_is_to_do_the_next_step(net: Network) -> None:
    school, donor = await net.school(), await net.school()
    need, offer = await posted(net, school, "need"), await posted(net, donor, "offer")
    match = {
        "need_id": need.need_id,
        "need_line_id": need.lines[0].line_id,
        "offer_id": offer.offer_id,
        "offer_line_id": offer.lines[0].line_id,
        "proposed_quantity": 20,
    }
    made = await net.matching("CreateMatch", by=school.who, match=match)
    known = {"match_id": made.match_id}
    async with net.browser(school.who) as needs, net.browser(donor.who) as offers:
        waiting = "From Hope School · to Hope School"
        assert waiting in await part(offers, "Matches to answer")
        assert "حقائب علوم: ٢٠ حقيبة" in await part(offers, "مواءمات تنتظر جوابك", "ar")
        assert await part(needs, "Matches to answer") == ""
        assert "Nothing waits for you" in await needs.get("/en/desk")
        await net.matching("AcceptMatch", by=donor.who, **known)
        for browser in (needs, offers):
            assert waiting in await part(browser, "Matches under way")
        await net.matching("DeliverMatch", by=donor.who, **known, delivered_quantity=20)
        assert waiting in await part(needs, "Deliveries to confirm")
        assert await part(offers, "Deliveries to confirm") == ""
        assert made.match_id not in await offers.get("/en/desk")


async def test_a_list_of_suggestions_says_when_not_all_that_fits_was_looked_at(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    school, donor = await net.school(), await net.school()
    need = await posted(net, school, "need")
    for _ in range(2):
        await posted(net, donor, "offer")
    said = {"en": "only those nearest in kind and place", "ar": "فنُظر في الأقرب نوعًا ومكانًا فقط"}
    async with net.browser(school.who) as browser:
        for language, sentence in said.items():
            assert sentence not in await browser.get(f"/{language}/needs/{need.need_id}")
        for limit in ("CANDIDATES", "LEAST_CANDIDATES"):
            monkeypatch.setattr(store, limit, 1)
        for language, sentence in said.items():
            assert sentence in await browser.get(f"/{language}/needs/{need.need_id}")


@pytest.mark.parametrize("noun", ["need", "offer"])
async def test_who_is_no_member_reads_what_is_for_everybody_and_is_shown_the_way_in(net: Network, noun: str) -> None:
    school = await net.school()
    line = {f"{noun}.lines.0.{name}": str(value) for name, value in KITS.items()}
    async with net.browser(school.who) as browser:
        assert re.search(r'value="MEMBERS" checked', await browser.get(f"/en/{noun}s/new"))
        paths = {}
        for audience in ("EVERYBODY", "MEMBERS"):
            texts = {f"{noun}.title.en": f"Kits {audience}", f"{noun}.audience": audience, "publish": "1"}
            typed = {"organization_id": school.member_id, **texts, **line}
            page = await browser.post(f"/en/{noun}s/new", typed)
            [paths[audience]] = re.findall(rf'href="/ar(/{noun}s/[0-9a-f-]{{36}})" lang', page)
        assert re.search(r'value="EVERYBODY" checked', await browser.get(f"/en{paths['EVERYBODY']}/change"))
        assert "Who sees it Members of the network" in words(await browser.get(f"/en{paths['MEMBERS']}"))
    for who in (None, await net.members.account()):
        async with net.browser(who) as browser:
            listed = await browser.get(f"/en/{noun}s")
            assert "Kits EVERYBODY" in listed
            assert "Kits MEMBERS" not in listed
            assert f"/{noun}s/new" not in listed
            for language, said in (("en", "Everybody, also without an account"), ("ar", "الجميع، حتى من ليس له حساب")):
                page = await browser.get(f"/{language}{paths['EVERYBODY']}")
                assert said in page
                assert "Hope School" in page or language == "ar"
                assert f'href="/{language}/apply"' in page
                assert (f"/{language}/sign-in?next=" in page) is (who is None)
                assert "propose" not in page
            await browser.get(f"/en{paths['MEMBERS']}", status=404)


async def test_an_offered_seat_has_its_deadline_and_what_is_over_is_gone(net: Network) -> None:
    school = await net.school()
    guests = [await net.members.account() for _ in range(2)]
    full = await convening(net, school, "Full workshop", 86_400, capacity=1)
    later = await convening(net, school, "Later workshop", 2 * 86_400)
    over = await convening(net, school, "Past workshop", 3600)
    seats = []
    for who in guests:
        for one in (later, full, over):
            made = await net.events("CreateRegistration", by=who, registration={"convening_id": one.convening_id})
            if one is full:
                seats.append(made)
    async with net.browser(guests[1]) as browser:
        coming = await part(browser, "What is coming")
        assert coming.index("Past workshop") < coming.index("Full workshop") < coming.index("Later workshop")
        assert "you are on the waiting list" in coming
        await net.events("WithdrawRegistration", by=guests[0], registration_id=seats[0].registration_id)
        offered = await part(browser, "Seats offered to you")
        assert "Full workshop" in offered
        assert "accept the seat before" in offered
        assert "اقبل المقعد قبل" in await part(browser, "مقاعد معروضة عليك", "ar")
        await net.events("CancelConvening", by=school.who, convening_id=later.convening_id, cancel_reason=REASON)
        long_ago = {"start_time": datetime.datetime(2026, 1, 1), "end_time": datetime.datetime(2026, 1, 2)}
        await net.events.db.convenings.update_one({"_id": over.convening_id}, {"$set": {"sessions": [long_ago]}})
        page = await browser.get("/en/desk")
        assert "Later workshop" not in page
        assert "Past workshop" not in page


async def test_drafts_and_returned_records_are_their_owners(net: Network) -> None:
    school, other = await net.school(), await net.school()
    await posted(net, school, "need", publish=False, title="Unfinished need")
    record = await net.resources(
        "CreateRecord",
        by=school.who,
        record={
            "title": {"en": "Returned guide"},
            "licence": "CC0-1.0",
            "type": "GUIDE",
            "language_codes": ["en"],
            "publisher_id": school.member_id,
        },
    )
    await net.resources("SubmitRecord", by=school.who, record_id=record.record_id)
    curator = await net.members.account("curator")
    await net.resources("ReturnRecord", by=curator, record_id=record.record_id, return_note=REASON)
    async with net.browser(school.who) as own, net.browser(other.who) as foreign:
        assert "Unfinished need" in await part(own, "Your drafts")
        assert "Returned guide Documents are missing" in await part(own, "Records returned to you")
        page = await foreign.get("/en/desk")
        assert "Unfinished need" not in page
        assert "Returned guide" not in page


@pytest.mark.parametrize(
    ("away", "dark", "there"),
    [
        ("matching_address", ["Matches", "Your drafts"], ["What is coming"]),
        ("events_address", ["What is coming"], ["Your applications"]),
        ("resources_address", ["Records returned to you"], ["What is coming", "Your applications"]),
    ],
)
async def test_a_service_that_is_away_darkens_its_part_only(
    mongo_uri: str, away: str, dark: list[str], there: list[str]
) -> None:
    async with network(mongo_uri, **{away: NOBODY}) as net:
        school = await net.school()
        async with net.browser(school.who) as browser:
            for heading in dark:
                assert "not available now" in await part(browser, heading), heading
            for heading in there:
                found = await part(browser, heading)
                assert found, heading
                assert "not available now" not in found, heading


async def test_pages_of_other_services_stay_while_members_is_away(mongo_uri: str) -> None:
    async with network(mongo_uri, members_address=NOBODY) as net, net.browser() as browser:
        school, donor = await net.school(), await net.school()
        need, offer = await posted(net, school, "need"), await posted(net, donor, "offer")
        known = {"need_id": need.need_id, "offer_id": offer.offer_id}
        lines = {"need_line_id": need.lines[0].line_id, "offer_line_id": offer.lines[0].line_id}
        made = await net.matching("CreateMatch", by=school.who, match={**known, **lines, "proposed_quantity": 5})
        for name, value in (("wasl_access", school.who.token), ("wasl_refresh", "none")):
            browser.client.cookies.set(name, value, domain="portal.example")
        for path in (f"/needs/{need.need_id}", f"/matches/{made.match_id}"):
            assert "not available now" in await browser.get(f"/en{path}"), path


async def test_a_button_that_is_pressed_twice_does_one_thing(net: Network) -> None:
    school = await net.school()
    need = await posted(net, school, "need", publish=False)
    twice = {"request_id": str(uuid.uuid4())}
    async with net.browser(school.who) as browser:
        page = await browser.get(f"/en/needs/{need.need_id}")
        assert f"/needs/{need.need_id}/publish" in page
        ids = re.findall(r'name="request_id" value="([^"]+)"', page)
        assert len(ids) == len(set(ids)) >= 2, "each button has its own"
        for _ in range(2):
            assert "published" in (await browser.post(f"/en/needs/{need.need_id}/publish", twice)).lower()
        new = {"need.title.en": "Kits", "publish": "1", "request_id": str(uuid.uuid4())}
        new |= {f"need.lines.0.{name}": str(value) for name, value in KITS.items()}
        new |= {"organization_id": school.member_id}
        for _ in range(2):
            await browser.post("/en/needs/new", new)
        found = await net.matching("ListNeeds", by=school.who, participant_id=school.member_id, state="PUBLISHED")
        assert len(found.needs) == 2


async def test_a_line_between_others_may_be_left_empty_and_an_emptied_one_goes(net: Network) -> None:
    school = await net.school()

    def line(number: int, **changed: str) -> dict[str, str]:
        fields = {**KITS, **changed}
        return {f"need.lines.{number}.{name}": str(value) for name, value in fields.items()}

    known = {"need.title.en": "Gaps", "organization_id": school.member_id}
    empty = {f"need.lines.1.{name}": "" for name in (*KITS, "line_id")}
    async with net.browser(school.who) as browser:
        await browser.get("/en/needs/new")
        page = await browser.post("/en/needs/new", {**known, **line(0), **empty, **line(2, quantity="0")}, status=400)
        assert 'id="need.lines.1.quantity-wrong"' in page
        assert re.search(r'name="need.lines.1.quantity"[^>]*value="0"', page)
        page = await browser.post("/en/needs/new", {**known, **line(0), "need.lines.1.quantity": "9"}, status=400)
        before = page.partition('name="need.lines.1.quantity"')[0].rpartition("</fieldset>")[2]
        assert '<details class="another">' not in before, "what is wrong in it can be seen"
        await browser.post("/en/needs/new", {**known, **line(0), **line(1)})
        need = (await net.matching("ListNeeds", by=school.who, participant_id=school.member_id)).needs[0]
        kept = {f"need.lines.{n}.line_id": one.line_id for n, one in enumerate(need.lines)}
        emptied = dict.fromkeys(line(1), "")
        changed = {"need.title.en": "Gaps", "need.etag": need.etag, **kept, **line(0), **emptied}
        await browser.post(f"/en/needs/{need.need_id}/change", changed)
        after = await net.matching("GetNeed", by=school.who, need_id=need.need_id)
        assert [one.line_id for one in after.lines] == [need.lines[0].line_id]


async def test_numbers_are_typed_as_people_write_them(net: Network) -> None:
    school = await net.school()
    known = {"need.title.en": "Kits", "organization_id": school.member_id}
    line = {f"need.lines.0.{name}": str(value) for name, value in KITS.items()}
    async with net.browser(school.who) as browser:
        await browser.get("/en/needs/new")
        for typed in ("1.000", "1,00", ",100", "١٬٠٠", "1_000", "௫", "10000000000"):
            page = await browser.post("/en/needs/new", {**known, **line, "need.lines.0.quantity": typed}, status=400)
            assert 'id="need.lines.0.quantity-wrong"' in page, typed
        for typed in ("1000", "1,000", "١٬٠٠٠", "٠٠١٠٠٠", "1 000"):
            await browser.post("/en/needs/new", {**known, **line, "need.lines.0.quantity": typed})
        made = await net.matching("ListNeeds", by=school.who, participant_id=school.member_id)
        assert [one.lines[0].quantity for one in made.needs] == [1000] * 5


async def test_what_is_wrong_with_a_choice_or_a_row_is_told_at_it(net: Network) -> None:
    school = await net.school()
    async with net.browser(school.who) as browser:
        await browser.get("/en/needs/new")
        page = await browser.post("/en/needs/new", {"need.title.en": "Kits", "need.audience": "NOBODY"}, status=400)
        assert '<fieldset aria-describedby="need.audience-wrong">' in page
        assert 'id="need.audience-wrong"' in page
        await browser.get("/en/records/new")
        page = await browser.post("/en/records/new", {"record.keywords.0.en": "x" * 3000}, status=400)
        assert '<fieldset class="inputs" aria-describedby="record.keywords-wrong record.keywords-hint">' in page
        page = await browser.post("/en/records/new", {"record.creators": ["Layla", "x" * 300]}, status=400)
        assert re.findall('<input name="record.creators"[^>]*aria-invalid="true">', page) == re.findall(
            '<input name="record.creators" value="x{300}"[^>]*>', page
        )
