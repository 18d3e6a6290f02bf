"""The directory, profiles and affiliations in a browser."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.network import Member, Network, network, said, wrong
from tests.integration.test_portal import NOBODY
from tests.support import NO_ID, PERSON, SCHOOL, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def net(mongo_uri: str) -> AsyncIterator[Network]:
    async with network(mongo_uri) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def school(net: Network) -> Member:
    return await net.school()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def amal(net: Network) -> Member:
    return await net.joined(person=PERSON)


# -- organizations -------------------------------------------------------------------------------------------------
async def test_everybody_finds_organizations_by_type_and_place(net: Network, school: Member) -> None:
    university = await net.joined(organization={**SCHOOL, "type_code": "431", "place_code": "SY08"})
    async with net.browser() as browser:
        for query, found in (("type=431", [university]), ("place=SY08", [university]), ("place=SY02", [school])):
            page = await browser.get(f"/en/organizations?{query}")
            assert re.findall(r'href="/en/organizations/([0-9a-f-]{36})"', page) == [one.member_id for one in found]
        page = await browser.get("/ar/organizations")
        assert "مدرسة الأمل" in page
        assert "لا نتائج" in await browser.get("/ar/organizations?type=435")


async def test_a_long_list_goes_on_behind_a_link(net: Network) -> None:
    for _ in range(21):
        await net.members.approved(net.coordinator, organization={**SCHOOL, "type_code": "444"})
    async with net.browser() as browser:
        first = await browser.get("/en/organizations?type=444")
        following = re.search(r'href="(/en/organizations\?[^"]*page_token=[^"]*)"', first)
        assert following
        second = await browser.get(following[1].replace("&amp;", "&"))
        pages = [set(re.findall(r"/en/organizations/([0-9a-f-]{36})", page)) for page in (first, second)]
        assert [len(page) for page in pages] == [20, 1]
        assert not pages[0] & pages[1]


async def test_an_organizations_people_are_for_members(net: Network, school: Member, amal: Member) -> None:
    asked = {"person_id": amal.member_id, "organization_id": school.member_id, "role": "STAFF"}
    made = await net.members("CreateAffiliation", by=amal.who, affiliation=asked)
    await net.members("ConfirmAffiliation", by=net.coordinator, affiliation_id=made.affiliation_id)
    path = f"/en/organizations/{school.member_id}"
    async with net.browser() as stranger, net.browser(amal.who) as member:
        assert "Amal Haddad" not in await stranger.get(path)
        page = await member.get(path)
        assert "Amal Haddad" in page
        assert "· Staff" in page
        assert f'href="/en/people/{amal.member_id}"' in page
        assert "Change the profile" not in page, "Amal does not act for it"
    await net.members("EndAffiliation", by=amal.who, affiliation_id=made.affiliation_id)


async def test_a_page_shows_what_an_organization_organizes_and_publishes(net: Network, school: Member) -> None:
    session = {"start_time": {"seconds": 1_900_000_000}, "end_time": {"seconds": 1_900_003_600}}
    convening = {
        "kind": "SEMINAR",
        "title": {"en": "A <b>big</b> seminar"},
        "sessions": [session],
        "time_zone": "Asia/Damascus",
        "capacity": 5,
        "audience": "EVERYBODY",
    }
    draft = await net.events("CreateConvening", by=school.who, convening=convening, organization_id=school.member_id)
    path = f"/organizations/{school.member_id}"
    async with net.browser() as browser:
        assert draft.convening_id not in await browser.get(f"/en{path}"), "a draft is nobody else's"
        await net.events("PublishConvening", by=school.who, convening_id=draft.convening_id)
        page = await browser.get(f"/ar{path}")
        assert f'href="/ar/convenings/{draft.convening_id}"' in page
        assert '<bdi lang="en" dir="ltr">A &lt;b&gt;big&lt;/b&gt; seminar</bdi>' in page
        await browser.get(f"/en/organizations/{NO_ID}", status=404)


async def test_other_parts_are_dark_while_their_service_is_away(mongo_uri: str) -> None:
    async with network(mongo_uri, events_address=NOBODY, resources_address=NOBODY) as dark, dark.browser() as browser:
        approved = await dark.members.approved(dark.coordinator, organization=SCHOOL)
        page = await browser.get(f"/en/organizations/{approved.member_id}")
        assert page.count("This part is not available now") == 2
        assert "Hope School" in page
    async with network(mongo_uri, members_address=NOBODY) as dark, dark.browser() as browser:
        assert "هذا الجزء غير متاح الآن" in await browser.get("/ar/organizations")


# -- people --------------------------------------------------------------------------------------------------------
async def test_people_are_shown_to_members_only(net: Network, amal: Member) -> None:
    applicant = await net.members.account()
    async with net.browser() as stranger, net.browser(applicant) as outside, net.browser(amal.who) as member:
        for path in ("/people", f"/people/{amal.member_id}"):
            assert "Please sign in" in await stranger.get(f"/en{path}")
            assert "أمل حداد" not in await outside.get(f"/ar{path}", status=403)
            assert "أمل حداد" in await member.get(f"/ar{path}")


# -- one's own -----------------------------------------------------------------------------------------------------
async def test_a_person_changes_the_own_profile_and_nobody_elses(net: Network, amal: Member) -> None:
    other = await net.joined(person=PERSON)
    name = "person.profile.display_name"
    filled = {f"{name}.ar": "أمل حدّاد", f"{name}.en": "", "person.profile.of_age": "true"}
    async with net.browser(amal.who) as browser:
        assert "Amal Haddad" in await browser.get("/en/profile")
        form = await browser.get(f"/en/people/{amal.member_id}/change")
        assert 'value="Amal Haddad"' in form
        path = f"/people/{amal.member_id}/change"
        page = await browser.post(f"/ar{path}", filled)
        assert "تم الحفظ" in page
        assert "أمل حدّاد" in page
        kept = await net.members("GetPerson", by=amal.who, person_id=amal.member_id)
        assert (kept.profile.display_name.en, kept.profile.place_code) == ("", ""), "what was emptied is empty"
        bad = {**filled, f"{name}.ar": "x" * 6000, "person.profile.place_code": "SY99"}
        page = await browser.post(f"/en{path}", bad, status=400)
        told = await refusal(
            net.members(
                "UpdatePerson",
                by=amal.who,
                person={
                    "person_id": amal.member_id,
                    "profile": {"display_name": {"ar": "x" * 6000}, "place_code": "SY99", "of_age": True},
                },
            )
        )
        assert sorted(wrong(page)) == sorted(told.descriptions.values())
        page = await browser.post(f"/en/people/{other.member_id}/change", filled, status=403)
        assert "Only its owner or a coordinator may change this" in page
        untouched = await net.members("GetPerson", by=other.who, person_id=other.member_id)
        assert untouched.profile.display_name.ar == "أمل حداد"


async def test_who_acts_for_an_organization_changes_it(net: Network, school: Member, amal: Member) -> None:
    path = f"/organizations/{school.member_id}"
    profile = "organization.profile"
    filled = {f"{profile}.display_name.ar": "مدرسة الأمل", f"{profile}.type_code": "441"}
    async with net.browser(school.who) as browser, net.browser(amal.who) as other:
        assert f'href="/en{path}/change"' in await browser.get(f"/en{path}")
        bad = {**filled, f"{profile}.homepage_uri": "javascript:alert(1)"}
        page = await browser.post(f"/en{path}/change", bad, status=400)
        assert len(wrong(page)) == 1
        assert 'value="javascript:alert(1)"' in page, "what was typed is kept"
        page = await browser.post(f"/en{path}/change", {**filled, f"{profile}.homepage_uri": "https://amal.example/"})
        assert 'href="https://amal.example/"' in page
        await other.post(f"/en{path}/change", filled, status=403)


async def test_an_affiliation_is_asked_for_seen_and_taken_back(net: Network, school: Member) -> None:
    sami = await net.joined(person={**PERSON, "display_name": {"ar": "سامي"}})
    fields = {"affiliation.person_id": sami.member_id, "affiliation.organization_id": school.member_id}
    async with net.browser(sami.who) as browser, net.browser(school.who) as organization:
        assert "Choose the organization here" in await browser.get("/en/affiliations/new")
        form = await browser.get(f"/ar/affiliations/new?organization_id={school.member_id}")
        assert "ممثّل أو ممثّلة عنها" in form
        page = await browser.post("/en/affiliations/new", {**fields, "affiliation.role": ""}, status=400)
        assert len(wrong(page)) == 1
        assert "affiliation.role:" not in page, "told at its place, and only there"
        page = await browser.post("/en/affiliations/new", {**fields, "affiliation.role": "REPRESENTATIVE"})
        assert "Waits for a coordinator" in page
        page = await browser.post("/ar/affiliations/new", {**fields, "affiliation.role": "STAFF"}, status=409)
        assert "لهذا الشخص انتساب قائم إلى هذه المنظمة" in page
        assert "apply to join for yourself first" in await organization.get(
            f"/en/affiliations/new?organization_id={school.member_id}"
        )
        end = re.search(r'action="/ar(/affiliations/[0-9a-f-]{36}/end)"', await browser.get("/ar/profile"))
        assert end
        assert "منتهٍ" in await browser.post(f"/ar{end[1]}")
        stranger = await net.joined(person=PERSON)
        async with net.browser(stranger.who) as other:
            await other.post(f"/en{end[1]}", status=403)


async def test_no_word_of_these_pages_is_left_in_the_other_language(net: Network, school: Member, amal: Member) -> None:
    async with net.browser(amal.who) as browser:
        for path in (
            "/organizations",
            f"/organizations/{school.member_id}",
            f"/organizations/{school.member_id}/change",
            "/people",
            f"/people/{amal.member_id}",
            f"/people/{amal.member_id}/change",
            "/profile",
            f"/affiliations/new?organization_id={school.member_id}",
            "/sessions",
        ):
            arabic, english = [said(await browser.get(f"/{code}{path}")) for code in ("ar", "en")]
            assert set(re.findall("[A-Za-z]+", arabic)) <= {"https"}, path
            assert re.findall("[\u0600-\u06ff]+", english) == [], path


async def test_an_address_that_means_nothing_says_so(net: Network) -> None:
    async with net.browser() as browser:
        for path in ("/en/convenings?page_token=x", "/en/organizations?page_token=x", "/en/convenings/x"):
            assert "There is nothing at this address" in await browser.get(path, status=404)
        for path in ("/en/convenings?place=XX", f"/en/organizations?q={'a' * 201}"):
            assert "does not take this kind of request" not in await browser.get(path, status=400)
