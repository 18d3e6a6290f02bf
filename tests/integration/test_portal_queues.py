"""What coordinators do in a browser, and what nobody else gets to see."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.network import Browser, Network, network, said, words, wrong
from tests.support import PASSWORD, PERSON, REASON, SCHOOL, id_of, new_uuid, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def net(mongo_uri: str) -> AsyncIterator[Network]:
    async with network(mongo_uri) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(net: Network) -> AsyncIterator[Browser]:
    """The coordinator's browser."""
    async with net.browser(net.coordinator) as browser:
        yield browser


async def submitted(net: Network, name: str, *, days_ago: int = 0, **fields: Any) -> Any:
    """An application that was handed in so many days ago."""
    application = {"person": {**PERSON, "display_name": {"en": name}}, "statement": {"ar": "أعلّم منذ سنين"}, **fields}
    made = await net.members.submitted(await net.members.account(), **application)
    when = datetime.now(UTC) - timedelta(days=days_ago)
    await net.members.db.applications.update_one({"_id": made.application_id}, {"$set": {"submit_time": when}})
    return made


async def test_the_queue_begins_with_who_has_waited_longest(net: Network, desk: Browser) -> None:
    for name, days in (("Nada", 3), ("Rami", 20), ("Hala", 0)):
        await submitted(net, name, days_ago=days)
    page = words(await desk.get("/en/queues/applications"))
    assert page.index("Rami") < page.index("Nada") < page.index("Hala")
    assert re.search(r"Rami Handed in Person · waiting for 20 days · late: was due on", page)
    assert re.search(r"Nada Handed in Person · waiting for 3 days · due on", page)
    arabic = words(await desk.get("/ar/queues/applications"))
    assert "ينتظر منذ ٢٠ يومًا · متأخر: كان موعد القرار في" in arabic
    assert "ينتظر منذ ٣ أيام" in arabic
    assert "قُدّم اليوم" in arabic
    assert "3 waiting" in words(await desk.get("/en/queues"))


async def test_an_application_is_reviewed_and_approved(net: Network, desk: Browser) -> None:
    made = await submitted(net, "Lina")
    path = f"/queues/applications/{made.application_id}"
    page = await desk.get(f"/ar{path}")
    assert "أعلّم منذ سنين" in page
    assert "قيد المراجعة" in words(await desk.post(f"/ar{path}/review", {"etag": made.etag}))
    stale = words(await desk.post(f"/en{path}/approve", {"etag": made.etag}, status=409))
    assert "Under review" in stale, "somebody has changed it since: nothing is decided, the page shows what is now"
    page = await desk.post(f"/en{path}/approve")
    assert "The application is approved" in page
    approved = await net.members("GetApplication", by=net.coordinator, **id_of(made))
    assert approved.state == approved.APPROVED
    assert f'href="/en/people/{approved.member_id}"' in page
    assert "/approve" not in page
    assert "Lina" in await desk.get("/en/queues/applications?state=APPROVED")


async def test_a_rejection_has_a_reason_that_the_applicant_reads(net: Network, desk: Browser) -> None:
    made = await submitted(net, "Omar")
    path = f"/queues/applications/{made.application_id}"
    reasons: tuple[dict[str, str], ...] = ({}, {"ar": "أعطونا ٥٠٠ دولار"})
    for reason in reasons:
        page = await desk.post(f"/ar{path}/reject", {"reject_reason.ar": reason.get("ar", "")}, status=400)
        asked = {**id_of(made), **({"reject_reason": reason} if reason else {})}
        told = await refusal(net.members("RejectApplication", by=net.coordinator, language="ar", **asked))
        assert wrong(page) == list(told.descriptions.values()), "as the service says it, at the field"
        assert reason.get("ar", "") in page
    page = await desk.post(f"/en{path}/reject", {"reject_reason.ar": REASON["ar"], "reject_reason.en": REASON["en"]})
    assert "Documents are missing" in page
    rejected = await net.members("GetApplication", by=net.coordinator, **id_of(made))
    assert (rejected.reject_reason.ar, rejected.reject_reason.en) == (REASON["ar"], REASON["en"])


async def test_other_applications_of_the_account_stand_beside_it(net: Network, desk: Browser) -> None:
    who = await net.members.account()
    first = await net.members.submitted(who)
    second = await net.members.submitted(who, organization=SCHOOL)
    page = await desk.get(f"/en/queues/applications/{first.application_id}")
    assert f'href="/en/queues/applications/{second.application_id}"' in page
    assert f'href="/en/queues/applications/{first.application_id}"' not in page.partition("<main")[2]


async def test_affiliations_are_confirmed_or_declined(net: Network, desk: Browser) -> None:
    school, people = await net.school(), [await net.joined(person=PERSON) for _ in range(2)]
    made = [
        await net.members(
            "CreateAffiliation",
            by=one.who,
            affiliation={"person_id": one.member_id, "organization_id": school.member_id, "role": "REPRESENTATIVE"},
        )
        for one in people
    ]
    page = words(await desk.get("/en/queues/affiliations"))
    assert page.count("Representative · Hope School") == 2
    first, second = [f"/queues/affiliations/{one.affiliation_id}" for one in made]
    assert "أُكّد الانتساب" in await desk.post(f"/ar{first}/confirm")
    assert "Amal Haddad · Representative" in words(await desk.get(f"/en{second}")), "the first is beside it"
    page = await desk.post(f"/en{second}/decline", {"decline_reason.ar": ""}, status=400)
    assert len(wrong(page)) == 1
    await desk.post(f"/en{second}/decline", {"decline_reason.ar": REASON["ar"]})
    states = [
        (await net.members("GetAffiliation", by=net.coordinator, affiliation_id=one.affiliation_id)).state
        for one in made
    ]
    assert states == [2, 3]
    assert "No affiliation waits" in await desk.get("/en/queues/affiliations")


async def test_roles_are_given_and_taken_but_not_from_oneself(net: Network, desk: Browser) -> None:
    sami = await net.joined(person=PERSON)
    path = f"/accounts/{sami.who.account_id}/roles"
    async with net.browser(sami.who) as browser:
        await browser.get("/en/queues", status=403)
        page = await desk.post(f"/en{path}/grant", {"role": "curator"})
        assert "The role is granted" in page
        assert words(page).count("Granted") == 1
        account = await net.members("GetAccount", by=net.coordinator, account_id=sami.who.account_id)
        assert set(account.roles) == {"member", "curator"}
    async with net.browser(sami.who) as browser:
        page = words(await browser.get("/en/queues"))
        assert "Records 0" in page
        assert "Applications" not in page
    assert "سُحب الدور" in await desk.post(f"/ar{path}/revoke", {"role": "curator"})
    await desk.post(f"/en{path}/grant", {"role": "member"}, status=400)
    page = await desk.post(f"/en/accounts/{net.coordinator.account_id}/roles/revoke", {"role": "coordinator"}, 400)
    assert "You cannot take a role from yourself" in page


async def test_these_pages_are_for_coordinators(net: Network) -> None:
    made, member = await submitted(net, "Zeina"), await net.joined(person=PERSON)
    paths = (
        "/queues",
        "/queues/applications",
        f"/queues/applications/{made.application_id}",
        "/queues/affiliations",
        f"/accounts/{net.coordinator.account_id}/roles",
        "/figures",
    )
    async with net.browser(member.who) as browser, net.browser() as stranger:
        for path in paths:
            assert "Zeina" not in await browser.get(f"/en{path}", status=403)
            assert "Please sign in" in await stranger.get(f"/en{path}")
        for verb in ("review", "approve", "reject"):
            fields = {"reject_reason.en": "no"}
            await browser.post(f"/en/queues/applications/{made.application_id}/{verb}", fields, status=403)
        await browser.post(f"/en/accounts/{member.who.account_id}/roles/grant", {"role": "coordinator"}, status=403)
    kept = await net.members("GetApplication", by=net.coordinator, **id_of(made))
    assert kept.state == kept.SUBMITTED


# -- figures -------------------------------------------------------------------------------------------------------
async def test_growth_is_drawn_and_told(net: Network, desk: Browser) -> None:
    growth = await net.members("GetGrowth", by=net.coordinator, months=12)
    now = growth.months[-1]
    page = await desk.get("/en/figures")
    assert f"{datetime.now(UTC):%B %Y} {now.people_count} {now.organization_count}" in words(page)
    assert page.count("<rect") == 24
    assert (await desk.get("/ar/figures?months=24")).count("<rect") == 48
    assert (await desk.get("/en/figures?months=9999")).count("<rect") == 24


async def test_no_word_of_these_pages_is_left_in_the_other_language(net: Network, desk: Browser) -> None:
    school, sami = await net.school(), await net.joined(person=PERSON)
    asked = {"person_id": sami.member_id, "organization_id": school.member_id, "role": "STAFF"}
    affiliation = await net.members("CreateAffiliation", by=sami.who, affiliation=asked)
    made = await submitted(net, "Huda")
    for path in (
        "/queues",
        "/queues/applications",
        "/queues/applications?state=APPROVED",
        f"/queues/applications/{made.application_id}",
        "/queues/affiliations",
        f"/queues/affiliations/{affiliation.affiliation_id}",
        f"/accounts/{sami.who.account_id}/roles",
        "/figures",
        "/desk",
    ):
        assert re.findall("[A-Za-z]+", said(await desk.get(f"/ar{path}"))) == [], path
        assert re.findall("[\u0600-\u06ff]+", said(await desk.get(f"/en{path}"))) == [], path


async def test_who_has_become_a_coordinator_need_not_sign_in_again(net: Network) -> None:
    account = {"email": f"{new_uuid()}@wasl.example", "password": PASSWORD}
    made = await net.members("CreateAccount", account=account)
    async with net.browser() as browser:
        await browser.get("/en/sign-in")
        await browser.post("/en/sign-in", {**account, "next": "/desk"})
        await browser.get("/en/queues", status=403)
        await net.members("GrantRole", by=net.coordinator, account_id=made.account_id, role="coordinator")
        await browser.get("/en/queues")
