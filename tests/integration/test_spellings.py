"""One word, however it is spelled, finds the same wherever something is looked for."""

import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from participants.worker import ParticipantsWorker
from services.members import store as members_store
from tests.support import (
    PERSON,
    SCHOOL,
    Members,
    Service,
    Who,
    deliver,
    events_service,
    matching_service,
    members_service,
    new_uuid,
    relayed,
    resources_service,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPELLINGS = {
    "Idlib": ["ادلب", "إدلب", "Idlib", "Idleb"],
    "school": ["مدرسه", "مَدْرَسَة", "المدرسة"],
    "Hasakeh": ["الحسكه", "الحسكة", "Hasakeh"],
    "hamza": [unicodedata.normalize(form, "هيئة أهلية") for form in ("NFC", "NFD")],
    "teacher": ["المعلمين", "معلم"],
    "year": ["٢٠٢٦", "2026"],
}
CONVENING = {
    "kind": "WORKSHOP",
    "sessions": [{"start_time": {"seconds": 1_900_000_000}, "end_time": {"seconds": 1_900_003_600}}],
    "time_zone": "Asia/Damascus",
    "capacity": 9,
    "audience": "EVERYBODY",
}


class Network(msgspec.Struct, frozen=True):
    """All services, and an organization's account that may do everything."""

    members: Members
    matching: Service
    events: Service
    resources: Service
    who: Who
    organization_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(mongo_uri: str) -> AsyncIterator[Network]:
    async with (
        members_service(mongo_uri) as members,
        matching_service(mongo_uri, members) as matching,
        events_service(mongo_uri, members) as events,
        resources_service(mongo_uri, members) as resources,
    ):
        who = await members.account("member", "coordinator", "curator")
        submitted = await members.submitted(who, organization=SCHOOL)
        approved = await members("ApproveApplication", by=who, application_id=submitted.application_id)
        joined = await relayed(members)
        for service in (matching, events, resources):
            await deliver(service, ParticipantsWorker, *joined)
        yield Network(members, matching, events, resources, who, approved.member_id)


async def bank(to: Network, title: dict[str, str]) -> str:
    record = {"title": title, "licence": "CC0-1.0", "type": "GUIDE", "publisher_id": to.organization_id}
    draft = await to.resources("CreateRecord", by=to.who, record=record)
    await to.resources("SubmitRecord", by=to.who, record_id=draft.record_id)
    return str((await to.resources("PublishRecord", by=to.who, record_id=draft.record_id)).record_id)


async def need(to: Network, title: dict[str, str]) -> str:
    line = {"help_code": "science-kits", "quantity": 5, "unit_code": "kit"}
    made = {"title": title, "lines": [line]}
    return str((await to.matching("CreateNeed", by=to.who, organization_id=to.organization_id, need=made)).need_id)


async def convening(to: Network, title: dict[str, str]) -> str:
    made = {**CONVENING, "title": title}
    by: Any = {"by": to.who, "organization_id": to.organization_id}
    return str((await to.events("CreateConvening", convening=made, **by)).convening_id)


async def organization(to: Network, name: dict[str, str]) -> str:
    return str((await to.members.approved(to.who, organization={**SCHOOL, "display_name": name})).member_id)


async def person(to: Network, name: dict[str, str]) -> str:
    return str((await to.members.approved(to.who, person={**PERSON, "display_name": name})).member_id)


async def participant(to: Network, name: dict[str, str]) -> str:
    joined = await organization(to, name)
    await deliver(to.matching, ParticipantsWorker, *await relayed(to.members))
    return joined


class Channel(msgspec.Struct, frozen=True):
    """A way to look for something: `make` it, then call `rpc`, whose answer has what was found in `field`."""

    make: Callable[[Network, dict[str, str]], Awaitable[str]]
    service: str
    rpc: str
    field: str
    asks: str = "query"
    drafts_of: str = ""  # asks for the organization's, drafts as well

    async def find(self, to: Network, query: str) -> set[str]:
        of = {self.drafts_of: to.organization_id} if self.drafts_of else {}
        answer = await getattr(to, self.service)(self.rpc, by=to.who, page_size=50, **{self.asks: query}, **of)
        found = [getattr(one, "record", one) for one in getattr(answer, self.field)]
        assert answer.total_size == len(found)
        return {getattr(one, one.DESCRIPTOR.fields[0].name) for one in found}


ORGANIZATIONS = Channel(organization, "members", "ListOrganizations", "organizations")
BY_NAME = [
    ORGANIZATIONS,
    Channel(person, "members", "ListPeople", "people"),
    Channel(participant, "matching", "ListParticipants", "participants"),
]
BY_TITLE = [
    Channel(bank, "resources", "SearchRecords", "results", asks="q"),
    Channel(need, "matching", "ListNeeds", "needs", drafts_of="participant_id"),
    Channel(convening, "events", "ListConvenings", "convenings", drafts_of="organizer_id"),
]


@pytest.fixture
def mark() -> str:
    """A word that nothing else has."""
    return f"x{new_uuid()[:8]}"


@pytest.mark.parametrize("words", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("channel", [*BY_NAME, *BY_TITLE], ids=lambda channel: channel.field)
async def test_a_word_finds_the_same_in_each_of_its_spellings(
    network: Network, channel: Channel, words: list[str], mark: str
) -> None:
    made = {await channel.make(network, {"ar" if at % 2 else "en": f"{word} {mark}"}) for at, word in enumerate(words)}
    await channel.make(network, {"ar": f"حلب {mark}"})
    for word in words:
        assert await channel.find(network, f"{mark} {word}") == made, word


@pytest.mark.parametrize("channel", BY_NAME, ids=lambda channel: channel.field)
async def test_a_name_is_looked_up_by_its_rarest_word(network: Network, channel: Channel, mark: str) -> None:
    """In the index, in the order of the list: what is looked at is what is found."""
    wanted = await channel.make(network, {"en": f"aa {mark}"})
    db = getattr(network, channel.service).db
    collection = "participants.1" if channel.field == "participants" else channel.field
    row = await db[collection].find_one({"_id": wanted})
    others = [{**row, "_id": new_uuid(), "account_id": new_uuid(), "tokens": ["aa"]} for _ in range(500)]
    await db[collection].insert_many(others)
    await db.command("profile", 2, filter={"ns": f"{db.name}.{collection}", "op": "query"})
    assert await channel.find(network, f"aa {mark}") == {wanted}
    await db.command("profile", 0)
    [query] = await db["system.profile"].find({"ns": f"{db.name}.{collection}"}).to_list(None)
    assert (query["planSummary"], query["docsExamined"]) == ("IXSCAN { tokens: 1, _id: 1 }", 1)
    assert not query.get("hasSortStage")


async def test_members_from_before_there_was_a_search_are_found_once_migrated(network: Network, mark: str) -> None:
    made = {await organization(network, {"ar": f"{word} {mark}"}) for word in SPELLINGS["school"]}
    db = network.members.db
    await db.organizations.update_many({"_id": {"$in": [*made]}}, {"$unset": {"tokens": ""}})
    assert await ORGANIZATIONS.find(network, mark) == set()
    await members_store.migrate(db)
    assert await ORGANIZATIONS.find(network, mark) == made
