"""Records over gRPC: their story, curation, versions, search, and what they refuse."""

import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from services.resources import store
from services.resources.worker import ResourcesWorker
from tests.support import (
    NO_ID,
    REASON,
    SCHOOL,
    Members,
    Service,
    Who,
    all_at_once,
    deliver,
    members_service,
    new_uuid,
    refusal,
    relayed,
    resources_service,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
GUIDE = {
    "title": {"ar": "دليل المعلّم", "en": "The teacher's guide"},
    "description": {"ar": "كيف تُدار حصة في صف كبير", "en": "How to lead a lesson in a large class"},
    "licence": "CC-BY-SA-4.0",
    "type": "GUIDE",
    "language_codes": ["ar"],
    "creators": ["Layla Haddad"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def resources(mongo_uri: str, members: Members) -> AsyncIterator[Service]:
    async with resources_service(mongo_uri, members) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def curator(members: Members) -> Who:
    return await members.account("curator")


class Publisher(msgspec.Struct, frozen=True):
    """An organization that resources knows, and who acts for it."""

    resources: Service
    who: Who
    curator: Who
    member_id: str

    async def __call__(self, rpc: str, **fields: Any) -> Any:
        return await self.resources(rpc, by=self.who, **fields)

    async def draft(self, **fields: Any) -> Any:
        return await self("CreateRecord", record={**GUIDE, "publisher_id": self.member_id, **fields})

    async def submitted(self, **fields: Any) -> Any:
        draft = await self.draft(**fields)
        return await self("SubmitRecord", record_id=draft.record_id, etag=draft.etag)

    async def published(self, **fields: Any) -> Any:
        return await self.publish(await self.submitted(**fields))

    async def publish(self, submitted: Any) -> Any:
        return await self.resources("PublishRecord", by=self.curator, record_id=submitted.record_id)

    async def next_version(self, record: Any) -> Any:
        """Of a record, published."""
        draft = await self("CreateVersion", record_id=record.record_id)
        return await self.publish(await self("SubmitRecord", record_id=draft.record_id))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def publishers(members: Members, resources: Service, curator: Who) -> list[Publisher]:
    """Two organizations."""
    made, coordinator = [], await members.account("coordinator")
    for _ in range(2):
        who = await members.account("member")
        submitted = await members.submitted(who, organization=SCHOOL)
        approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
        made.append(Publisher(resources, who, curator, approved.member_id))
    await deliver(resources, ResourcesWorker, *await relayed(members))
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def publisher(publishers: list[Publisher]) -> Publisher:
    return publishers[0]


async def found(resources: Service, q: str = "", **filters: Any) -> list[str]:
    """Ids, best first."""
    answer = await resources("SearchRecords", q=q, page_size=50, **filters)
    assert answer.total_size == len(answer.results)
    return [one.record.record_id for one in answer.results]


# -- the story -----------------------------------------------------------------------------------------------------
async def test_a_record_is_returned_improved_published_and_found(
    resources: Service, publisher: Publisher, curator: Who
) -> None:
    draft = await publisher.draft(title={"en": "Fractions with zaatar"})
    identity = {"record_id": draft.record_id}
    assert (draft.state, draft.version_number, draft.concept_id) == (draft.DRAFT, 1, draft.record_id)
    assert (draft.publisher_id, draft.etag, list(draft.language_codes)) == (publisher.member_id, "1", ["ar"])
    await publisher("SubmitRecord", **identity, etag=draft.etag)
    returned = await resources("ReturnRecord", by=curator, **identity, return_note=REASON)
    assert (returned.state, returned.return_note.ar) == (returned.RETURNED, REASON["ar"])
    assert (await publisher("GetRecord", **identity)) == returned
    changed = await publisher(
        "UpdateRecord",
        record={**identity, "keywords": [{"en": "fractions", "ar": "كسور"}], "etag": returned.etag},
        update_mask={"paths": ["keywords"]},
    )
    assert (changed.keywords[0].ar, changed.title.en) == ("كسور", "Fractions with zaatar")
    await publisher("SubmitRecord", **identity)
    assert await found(resources, "zaatar") == []
    published = await resources("PublishRecord", by=curator, **identity)
    assert (published.state, published.HasField("return_note")) == (published.PUBLISHED, False)
    assert await found(resources, "zaatar") == [draft.record_id]
    assert await found(resources, "كسر الكسور zaatar") == []  # all words have to be there
    assert await resources("GetRecord", **identity) == published
    assert await resources.announced(draft.record_id) == [
        ("record.submitted", 2),
        ("record.returned", 3),
        ("record.submitted", 5),
        ("record.published", 6),
    ]
    entries = await resources.db.outbox.find({"subject": draft.record_id}).sort("at", 1).to_list(None)
    assert "zaatar" not in str(entries[:3])
    assert "zaatar" in str(entries[3])
    assert REASON["en"] not in str(entries)


async def test_an_update_without_a_mask_changes_what_is_given_and_one_with_a_mask_empties_what_is_not(
    publisher: Publisher,
) -> None:
    draft = await publisher.draft()
    bare = {"title": {"en": "Bare"}, "licence": "CC0-1.0", "type": "OTHER", "record_id": draft.record_id}
    changed = await publisher("UpdateRecord", record=bare)
    assert (changed.title.ar, changed.licence) == ("", "CC0-1.0")
    assert (changed.description, list(changed.creators)) == (draft.description, ["Layla Haddad"])
    changed = await publisher("UpdateRecord", record=bare, update_mask={"paths": ["description", "creators"]})
    assert (changed.HasField("description"), list(changed.creators)) == (False, [])


# -- who ------------------------------------------------------------------------------------------------------------
async def test_a_draft_is_there_for_its_publisher_alone(
    resources: Service, publishers: list[Publisher], curator: Who
) -> None:
    own, other = publishers
    draft = await own.draft()
    for who in (other.who, curator, Who()):
        refused = await refusal(resources("GetRecord", by=who, language="ar", record_id=draft.record_id))
        assert (refused.code, refused.reason, refused.text) == ("NOT_FOUND", "RECORD_NOT_FOUND", "لا توجد مادة كهذه")
    for state, who, allowed in (
        ("DRAFT", own.who, True), ("DRAFT", other.who, False), ("DRAFT", curator, False),
        ("SUBMITTED", own.who, True), ("SUBMITTED", other.who, False), ("SUBMITTED", curator, True),
    ):  # fmt: skip
        call = resources("ListRecords", by=who, state=state, publisher_id=own.member_id, page_size=200)
        if allowed:
            shown = [one.record_id for one in (await call).records]
            assert (draft.record_id in shown) is (state == "DRAFT")
        else:
            assert (await refusal(call)).reason == "STATE_NOT_LISTED"


async def test_only_the_publisher_changes_it_and_a_curator_may_withdraw_it(
    resources: Service, publishers: list[Publisher], curator: Who
) -> None:
    own, other = publishers
    record = await own.published(title={"en": "Qanun music"})
    identity = {"record_id": record.record_id}
    for rpc, fields in (("CreateVersion", {}), ("WithdrawRecord", {"withdraw_reason": REASON}), ("SubmitRecord", {})):
        assert (await refusal(other(rpc, **identity, **fields))).reason == "NOT_PUBLISHER"
    assert (await refusal(own.publish(record))).metadata["state"] == "PUBLISHED"
    withdrawn = await resources("WithdrawRecord", by=curator, **identity, withdraw_reason=REASON)
    assert withdrawn.withdraw_reason.en == REASON["en"]
    assert await found(resources, "qanun") == []
    assert (await resources("GetRecord", **identity)).state == withdrawn.WITHDRAWN
    assert (await resources.announced(record.record_id))[-1] == ("record.withdrawn", 4)


async def test_for_an_organization_that_is_not_ones_own_nothing_is_created(publishers: list[Publisher]) -> None:
    own, other = publishers
    refused = await refusal(own.draft(publisher_id=other.member_id))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_ACTING_FOR")
    assert (await refusal(own.draft(publisher_id=""))).reason == "NO_PARTICIPANT"


# -- versions ------------------------------------------------------------------------------------------------------
async def test_a_version_that_is_asked_for_twice_is_begun_once(publisher: Publisher) -> None:
    first, request_id = await publisher.published(), new_uuid()
    again = [await publisher("CreateVersion", record_id=first.record_id, request_id=request_id) for _ in range(2)]
    assert again[0] == again[1]
    assert (await refusal(publisher("CreateVersion", record_id=first.record_id))).reason == "VERSION_UNFINISHED"


async def test_a_new_version_supersedes_the_former(resources: Service, publisher: Publisher) -> None:
    first = await publisher.published(title={"en": "Pomegranate reader"})
    draft = await publisher("CreateVersion", record_id=first.record_id)
    assert (draft.concept_id, draft.version_number, draft.title) == (first.concept_id, 2, first.title)
    assert (await refusal(publisher("CreateVersion", record_id=first.record_id))).reason == "VERSION_UNFINISHED"
    assert await found(resources, "pomegranate") == [first.record_id]
    second = await publisher.publish(await publisher("SubmitRecord", record_id=draft.record_id))
    assert await found(resources, "pomegranate") == [second.record_id]
    assert (await resources("GetRecord", record_id=first.record_id)).state == first.SUPERSEDED
    assert (await resources.announced(first.record_id))[-1] == ("record.superseded", 4)
    listed = await resources("ListRecords", concept_id=first.concept_id)
    assert [one.version_number for one in listed.records] == [2, 1]


async def test_whoever_publishes_at_the_same_moment_one_version_is_current(
    resources: Service, publisher: Publisher
) -> None:
    first = await publisher.published()
    drafts, refused = await all_at_once(publisher("CreateVersion", record_id=first.record_id) for _ in range(6))
    assert len(drafts) == 1
    assert {one.reason for one in refused} <= {"VERSION_UNFINISHED", "ABORTED", "VERSION_CONFLICT"}
    submitted = await publisher("SubmitRecord", record_id=drafts[0].record_id)
    published, refused = await all_at_once(publisher.publish(submitted) for _ in range(6))
    assert len(published) == 1
    assert {one.reason for one in refused} <= {"RECORD_IN_OTHER_STATE", "ABORTED", "VERSION_CONFLICT"}
    states = [one["state"] async for one in resources.db.records.find({"concept_id": first.concept_id})]
    assert sorted(states) == ["PUBLISHED", "SUPERSEDED"]
    assert await resources.db.entries.count_documents({"_id": {"$in": [first.record_id, submitted.record_id]}}) == 1


# -- search --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "group", [["ادلب", "إدلب", "Idlib", "Idleb"], ["مدرسه", "مَدْرَسَة", "المدرسة", "مدارس"]], ids=["idlib", "school"]
)
async def test_a_word_is_found_in_each_of_its_spellings(
    resources: Service, publisher: Publisher, group: list[str]
) -> None:
    made = [(await publisher.published(title={"ar": f"تقرير {word} xylo"})).record_id for word in group]
    for word in group:
        assert await found(resources, f"{word} xylo") == made[::-1], word
    for record_id in made:
        await publisher("WithdrawRecord", record_id=record_id, withdraw_reason=REASON)


async def test_where_a_word_stands_decides_the_order(resources: Service, publisher: Publisher) -> None:
    in_title = await publisher.published(title={"en": "Olive trees"})
    in_keywords = await publisher.published(keywords=[{"en": "olive"}])
    in_creators = await publisher.published(creators=["Olive Press"])
    in_text = await publisher.published(description={"en": "Written under an olive tree"})
    order = [one.record_id for one in (in_title, in_creators, in_keywords, in_text)]
    assert await found(resources, "olives") == order
    pages, token = [], ""
    for left in (3, 2, 1, 0):
        answer = await resources("SearchRecords", q="olives", page_size=1, page_token=token)
        assert answer.total_size == 4
        pages += [one.record.record_id for one in answer.results]
        token = answer.next_page_token
        assert bool(token) is bool(left)
    assert pages == order
    for wrong in ("x", "MTIz", "OTox"):
        refused = await refusal(resources("SearchRecords", q="olives", page_token=wrong))
        assert (refused.reason, list(refused.violations)) == ("BAD_PAGE_TOKEN", ["page_token"])


async def test_a_search_looks_at_so_many_and_says_so(
    resources: Service, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await publisher.published(title={"en": f"Fig {number}"}, creators=["Date Palm"]) for number in range(6)]
    await publisher.published(title={"en": "Date"})
    monkeypatch.setattr(store, "SEEN", 4)
    cases: list[tuple[dict[str, Any], bool, int]] = [
        ({"q": "fig"}, False, 4), ({"q": "date fig"}, False, 4), ({"q": "fig 3"}, True, 1), ({"q": ""}, False, 4),
    ]  # fmt: skip
    for question, complete, count in cases:
        answer = await resources("SearchRecords", **question)
        assert (answer.is_complete, answer.total_size, len(answer.results)) == (complete, count, count), question
    newest = [one.record.record_id for one in (await resources("SearchRecords", q="fig date")).results]
    assert newest == [one.record_id for one in made[:1:-1]]


async def test_a_result_shows_where_the_words_are(resources: Service, publisher: Publisher) -> None:
    await publisher.published(
        title={"en": "Cedars"}, description={"en": "Much text. " * 60 + "One cedar <b>stands</b>."}
    )
    (result,) = (await resources("SearchRecords", q="cedar")).results
    assert not result.record.HasField("description")
    title, description = result.snippets
    assert [(one.start, one.end) for one in title.highlights] == [(0, 6)]
    (hit,) = description.highlights
    assert description.text[hit.start : hit.end] == "cedar"
    assert "<b>stands</b>" in description.text  # plain text, as it was written
    assert "<mark>" not in description.text


async def test_filters_and_facets_agree(resources: Service, publisher: Publisher) -> None:
    dice = random.Random(7)
    choices: dict[str, list[Any]] = {
        "type": ["GUIDE", "REPORT", "VIDEO"],
        "licence": ["CC0-1.0", "MIT"],
        "language_codes": [["ar"], ["en"], ["ar", "en"], []],
        "subject_codes": [["mathematics"], ["arabic"], ["subjects"]],
        "level_codes": [["02"], ["1"], ["1", "2"]],
        "place_codes": [["SY07"], ["SY0703"], ["SY02", "SY0203"], []],
    }
    for number in range(12):
        picked = {name: dice.choice(values) for name, values in choices.items()}
        await publisher.published(title={"en": f"Basil {number}"}, **picked)
    answer = await resources("SearchRecords", q="basil")
    assert answer.total_size == 12
    assert [one.field for one in answer.facets] == [
        "type", "licence", "language_code", "subject_code", "level_code", "place_code",
    ]  # fmt: skip
    for facet in answer.facets:
        counts = [value.count for value in facet.values]
        assert counts == sorted(counts, reverse=True)
        for value in facet.values:
            assert len(await found(resources, "basil", **{facet.field: value.value})) == value.count, value
    both = {"type": "GUIDE", "place_code": "SY07"}
    one_by_one = [set(await found(resources, "basil", **{name: value})) for name, value in both.items()]
    assert set(await found(resources, "basil", **both)) == one_by_one[0] & one_by_one[1]
    everything = await resources("SearchRecords", place_code="SY07")
    assert everything.total_size >= 1


# -- what is wrong -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value", "violation"),
    [
        ("title", {}, ("record.title", "LOCALIZED_TEXT_REQUIRED")),
        ("licence", "CC-BY", ("record.licence", "STRING_IN")),
        ("type", 0, ("record.type", "REQUIRED")),
        ("type", 99, ("record.type", "ENUM_DEFINED_ONLY")),
        ("language_codes", ["ar", "arabic"], ("record.language_codes[1]", "STRING_PATTERN")),
        ("language_codes", ["ar", "ar"], ("record.language_codes", "REPEATED_UNIQUE")),
        ("subject_codes", ["arabic", "alchemy"], ("record.subject_codes[1]", "CODE_UNKNOWN")),
        ("subject_codes", ["textbooks"], ("record.subject_codes[0]", "CODE_UNKNOWN")),
        ("level_codes", ["9"], ("record.level_codes[0]", "STRING_PATTERN")),
        ("place_codes", ["SY0199"], ("record.place_codes[0]", "CODE_UNKNOWN")),
        ("place_codes", ["SY15"], ("record.place_codes[0]", "STRING_PATTERN")),
        ("creators", [""], ("record.creators[0]", "REQUIRED")),
        ("licence", "", ("record.licence", "REQUIRED")),
        ("keywords", [{"en": "x"}, {}], ("record.keywords[1]", "LOCALIZED_TEXT_REQUIRED")),
        ("publisher_id", "me", ("record.publisher_id", "STRING_UUID")),
        ("description", {"en": "Send 500 USD to us"}, ("record.description", "MONEY_REFUSED")),
    ],
)
async def test_what_is_wrong_is_told_by_field_and_not_stored(
    resources: Service, publisher: Publisher, field: str, value: Any, violation: tuple[str, str]
) -> None:
    before = await resources.dump()
    for language, script in (("en", str.isascii), ("ar", lambda text: not text.isascii())):
        sent = {**GUIDE, "publisher_id": publisher.member_id, field: value}
        refused = await refusal(publisher("CreateRecord", language=language, record=sent))
        assert list(refused.violations.items()) == [violation]
        assert script(refused.descriptions[violation[0]])
    assert await resources.dump() == before


async def test_what_cannot_be_done_now_changes_nothing(resources: Service, publisher: Publisher, curator: Who) -> None:
    draft = await publisher.draft()
    identity = {"record_id": draft.record_id}
    before = await resources.dump()
    for call, reason in (
        (resources("PublishRecord", by=curator, **identity), "RECORD_NOT_FOUND"),
        (publisher("SubmitRecord", **identity, etag="7"), "VERSION_CONFLICT"),
        (publisher("CreateVersion", **identity), "VERSION_UNFINISHED"),
        (publisher("RemoveFile", **identity, file_id=NO_ID), "FILE_NOT_FOUND"),
        (publisher("UpdateRecord", record=identity, update_mask={"paths": ["state"]}), "FIELD_NOT_CHANGEABLE"),
        (publisher("GetRecord", record_id=NO_ID), "RECORD_NOT_FOUND"),
    ):
        assert (await refusal(call)).reason == reason
    assert await resources.dump() == before


async def test_the_same_request_again_gets_the_same_answer(publisher: Publisher) -> None:
    request = {"request_id": new_uuid(), "record": {**GUIDE, "publisher_id": publisher.member_id}}
    assert await publisher("CreateRecord", **request) == await publisher("CreateRecord", **request)


# -- vocabularies --------------------------------------------------------------------------------------------------
async def test_everybody_reads_the_vocabularies(resources: Service) -> None:
    listed = await resources("ListVocabularies", page_size=2)
    following = await resources("ListVocabularies", page_token=listed.next_page_token)
    names = [one.name for one in (*listed.vocabularies, *following.vocabularies)]
    assert names == sorted(names)
    assert len(names) == listed.total_size
    places = await resources("GetVocabulary", name="places")
    assert (len(places.terms), places.title.ar) == (places.term_count, "محافظات سوريا ومناطقها")
    idlib = next(term for term in places.terms if term.code == "SY07")
    assert "Idlib" in (idlib.label.en, *idlib.synonyms.en)
    assert idlib.latitude > 30
    refused = await refusal(resources("GetVocabulary", name="../places"))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "VOCABULARY_NOT_FOUND")
