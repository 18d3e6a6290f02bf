"""The portal's journeys in a real browser, in both languages, with JavaScript and without."""

import functools
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

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

MODES = [("ar", True), ("en", True), ("ar", False)]  # language, with scripts
Visitor = Callable[..., Person]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
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


def email() -> str:
    return f"{uuid.uuid4().hex}@wasl.example"


def joined(network: Network, person: Person, name: str) -> str:
    """Lets this visitor join for an organization; the address to sign in with."""
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
    title = f"Science kits {uuid.uuid4().hex[:8]}"
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


# -- every page ----------------------------------------------------------------------------------------------------
PUBLIC = ("", "/docs", "/sign-in", "/sign-up", "/needs")
FOREIGN = {"Wasl", "CloudEvents", "JavaScript"}  # names that have no other spelling


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("code", ["ar", "en"])
def test_every_page_is_for_everybody(visitor: Visitor, code: str, size: str) -> None:
    person = visitor(code, size=size)
    for path in PUBLIC:
        page = person.go(path)
        assert violations(page) == [], path
        assert not scrolls_sideways(page), path
        assert set(foreign_letters(page, code).split()) <= FOREIGN, path


@pytest.mark.parametrize("code", ["ar", "en"])
def test_at_twice_the_size_nothing_is_cut_off(visitor: Visitor, code: str) -> None:
    """200 % on a screen of 1280 px is a page of 640 px (WCAG 1.4.4, 1.4.10)."""
    person = visitor(code)
    person.page.set_viewport_size({"width": 640, "height": 450})
    for path in PUBLIC:
        assert not scrolls_sideways(person.go(path)), path


@pytest.mark.parametrize("code", ["ar", "en"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(visitor: Visitor, code: str) -> None:
    person = visitor(code)
    for path in ("", "/sign-up"):
        assert out_of_reach(person.go(path)) == [], path


# -- weak links ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", ["ar", "en"])
def test_a_visit_is_light_and_quick_on_a_weak_link(visitor: Visitor, code: str) -> None:
    person = visitor(code)
    first, painted = heard_on_the_wire(person.page, lambda: person.go(""), slow=True)
    assert first <= 60_000
    assert painted < 3
    for path in ("/sign-up", "/sign-in"):
        assert heard_on_the_wire(person.page, functools.partial(person.go, path))[0] <= 25_000, path
