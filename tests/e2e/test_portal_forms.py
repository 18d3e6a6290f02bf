"""What the portal does with forms that are broken, repeated or hostile, over plain HTTP before a running stack."""

import html
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from chassis.servers import wait_until
from tests.e2e.conftest import PASSWORD, Network


class Visitor:
    """Somebody's browser, as far as forms go: it keeps cookies and sends the token of the page that it is on."""

    def __init__(self, network: Network) -> None:
        self._http = httpx.Client(base_url=network.stack.url, follow_redirects=True, timeout=20, trust_env=False)
        self.page = ""
        self.email = f"{uuid.uuid4().hex}@wasl.example"

    def get(self, path: str) -> httpx.Response:
        return self._on(self._http.get(f"/en{path}"))

    def send(self, path: str, **fields: str) -> httpx.Response:
        """`__` in a name is a dot. Without `csrf`, the page's own."""
        named = {name.replace("__", "."): value for name, value in fields.items()}
        return self._on(self._http.post(f"/en{path}", data={"csrf": self.token(), **named}))

    def _on(self, answer: httpx.Response) -> httpx.Response:
        self.page = answer.text
        return answer

    def token(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.page)
        return found[1] if found else ""

    def wrong(self) -> list[str]:
        """What stands at the fields."""
        return [html.unescape(one) for one in re.findall(r'class="wrong"[^>]*>([^<]*)<', self.page)]

    def close(self) -> None:
        self._http.close()

    def forget_session(self) -> None:
        for name in ("wasl_access", "wasl_refresh"):
            self._http.cookies.delete(name)

    def join(self, network: Network) -> str:
        """As an organization; its id."""
        self.get("/sign-up")
        self.send("/sign-up", account__email=self.email, account__password=PASSWORD)
        at = "application__organization__"
        made = self.send(
            "/apply?for=organization",
            **{f"{at}display_name__en": "Form Society", f"{at}type_code": "441", "submit": "1"},
        )
        application_id = made.url.path.rpartition("/")[2]
        answer = network.coordinator.ok("POST", f"/v1/applications/{application_id}:approve", json={})
        path = f"/v1/participants/{answer['memberId']}"
        wait_until(lambda: network.coordinator.get(path).status_code == 200, 30, "participant")
        return str(answer["memberId"])

    def need(self, organization_id: str, **fields: str) -> httpx.Response:
        self.get("/needs/new")
        known = {
            "organization_id": organization_id,
            "need__title__en": "Kits",
            "need__lines__0__help_code": "science-kits",
            "need__lines__0__quantity": "5",
            "need__lines__0__unit_code": "kit",
        }
        return self.send("/needs/new", **{**known, **fields})


Come = Callable[[], Visitor]


@pytest.fixture(scope="module")
def come(network: Network) -> Iterator[Come]:
    """Somebody new."""
    visitors: list[Visitor] = []

    def one() -> Visitor:
        visitors.append(Visitor(network))
        return visitors[-1]

    yield one
    for visitor in visitors:
        visitor.close()


@pytest.fixture(scope="module")
def member(network: Network, come: Come) -> tuple[Visitor, str]:
    visitor = come()
    return visitor, visitor.join(network)


def needs_of(network: Network, organization_id: str) -> list[dict[str, Any]]:
    return list(network.database("matching").postings.find({"participant_id": organization_id}))


def test_a_form_that_is_sent_twice_makes_one_thing(network: Network, member: tuple[Visitor, str]) -> None:
    visitor, organization_id = member
    before = len(needs_of(network, organization_id))
    request_id = str(uuid.uuid4())
    first = visitor.need(organization_id, request_id=request_id)
    again = visitor.need(organization_id, request_id=request_id)
    assert first.url == again.url
    assert len(needs_of(network, organization_id)) == before + 1


@pytest.mark.parametrize("csrf", ["", "of somebody else"])
def test_a_form_without_its_token_does_nothing(network: Network, member: tuple[Visitor, str], csrf: str) -> None:
    visitor, organization_id = member
    before = needs_of(network, organization_id)
    answer = visitor.need(organization_id, csrf=csrf)
    assert answer.status_code == 403
    assert "no longer valid" in answer.text
    assert needs_of(network, organization_id) == before


def test_text_that_tries_to_be_markup_is_text(network: Network, member: tuple[Visitor, str]) -> None:
    visitor, organization_id = member
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    answer = visitor.need(organization_id, need__title__en=hostile, need__description__ar=hostile, publish="1")
    assert answer.status_code == 200
    path = answer.url.path.removeprefix("/en")
    for page in (path, "/needs", f"{path}/change"):
        text = visitor.get(page).text
        assert "<script>" not in text, page
        assert "<img" not in text, page
        assert hostile in html.unescape(text), page


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "http://plain.example", 'https://x.example/"onclick='])
def test_a_link_is_https_or_none(come: Come, uri: str) -> None:
    visitor = come()
    visitor.get("/sign-up")
    visitor.send("/sign-up", account__email=visitor.email, account__password=PASSWORD)
    at = "application__organization__"
    named = {f"{at}display_name__en": "Linked", f"{at}type_code": "441", f"{at}homepage_uri": uri}
    answer = visitor.send("/apply?for=organization", **named)
    assert answer.status_code == 400
    assert len(visitor.wrong()) == 1
    assert f'value="{uri}"' in html.unescape(answer.text)  # what was typed is kept


def test_another_members_pages_are_not_there(network: Network, come: Come, member: tuple[Visitor, str]) -> None:
    visitor, organization_id = member
    draft = visitor.need(organization_id).url.path.removeprefix("/en")
    other = come()
    other.join(network)
    assert other.get(draft).status_code == 404
    assert other.get(f"{draft}/change").status_code == 404
    assert other.send(f"{draft}/publish").status_code in (403, 404)
    assert come().get(draft).status_code == 404


def test_a_session_that_ended_gives_the_form_back(network: Network, come: Come) -> None:
    visitor = come()
    organization_id = visitor.join(network)
    visitor.get("/needs/new")
    visitor.forget_session()
    typed = {"need__title__ar": "حقائب العلوم", "need__description__ar": "ح" * 20_000, "need__lines__0__quantity": "٧"}
    asked = visitor.send("/needs/new", **typed)
    assert asked.status_code == 401
    kept = html.unescape(re.findall(r'name="kept" value="([^"]*)"', visitor.page)[0])
    assert PASSWORD not in kept
    back = visitor.send("/sign-in", email=visitor.email, password=PASSWORD, next="/needs/new", kept=kept)
    assert 'value="حقائب العلوم"' in back.text
    assert "ح" * 20_000 in back.text
    assert 'value="٧"' in back.text
    assert organization_id in back.text
    assert needs_of(network, organization_id) == []


@pytest.mark.parametrize("following", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
def test_signing_in_leads_nowhere_else(
    network: Network, come: Come, member: tuple[Visitor, str], following: str
) -> None:
    visitor = come()
    visitor.get("/sign-in")
    answer = visitor.send("/sign-in", email=member[0].email, password=PASSWORD, next=following)
    assert answer.url.host == httpx.URL(network.stack.url).host
    assert answer.url.path == "/en/desk"
