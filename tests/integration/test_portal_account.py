"""The pages of the account itself: where it is signed in."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.network import Network, network, words

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
