"""The pages of the account itself: where it is signed in."""

import base64
import html
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.network import Network, network, words, wrong
from tests.support import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIREFOX = "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def net(mongo_uri: str) -> AsyncIterator[Network]:
    async with network(mongo_uri) as running:
        yield running


async def test_one_sees_where_one_is_signed_in_and_ends_a_session_elsewhere(net: Network) -> None:
    who = await net.members.account()
    async with net.browser(who, agent=FIREFOX) as here, net.browser(who, agent=SAFARI) as there:
        page = await here.get("/en/sessions")
        text = words(page)
        assert text.index("Safari, iPhone") < text.index("Firefox, Android")
        [elsewhere] = re.findall(r"/en(/sessions/[^/]+/revoke)", page)
        gone = await here.post(f"/en{elsewhere}")
        assert "The session has ended." in gone
        assert "Safari" not in words(gone)
        assert "Firefox, Android" in words(gone)
        there.client.cookies.set("wasl_access", "a.e30.b")
        assert "/sign-in" in str((await there.client.get("/en/sessions")).url)


async def test_nobody_ends_a_session_of_somebody_else(net: Network) -> None:
    who, somebody_else = await net.members.account(), await net.members.account()
    async with net.browser(who) as here, net.browser(who), net.browser(somebody_else) as other:
        [foreign] = re.findall(r"/en(/sessions/[^/]+/revoke)", await here.get("/en/sessions"))
        await other.post(f"/en{foreign}", status=404)
        assert foreign in await here.get("/en/sessions")


@pytest.mark.parametrize(
    ("agent", "shown"), [(EDGE, "Edge, Windows"), ("curl/8.5.0", "A program whose name we do not know")]
)
async def test_a_session_is_called_by_its_program(net: Network, agent: str, shown: str) -> None:
    async with net.browser(await net.members.account(), agent=agent) as browser:
        assert shown in words(await browser.get("/en/sessions"))


@pytest.mark.parametrize(
    "path", ["/sign-up", "/apply", "/apply?for=organization", "/needs/new", "/offers/new", "/records/new"]
)
async def test_an_empty_form_says_at_each_field_what_is_missing(net: Network, path: str) -> None:
    member = await net.joined()
    async with net.browser(None if path == "/sign-up" else member.who) as browser:
        page = await browser.get(f"/ar{path}")
        names = re.findall(r'<(?:input|select|textarea)[^>]* name="([a-z_0-9]+\.[^"]+)"', page)
        told = await browser.post(f"/ar{path}", dict.fromkeys(names, ""), status=400)
        assert len(wrong(told)) > 1 or path == "/apply"
        assert wrong(told)
        assert not re.search(r"[a-z]+\.[a-z_]+:", words(told)), "no path of the contract"


async def test_a_wrong_password_keeps_the_form_and_what_came_with_it(net: Network) -> None:
    who = await net.members.account()
    async with net.browser() as browser:
        await browser.get("/en/sign-in")
        sent = {
            "email": who.email,
            "password": "a wrong one",
            "next": "/apply",
            "kept": '{"application.statement.en": ["Mine"]}',
        }
        page = await browser.post("/en/sign-in", sent, status=401)
        assert f'value="{who.email}"' in page
        assert "E-mail or password is wrong" in words(page)
        again = await browser.post("/en/sign-in", {**sent, "password": PASSWORD, "kept": kept_in(page)})
        assert ">Mine</textarea>" in again


async def test_a_session_that_ended_gives_back_the_form_of_the_same_address(net: Network) -> None:
    who = await net.members.account()
    async with net.browser(who) as browser:
        await browser.get("/en/apply?for=organization")
        for name in ("wasl_access", "wasl_refresh"):
            browser.client.cookies.delete(name)
        typed = {"application.organization.display_name.en": "Hope", "application.organization.type_code": "441"}
        page = await browser.post("/en/apply?for=organization", typed, status=401)
        following = html.unescape(re.findall(r'name="next" value="([^"]*)"', page)[0])
        assert following == "/apply?for=organization"
        sent = {"email": who.email, "password": PASSWORD, "next": following, "kept": kept_in(page)}
        again = await browser.post("/en/sign-in", sent)
        assert re.search(r'name="application.organization.display_name.en"[^>]* value="Hope"', again)


@pytest.mark.parametrize("kept", ["{", "[]", "1", '{"a": 1}', '{"a": null}', "[" * 100_000, '{"a": ["\\ud800"]}'])
async def test_what_was_never_kept_is_nothing(net: Network, kept: str) -> None:
    who = await net.members.account()
    async with net.browser() as browser:
        await browser.get("/en/sign-in")
        sent = {"email": who.email, "password": PASSWORD, "next": "/apply", "kept": kept}
        assert 'name="application.statement.en"' in await browser.post("/en/sign-in", sent)


@pytest.mark.parametrize("coded", ["%FF%FE", "%C3", "%ED%A0%80"])
async def test_what_is_no_utf8_is_refused_and_not_stored(net: Network, coded: str) -> None:
    who = await net.members.account()
    async with net.browser(who) as browser:
        page = await browser.get("/en/apply?for=organization")
        token = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        sent = f"csrf={token}&application.organization.type_code=441&application.organization.display_name.en={coded}"
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer = await browser.client.post("/en/apply?for=organization", content=sent, headers=kind)
        assert answer.status_code == 400
        assert "not text in UTF-8" in words(answer.text)
        assert not (await net.members("ListApplications", by=who)).applications


def kept_in(page: str) -> str:
    return html.unescape(re.findall(r'name="kept" value="([^"]*)"', page)[0])


@pytest.mark.parametrize(
    ("zone", "time"),
    [("Asia/Damascus", "0001-01-01T00:30"), ("America/New_York", "9999-12-31T23:59"), ("Asia", "2031-01-01T10:00")],
)
async def test_a_time_that_no_zone_has_is_told_in_the_form(net: Network, zone: str, time: str) -> None:
    member = await net.joined()
    async with net.browser(member.who) as browser:
        await browser.get("/en/convenings/new")
        typed = {"convening.time_zone": zone, "convening.sessions.0.start_time": time, "convening.title.en": "Kits"}
        page = await browser.post("/en/convenings/new", typed, status=400)
        assert 'value="Kits"' in page


async def test_while_members_is_away_pages_stay_and_what_was_sent_can_be_sent_again(mongo_uri: str) -> None:
    async with network(mongo_uri, members_address="127.0.0.1:1", call_seconds=2.0) as net, net.browser() as browser:
        await browser.get("/en/sign-in")
        claims = base64.urlsafe_b64encode(b'{"sub":"a","exp":1}').decode().rstrip("=")
        for name, value in (("wasl_access", f"a.{claims}.b"), ("wasl_refresh", "c")):
            browser.client.cookies.set(name, value, domain="portal.example")
        for path in ("/en", "/en/about", "/en/help", "/en/records", "/en/convenings"):
            await browser.get(path)
        assert browser.client.cookies["wasl_refresh"] == "c", "it is used again when members is back"
        await browser.get("/en/desk", status=503)
        page = await browser.post("/en/needs/new", {"need.title.en": 'Kits "now"'}, status=503)
        assert '<input type="hidden" name="need.title.en" value="Kits &#34;now&#34;">' in page


async def test_tokens_of_keys_that_are_no_more_are_renewed_or_forgotten(net: Network) -> None:
    member = await net.joined()
    async with net.browser(member.who) as browser:
        token = browser.client.cookies["wasl_access"]
        browser.client.cookies.set("wasl_access", token[:-6] + "AAAAAA", domain="portal.example")
        await browser.get("/en/desk")
        renewed = browser.client.cookies["wasl_access"]
        assert renewed[-6:] != "AAAAAA"
    async with net.browser() as browser:
        for name, value in (("wasl_access", token[:-6] + "AAAAAA"), ("wasl_refresh", "none")):
            browser.client.cookies.set(name, value, domain="portal.example")
        assert "Sign in" in await browser.get("/en/organizations")
        assert "Please sign in" in await browser.get("/en/desk")


async def test_a_cookie_that_is_no_token_is_nobody(net: Network) -> None:
    async with net.browser() as browser:
        answer = await browser.client.get("/en", headers={b"cookie": "wasl_access=é.é.é; wasl_refresh=é".encode()})
        assert answer.status_code == 200
