"""The portal's journeys in a real browser, in both languages, with JavaScript and without."""

import functools
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, expect

from services.portal import pages
from tests.e2e.browser import (
    SIZES,
    Person,
    chromium,
    foreign_letters,
    heard_on_the_wire,
    out_of_reach,
    scrolls_sideways,
    violations,
)
from tests.e2e.conftest import PASSWORD, Network
from tests.e2e.pages import FILES, PAGES

MODES = [("ar", True), ("en", True), ("ar", False)]  # language, with scripts
Visitor = Callable[..., Person]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """No longer than this module: while it runs, its loop is in the way of tests that are coroutines."""
    with chromium() as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, network: Network) -> Iterator[Visitor]:
    people: list[Person] = []

    def come(code: str, **how: Any) -> Person:
        people.append(Person(browser, network.stack.url, code, **how))
        return people[-1]

    yield come
    for person in people:
        assert person.complaints == []
        person.page.context.close()


def named(code: str, ar: str, en: str) -> str:
    """A name that no other test has, in the letters of the language."""
    return f"{ar if code == 'ar' else en} {uuid.uuid4().int % 10**10}"


def email() -> str:
    return f"{uuid.uuid4().hex}@wasl.example"


def joined(network: Network, person: Person, name: str) -> str:
    """Lets this visitor join for an organization with this English name; the address to sign in with."""
    address = email()
    person.sign_up(address, PASSWORD)
    person.go("/apply?for=organization")
    person.fill(
        application__organization__display_name__en=name,
        application__organization__type_code="441",
        application__organization__place_code="SY07",
    )
    person.press("apply.submit")
    assert person.says("notice.submitted")
    application_id = person.page.url.rpartition("/")[2]
    network.coordinator.ok("POST", f"/v1/applications/{application_id}:approve", json={})
    return address


@pytest.mark.parametrize(("code", "scripts"), MODES)
def test_a_need_becomes_a_confirmed_delivery(network: Network, visitor: Visitor, code: str, scripts: bool) -> None:
    asking, giving = visitor(code, scripts=scripts), visitor(code, scripts=scripts)
    joined(network, asking, f"Schools {code} {scripts}")
    joined(network, giving, f"Givers {code} {scripts}")
    title = named(code, "حقائب علوم", "Science kits")
    for person, noun, quantity in ((giving, "offer", "٣٠٠"), (asking, "need", "200")):
        person.go(f"/{noun}s/new")
        person.fill(
            **{
                f"{noun}__title__{code}": title,
                f"{noun}__lines__0__help_code": "science-kits",
                f"{noun}__lines__0__quantity": quantity,
                f"{noun}__lines__0__unit_code": "kit",
                f"{noun}__lines__0__place_code": "SY07",
            }
        )
        person.press("posting.publish")
        assert person.sees(title)
    assert asking.says("suggestions.title")
    asking.press("match.propose")
    assert asking.says("notice.proposed")
    match = asking.page.url
    giving.page.goto(match)
    giving.press("match.accept")
    assert giving.says("notice.match.accept")
    giving.press("match.dispatch")
    giving.press("match.deliver")
    assert giving.says("notice.match.deliver")
    asking.page.goto(match)
    asking.press("match.confirm")
    assert asking.says("Match.State.CONFIRMED")


@pytest.mark.parametrize(("code", "scripts"), MODES)
def test_an_application_is_read_and_approved(network: Network, visitor: Visitor, code: str, scripts: bool) -> None:
    person, coordinator = visitor(code, scripts=scripts), visitor(code, scripts=scripts)
    name, name_field = named(code, "جمعية", "Society"), f"application__organization__display_name__{code}"
    person.sign_up(email(), PASSWORD)
    person.go("/apply?for=organization")
    person.fill(**{name_field: name})
    person.press("apply.submit")
    assert person.page.locator(".wrong").count() == 1, "the type is missing"
    person.complaints.clear()  # of the 400
    assert person.page.locator(f'[name="{name_field.replace("__", ".")}"]').input_value() == name
    person.fill(application__organization__type_code="441")
    person.press("apply.save")
    assert person.says("Application.State.DRAFT")
    person.press("application.change")
    person.press("apply.submit")
    assert person.says("notice.submitted")
    own = person.page.url

    coordinator.sign_in(**network.coordinator_account)
    coordinator.go("/queues/applications")
    coordinator.finds(name)
    coordinator.follow(coordinator.page.get_by_role("link", name=name))
    coordinator.press("queues.approve")
    person.page.goto(own)
    assert person.says("Application.State.APPROVED")
    person.go("/organizations")
    person.page.goto(f"/{code}/organizations?q={name.rpartition(' ')[2]}")
    assert person.sees(name)


@pytest.mark.parametrize(("code", "scripts"), MODES)
def test_who_waits_is_promoted_to_a_free_seat(network: Network, visitor: Visitor, code: str, scripts: bool) -> None:
    organizer, first, second = (visitor(code, scripts=scripts) for _ in range(3))
    joined(network, organizer, f"Organizers {code} {scripts}")
    organizer.go("/convenings/new")
    organizer.fill(
        **{
            "convening__kind": "WORKSHOP",
            f"convening__title__{code}": named(code, "ورشة", "Workshop"),
            "convening__time_zone": "Asia/Damascus",
            "convening__sessions__0__start_time": "2031-01-15T10:00",
            "convening__sessions__0__end_time": "2031-01-15T13:00",
            "convening__online_uri": "https://meet.example/kits",
            "convening__capacity": "١",
        }
    )
    organizer.page.locator('[name="convening.audience"][value="EVERYBODY"]').check()
    organizer.press("convening.publish")
    assert organizer.says("Convening.State.PUBLISHED")
    path = organizer.page.url
    for person, state in ((first, "ADMITTED"), (second, "WAITING")):
        person.sign_up(email(), PASSWORD)
        person.page.goto(path)
        person.press("registration.register")
        assert person.says(f"Registration.State.{state}")
    assert first.sees("meet.example")
    assert not second.sees("meet.example")
    first.press("registration.withdraw")
    second.page.goto(path)
    second.press("registration.accept")
    assert second.says("notice.registration.accepted")
    assert second.sees("meet.example")


@pytest.mark.parametrize(("code", "scripts"), MODES)
def test_a_record_is_found_by_another_spelling(network: Network, visitor: Visitor, code: str, scripts: bool) -> None:
    writer, curator, reader = (visitor(code, scripts=scripts) for _ in range(3))
    joined(network, writer, f"Publishers {code} {scripts}")
    mark = named(code, "", "").strip()
    writer.go("/records/new")
    writer.fill(record__title__ar=f"دليل المعلّمين في إدلب {mark}", record__type="GUIDE", record__licence="CC-BY-4.0")
    writer.press("records.begin")
    path = writer.page.url
    writer.fill(language="ar")
    text: FilePayload = {"name": "دليل.txt", "mimeType": "text/plain", "buffer": "التجربة الأولى\n".encode() * 5000}
    writer.page.set_input_files("#file", text)
    writer.press("upload.do")
    assert writer.says("notice.record.file")
    writer.press("record.submit")
    assert writer.says("notice.record.submit")
    curator.sign_in(**network.curator_account())
    curator.page.goto(path)
    curator.press("record.publish")
    assert curator.says("notice.record.publish")
    reader.go(f"/records?q=معلم ادلب {mark}")
    assert reader.sees(mark)
    if scripts:
        reader.go("/records")
        reader.page.locator('[name="q"]').fill(f"معلم ادلب {mark}")
        number = re.compile(mark.rpartition(" ")[2])
        expect(reader.page.locator("#found .entries")).to_contain_text(number)
        expect(reader.page.locator("#switch")).to_have_attribute("href", number)


# -- every page ----------------------------------------------------------------------------------------------------
FOREIGN = {"Wasl", "CloudEvents", "JavaScript", "WCAG", "AA", "axe", "https"}  # names that have no other spelling


@pytest.fixture(scope="module")
def things(network: Network, browser: Browser) -> dict[str, str]:
    """Ids of one thing of each kind, and the address of a member who has one of each."""
    person = Person(browser, network.stack.url, "en")
    address = joined(network, person, "Everything Society")
    member = network.signed_in(address, PASSWORD)
    lines = [{"helpCode": "science-kits", "quantity": 5, "unitCode": "kit"}]
    applications = member.ok("GET", "/v1/applications")["applications"]
    organization_id = applications[0]["memberId"]
    query = {"organizationId": organization_id}
    ids = {"organization": organization_id, "address": address}
    other = Person(browser, network.stack.url, "en")
    joined_other = network.signed_in(joined(network, other, "Other Society"), PASSWORD)
    other_id = joined_other.ok("GET", "/v1/applications")["applications"][0]["memberId"]
    offered = {"title": {"ar": "حقائب علوم"}, "lines": lines, "audience": "EVERYBODY"}
    offer = joined_other.ok("POST", "/v1/offers", params={"organizationId": other_id}, json=offered)
    joined_other.ok("POST", f"/v1/offers/{offer['offerId']}:publish", json={})
    need = member.ok("POST", "/v1/needs", params=query, json=offered)
    member.ok("POST", f"/v1/needs/{need['needId']}:publish", json={})
    match = member.ok(
        "POST",
        "/v1/matches",
        json={
            "needId": need["needId"],
            "needLineId": need["lines"][0]["lineId"],
            "offerId": offer["offerId"],
            "offerLineId": offer["lines"][0]["lineId"],
            "proposedQuantity": 2,
        },
    )
    session = {"startTime": "2031-01-15T07:00:00Z", "endTime": "2031-01-15T10:00:00Z"}
    convening = member.ok(
        "POST",
        "/v1/convenings",
        params=query,
        json={
            "kind": "WORKSHOP",
            "title": {"ar": "ورشة", "en": "Workshop"},
            "timeZone": "Asia/Damascus",
            "sessions": [session],
            "capacity": 2,
            "audience": "EVERYBODY",
        },
    )
    member.ok("POST", f"/v1/convenings/{convening['conveningId']}:publish", json={})
    seat = {"conveningId": convening["conveningId"]}
    joined_other.ok("POST", "/v1/registrations", json=seat)
    written = {"title": {"ar": "دليل المعلم"}, "licence": "CC0-1.0", "type": "GUIDE", "publisherId": organization_id}
    record = member.ok("POST", "/v1/records", json=written)
    member.ok("POST", f"/v1/records/{record['recordId']}:submit", json={})
    curator = network.signed_in(**network.curator_account())
    curator.ok("POST", f"/v1/records/{record['recordId']}:publish", json={})
    ids["written"] = member.ok("POST", "/v1/records", json=written)["recordId"]
    long = "قرطاسية" * 12  # a word that no line holds
    own_offer = member.ok("POST", "/v1/offers", params=query, json={"title": {"ar": long}, "lines": lines})
    ids |= {"own_offer": own_offer["offerId"], "other": other_id, "account": applications[0]["accountId"]}
    profile = {"displayName": {"ar": "أمل حداد", "en": "Amal Haddad"}, "ofAge": True}
    about = member.ok("POST", "/v1/applications", json={"person": profile})["applicationId"]
    member.ok("POST", f"/v1/applications/{about}:submit", json={})
    ids["person"] = network.coordinator.ok("POST", f"/v1/applications/{about}:approve", json={})["memberId"]
    asked = {"personId": ids["person"], "organizationId": other_id, "role": "STAFF"}
    ids["affiliation"] = member.ok("POST", "/v1/affiliations", json=asked)["affiliationId"]
    draft = {"organization": {"displayName": {"en": "Draft"}, "typeCode": "441"}}
    ids["draft"] = member.ok("POST", "/v1/applications", json=draft)["applicationId"]
    ids["application"] = network.submitted().rpartition("/")[2]
    ids |= {"need": need["needId"], "offer": offer["offerId"], "match": match["matchId"]}
    ids |= {"convening": convening["conveningId"], "record": record["recordId"]}
    for one in (person, other):
        one.page.context.close()
    for client in (member, joined_other, curator):
        client.close()
    return ids


@pytest.mark.parametrize("role", PAGES)
@pytest.mark.parametrize("code", ["ar", "en"])
def test_every_page_is_for_everybody(
    network: Network, visitor: Visitor, things: dict[str, str], code: str, role: str
) -> None:
    """In both sizes, and at 200 %: a screen of 1280 px is a page of 640 px then (WCAG 1.4.4, 1.4.10)."""
    person = visitor(code)
    accounts = {
        "member": lambda: {"email": things["address"], "password": PASSWORD},
        "coordinator": lambda: network.coordinator_account,
        "curator": network.curator_account,
    }
    if role:
        person.sign_in(**accounts[role]())
    for pattern in PAGES[role]:
        path = pattern.format(**things)
        page = person.go(path)
        assert pattern == "/nowhere" or not page.locator(".problem").count(), path
        assert set(foreign_letters(page, code).split()) <= FOREIGN, path
        for size, (width, height) in {**SIZES, "200 %": (640, 450)}.items():
            page.set_viewport_size({"width": width, "height": height})
            assert not scrolls_sideways(page), f"{path} {size}"
            assert pattern.startswith("/docs") or size not in SIZES or violations(page) == [], f"{path} {size}"
    person.complaints = [one for one in person.complaints if "404" not in one]  # of /nowhere


def test_no_page_is_left_out() -> None:
    looked_at = {re.sub(r"\{\w+\}", "*", path.partition("?")[0]) for paths in PAGES.values() for path in paths}
    shown = {re.sub(r"\{\w+\}", "*", path) for path, _, methods in pages.PAGES if "GET" in methods}
    assert looked_at - {"/nowhere"} == shown - FILES


@pytest.mark.parametrize("code", ["ar", "en"])
def test_the_reference_is_for_everybody(visitor: Visitor, code: str) -> None:
    """Apart and in one size: axe takes 20 s for so long a page."""
    person = visitor(code)
    for path in ("/docs", "/docs/types"):
        assert violations(person.go(path)) == [], path


@pytest.mark.parametrize("code", ["ar", "en"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    visitor: Visitor, things: dict[str, str], code: str
) -> None:
    person = visitor(code)
    person.sign_in(things["address"], PASSWORD)
    for pattern in ("", "/map", "/desk", "/needs/{need}", "/needs/new", "/records", "/convenings/{convening}"):
        assert out_of_reach(person.go(pattern.format(**things))) == [], pattern


# -- weak links ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", ["ar", "en"])
def test_a_visit_is_light_and_quick_on_a_weak_link(visitor: Visitor, code: str) -> None:
    person = visitor(code)
    first, painted = heard_on_the_wire(person.page, lambda: person.go(""), slow=True)
    assert first <= 60_000
    assert painted < 3
    for path in ("/sign-up", "/organizations", "/convenings", "/records", "/map", "/docs", "/docs/types"):
        assert heard_on_the_wire(person.page, functools.partial(person.go, path))[0] <= 25_000, path
