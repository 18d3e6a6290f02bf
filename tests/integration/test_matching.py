"""Needs, offers, suggestions and matches over gRPC: their stories, their races, and what they refuse."""

import asyncio
import datetime
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.matching import store
from services.matching.worker import MatchingWorker
from tests.support import (
    NO_ID,
    NOBODY,
    PERSON,
    REASON,
    SCHOOL,
    Members,
    Service,
    Who,
    all_at_once,
    deliver,
    matching_service,
    members_service,
    refusal,
    relayed,
)
from wasl.matching.v1 import postings_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")
KITS = {"help_code": "science-kits", "quantity": 500, "unit_code": "kit", "place_code": "SY07"}
CHAIRS = {"help_code": "chairs", "quantity": 10, "unit_code": "piece"}
TITLE = {"ar": "حقائب علوم لمدارس إدلب", "en": "Science kits for schools in Idleb"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(mongo_uri: str) -> AsyncIterator[Members]:
    async with members_service(mongo_uri) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matching(mongo_uri: str, members: Members) -> AsyncIterator[Service]:
    async with matching_service(mongo_uri, members) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def coordinator(members: Members) -> Who:
    return await members.account("coordinator")


class Party:
    """An organization that matching knows, and who acts for it."""

    def __init__(self, matching: Service, who: Who, member_id: str) -> None:
        self.matching, self.who, self.member_id = matching, who, member_id

    async def __call__(self, rpc: str, **fields: Any) -> Any:
        return await self.matching(rpc, by=self.who, **fields)

    async def need(self, *lines: dict[str, Any], **fields: Any) -> Any:
        return await self._posted("Need", lines, fields)

    async def offer(self, *lines: dict[str, Any], **fields: Any) -> Any:
        return await self._posted("Offer", lines, fields)

    async def _posted(self, kind: str, lines: tuple[dict[str, Any], ...], fields: dict[str, Any]) -> Any:
        posting = {"title": TITLE, "lines": lines or (KITS,), **fields}
        noun = kind.lower()
        draft = await self(f"Create{kind}", organization_id=self.member_id, **{noun: posting})
        return await self(f"Publish{kind}", **{f"{noun}_id": getattr(draft, f"{noun}_id")}, etag=draft.etag)

    async def propose(self, need: Any, offer: Any, quantity: int = 300, **fields: Any) -> Any:
        match = {
            "need_id": need.need_id,
            "need_line_id": need.lines[0].line_id,
            "offer_id": offer.offer_id,
            "offer_line_id": offer.lines[0].line_id,
            "proposed_quantity": quantity,
            **fields,
        }
        return await self("CreateMatch", match=match)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parties(members: Members, matching: Service, coordinator: Who) -> list[Party]:
    """Three organizations."""
    made = []
    for _ in range(3):
        who = await members.account("member")
        submitted = await members.submitted(who, organization=SCHOOL)
        approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
        made.append(Party(matching, who, approved.member_id))
    await deliver(matching, MatchingWorker, *await relayed(members))
    return made


async def quantities(party: Party, need: Any) -> tuple[int, int, int]:
    """Committed, delivered and open of a need's first line."""
    line = (await party("GetNeed", need_id=need.need_id)).lines[0]
    assert line.committed_quantity + line.open_quantity == line.quantity
    return line.committed_quantity, line.delivered_quantity, line.open_quantity


async def test_what_is_closed_finds_nothing_more(parties: list[Party]) -> None:
    school, first, _ = parties
    need, offer = await school.need(), await first.offer({**KITS, "quantity": 300})
    assert (await school("GetSuggestedOffers", need_id=need.need_id)).suggestions
    await school("CloseNeed", need_id=need.need_id)
    await first("CloseOffer", offer_id=offer.offer_id)
    assert not (await school("GetSuggestedOffers", need_id=need.need_id)).suggestions
    assert not (await first("GetSuggestedNeeds", offer_id=offer.offer_id)).suggestions


# -- the story -----------------------------------------------------------------------------------------------------
async def test_a_need_finds_its_offers_and_is_delivered(parties: list[Party], matching: Service) -> None:
    school, first, second = parties
    need = await school.need()
    offers = [await one.offer({**KITS, "quantity": 300}) for one in (first, second)]
    suggested = await school("GetSuggestedOffers", need_id=need.need_id)
    found = [one for one in suggested.suggestions if one.offer_id in {offer.offer_id for offer in offers}]
    assert len(found) == 2
    assert suggested.weights_version
    for one in found:
        assert one.score == sum(criterion.points for criterion in one.criteria)
        assert all(criterion.explanation.ar and criterion.explanation.en for criterion in one.criteria)
        assert one.quantity == 300
    assert suggested == await school("GetSuggestedOffers", need_id=need.need_id)
    back = await first("GetSuggestedNeeds", offer_id=offers[0].offer_id)
    assert need.need_id in {one.need_id for one in back.suggestions}

    asked = await school.propose(need, offers[0])
    assert (asked.state, asked.proposed_by, asked.help_code) == (asked.PROPOSED, 1, "science-kits")
    taken = await first("AcceptMatch", match_id=asked.match_id)
    assert (taken.state, taken.quantity) == (taken.ACCEPTED, 300)
    given = await second.propose(need, offers[1])
    capped = await school("AcceptMatch", match_id=given.match_id)
    assert (capped.proposed_quantity, capped.quantity) == (300, 200)
    assert await quantities(school, need) == (500, 0, 0)
    assert need.need_id not in {
        one.need_id for one in (await second("GetSuggestedNeeds", offer_id=offers[1].offer_id)).suggestions
    }

    await first("DispatchMatch", match_id=taken.match_id)
    delivered = await first("DeliverMatch", match_id=taken.match_id, delivered_quantity=280)
    assert (delivered.state, delivered.delivered_quantity) == (delivered.DELIVERED, 280)
    confirmed = await school("ConfirmMatch", match_id=taken.match_id)
    assert confirmed.state == confirmed.CONFIRMED
    assert await quantities(school, need) == (480, 280, 20)
    withdrawn = await school("WithdrawMatch", match_id=capped.match_id, reason=REASON)
    assert withdrawn.state == withdrawn.WITHDRAWN
    assert await quantities(school, need) == (280, 280, 220)
    told = [
        entry["type"].split(".")[4]
        for entry in await matching.db.outbox.find({"subject": taken.match_id}).to_list(None)
    ]
    assert told == ["proposed", "accepted", "dispatched", "delivered", "confirmed"]


async def test_the_side_that_did_not_propose_answers(parties: list[Party]) -> None:
    school, first, stranger = parties
    need, offer = await school.need(), await first.offer()
    match = await school.propose(need, offer)
    for party, reason in ((school, "OTHER_SIDE_DECIDES"), (stranger, "MATCH_NOT_FOUND")):
        assert (await refusal(party("AcceptMatch", match_id=match.match_id))).reason == reason
    again = await refusal(school.propose(need, offer))
    assert (again.code, again.reason) == ("ALREADY_EXISTS", "MATCH_EXISTS")
    declined = await first("DeclineMatch", match_id=match.match_id, reason=REASON)
    assert (declined.state, declined.reason.ar) == (declined.DECLINED, REASON["ar"])
    refused = await refusal(first("AcceptMatch", match_id=match.match_id, language="ar"))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "MATCH_IN_OTHER_STATE")
    assert "مرفوضة" in refused.text
    assert (await refusal(first("ConfirmMatch", match_id=match.match_id))).reason == "OTHER_SIDE_DECIDES"


# -- races ---------------------------------------------------------------------------------------------------------
async def test_of_200_that_are_accepted_at_the_same_moment_no_more_is_promised_than_asked(
    parties: list[Party],
) -> None:
    school, first, second = parties
    need = await school.need({**KITS, "quantity": 500})
    givers = (first, second)
    offers = await asyncio.gather(*(givers[n % 2].offer({**KITS, "quantity": 3}) for n in range(200)))
    matches = await asyncio.gather(*(givers[n % 2].propose(need, offer, 3) for n, offer in enumerate(offers)))
    accepted, refused = await all_at_once([school("AcceptMatch", match_id=one.match_id) for one in matches])
    assert {one.reason for one in refused} == {"NOTHING_OPEN"}
    assert sorted(one.quantity for one in accepted) == [2, *[3] * 166]
    assert await quantities(school, need) == (500, 0, 0)


async def test_one_match_is_accepted_once_however_often_it_is_asked(parties: list[Party]) -> None:
    school, first, _ = parties
    need, offer = await school.need(), await first.offer()
    match = await school.propose(need, offer, 100)
    accepted, refused = await all_at_once([first("AcceptMatch", match_id=match.match_id) for _ in range(10)])
    assert len(accepted) == 1
    assert {one.reason for one in refused} <= {"MATCH_IN_OTHER_STATE", "VERSION_CONFLICT", "ABORTED"}
    assert await quantities(school, need) == (100, 0, 400)


# -- suggestions against brute force -------------------------------------------------------------------------------
async def test_everybody_may_read_the_weights_of_every_criterion(parties: list[Party], matching: Service) -> None:
    published = await matching("GetWeights")
    school, giver, _ = parties
    need = await school.need()
    await giver.offer()
    suggested = await school("GetSuggestedOffers", need_id=need.need_id)
    assert published.version == suggested.weights_version
    weights = [(one.code, one.points) for one in published.weights]
    assert [(one.code, one.max_points) for one in suggested.suggestions[0].criteria] == weights
    assert sum(points for _, points in weights) == 1000


async def test_suggestions_keep_every_hard_constraint(parties: list[Party]) -> None:
    """Random lines; what is suggested is what a plain walk over all offers finds."""
    school, first, second = parties
    rng = random.Random(4)
    tree = {"kits": "items", "science-kits": "kits", "mathematics-kits": "kits", "items": ""}

    def path(code: str) -> list[str]:
        return [code, *path(tree[code])] if code else []

    def line() -> dict[str, Any]:
        begin = rng.choice([0, 1_900_000_000, 1_950_000_000])
        end = rng.choice([0, 1_920_000_000, 1_990_000_000])
        return {
            "help_code": rng.choice(list(tree)),
            "quantity": rng.randint(1, 9),
            "unit_code": rng.choice(["robots", "kit", "set"]).replace("robots", "piece"),
            "place_code": rng.choice(["", "SY07", "SY0700", "SY0702", "SY02"]),
            **({"start_time": {"seconds": begin}} if begin else {}),
            **({"end_time": {"seconds": end}} if end > begin else {}),
        }

    offers = [(lines := line(), await rng.choice([first, second]).offer(lines)) for _ in range(60)]

    def fits(need: dict[str, Any], offer: dict[str, Any]) -> bool:
        kinds = need["help_code"] in path(offer["help_code"]) or offer["help_code"] in path(need["help_code"])
        here, there = need["place_code"], offer["place_code"]
        places = not here or not there or here.startswith(there) or there.startswith(here)
        begin = max(
            need.get("start_time", {"seconds": 0})["seconds"], offer.get("start_time", {"seconds": 0})["seconds"]
        )
        ends = [one["end_time"]["seconds"] for one in (need, offer) if "end_time" in one]
        return kinds and places and need["unit_code"] == offer["unit_code"] and all(begin < end for end in ends)

    for _ in range(15):
        asked = line()
        need = await school.need(asked)
        found = await school("GetSuggestedOffers", need_id=need.need_id, page_size=100)
        ours = {offer.offer_id for _, offer in offers}
        assert {one.offer_id for one in found.suggestions} & ours == {
            offer.offer_id for given, offer in offers if fits(asked, given)
        }
        scores = [one.score for one in found.suggestions]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1000 for score in scores)
        assert all(one.score == sum(part.points for part in one.criteria) for one in found.suggestions)
        await school("CloseNeed", need_id=need.need_id)


async def test_the_best_is_suggested_however_many_fit(parties: list[Party]) -> None:
    """More lines of a wider kind than are ranked have waited longer than the one that fits exactly."""
    school, first, second = parties
    wider = {"help_code": "learning-devices", "quantity": 5, "unit_code": "month"}
    exact = {**wider, "help_code": "laptops", "place_code": "SY0700"}
    await all_at_once(first.offer(*[wider] * 50) for _ in range(21))
    best = await second.offer(exact)
    ends = [{"end_time": {"seconds": 1_990_000_000 + number}} for number in range(50)]
    for lines in ([exact], [exact] * 50, [{**exact, **end} for end in ends]):
        need = await school.need(*lines)
        found = await school("GetSuggestedOffers", need_id=need.need_id)
        assert {one.offer_id for one in found.suggestions[: len(lines)]} == {best.offer_id}
        assert not found.is_complete


@pytest.mark.parametrize("most", [1000, 12])
async def test_of_more_than_are_ranked_the_nearest_and_of_these_the_longest_waiting_are(
    parties: list[Party], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Random postings of several lines, some of which ask the same, against a plain walk over all offers."""
    monkeypatch.setattr(store, "CANDIDATES", most)
    monkeypatch.setattr(store, "LEAST_CANDIDATES", 5)
    school, first, second = parties
    rng = random.Random(5)
    path = {"laptops": ["laptops", "learning-devices"], "tablets": ["tablets", "learning-devices"]}
    unit = {1000: "device", 12: "hour"}[most]

    def line() -> dict[str, Any]:
        kind, place = rng.choice([*path, "learning-devices"]), rng.choice(["", "SY07", "SY0700", "SY0702", "SY02"])
        return {"help_code": kind, "quantity": rng.randint(1, 9), "unit_code": unit, "place_code": place}

    offers: list[tuple[dict[str, Any], Any]] = []
    for _ in range(40):
        given = line()
        offers.append((given, await rng.choice([first, second]).offer(given)))

    def points(need: dict[str, Any], offer: dict[str, Any]) -> float | None:
        """For kind and place; None of what does not fit."""
        here, there = need["place_code"], offer["place_code"]
        kinds = [path.get(one["help_code"], [one["help_code"]]) for one in (need, offer)]
        related = need["help_code"] in kinds[1] or offer["help_code"] in kinds[0]
        if not related or (here and there and not here.startswith(there) and not there.startswith(here)):
            return None
        place = 80 if not here or not there else 200 if here == there else 140
        return (350 if need["help_code"] == offer["help_code"] else 175) + place

    for count in (1, 2, 3, 6):
        asked = [line() for _ in range(count)]
        asked += asked[: count // 2]
        need = await school.need(*asked)
        found = await school("GetSuggestedOffers", need_id=need.need_id, page_size=100)
        share = max(most // len({(one["help_code"], one["place_code"]) for one in asked}), 5)
        expected, is_complete = set(), True
        for one, of in zip(asked, need.lines, strict=True):
            fit = [(value, offer) for given, offer in offers if (value := points(one, given)) is not None]
            fit.sort(key=lambda each: -each[0])  # stable: whoever has waited longer stays before
            expected |= {(of.line_id, offer.offer_id) for _, offer in fit[:share]}
            is_complete = is_complete and len(fit) <= share
        got = {(one.need_line_id, one.offer_id) for one in found.suggestions}
        assert got == expected or (len(got) == 100 and got < expected)
        assert found.is_complete == is_complete


# -- found, changed, closed ----------------------------------------------------------------------------------------
async def test_needs_are_found_by_words_place_and_kind(parties: list[Party]) -> None:
    school, first, _ = parties
    need = await school.need(
        {**KITS, "place_code": "SY0800"}, title={"ar": "مخبر لمدرسة في الحسكة", "en": "A laboratory in Hasakeh"}
    )
    for fields in (
        {"query": "الحسكه"},
        {"query": "Hasakah مَدْرَسَة"},
        {"query": "للمدارس"},
        {"place_code": "SY08"},
        {"help_code": "items", "participant_id": school.member_id},
    ):
        listed = await first("ListNeeds", page_size=200, **fields)
        assert need.need_id in {one.need_id for one in listed.needs}, fields
    for fields in ({"query": "حلب الحسكة"}, {"place_code": "SY0702"}, {"help_code": "services"}, {"state": "CLOSED"}):
        listed = await first("ListNeeds", page_size=200, **fields)
        assert need.need_id not in {one.need_id for one in listed.needs}, fields


async def test_figures_count_what_is_open_and_what_was_matched_where_it_is(
    parties: list[Party], matching: Service
) -> None:
    async def figures() -> dict[str, tuple[int, int, int]]:
        """Needs, offers and matches by governorate; "*": in all. For whoever asks."""
        now = await matching("GetStatistics")
        rows = {one.place_code: one for one in now.places} | {"*": now}
        return {place: (row.need_count, row.offer_count, row.match_count) for place, row in rows.items()}

    async def change(before: dict[str, tuple[int, int, int]]) -> dict[str, tuple[int, int, int]]:
        after = await figures()
        none = (0, 0, 0)
        changed = {
            place: tuple(new - old for new, old in zip(after.get(place, none), before.get(place, none), strict=True))
            for place in {*before, *after}
        }
        return {place: each for place, each in changed.items() if each != none}  # type: ignore[misc]

    school, giver, _ = parties
    chairs = {"help_code": "chairs", "unit_code": "piece"}
    before = await figures()
    await school("CreateNeed", organization_id=school.member_id, need={"title": TITLE, "lines": [KITS]})
    assert await change(before) == {}, "a draft counts"
    need = await school.need({**chairs, "quantity": 10, "place_code": "SY1400"}, KITS, {**KITS, "place_code": "SY0702"})
    assert await change(before) == {"*": (1, 0, 0), "SY14": (1, 0, 0), "SY07": (1, 0, 0)}
    offer = await giver.offer({**chairs, "quantity": 10})
    assert await change(before) == {"*": (1, 1, 0), "SY14": (1, 0, 0), "SY07": (1, 0, 0), "": (0, 1, 0)}
    match = await school.propose(need, offer, 10)
    assert (await change(before))["*"] == (1, 1, 0), "a proposal is no match"
    await giver("AcceptMatch", match_id=match.match_id)
    assert await change(before) == {"*": (1, 0, 1), "SY14": (0, 0, 1), "SY07": (1, 0, 0)}, "none of it is open"
    await giver("DeliverMatch", match_id=match.match_id, delivered_quantity=10)
    await school("ConfirmMatch", match_id=match.match_id)
    await school("CloseNeed", need_id=need.need_id)
    assert await change(before) == {"*": (0, 0, 1), "SY14": (0, 0, 1)}, "what was delivered is no match any more"


@pytest.mark.parametrize("kind", ["Need", "Offer"])
async def test_who_is_no_member_sees_what_is_published_for_everybody(
    parties: list[Party], matching: Service, members: Members, coordinator: Who, kind: str
) -> None:
    school, member, _ = parties
    noun = kind.lower()
    id_of = f"{noun}_id"

    async def drafted(**fields: Any) -> str:
        posting = {"title": TITLE, "lines": [CHAIRS], **fields}
        made = await school(f"Create{kind}", organization_id=school.member_id, **{noun: posting})
        return str(getattr(made, id_of))

    async def seen(by: Who, **fields: Any) -> set[str]:
        """Of this test's: the list and the single calls agree."""
        asked = {"participant_id": school.member_id, "page_size": 200, **fields}
        listed = await matching(f"List{kind}s", by=by, **asked)
        found = {getattr(one, id_of) for one in getattr(listed, f"{noun}s")}
        assert listed.total_size == len(found)
        return found & set(made.values())

    def get(by: Who, posting_id: str) -> Any:
        named: Any = {id_of: posting_id}
        return matching(f"Get{kind}", by=by, **named)

    made = {
        name: await drafted(**({"audience": audience} if audience else {}))
        for name, audience in (
            *(("unsaid", ""), ("for_members", "MEMBERS"), ("before", "EVERYBODY")),
            *(("public", "EVERYBODY"), ("closed", "EVERYBODY"), ("draft", "EVERYBODY")),
        )
    }
    for name, one in made.items():
        if name != "draft":
            await school(f"Publish{kind}", **{id_of: one})
    await school(f"Close{kind}", **{id_of: made["closed"]})
    await matching.db.postings.update_one({"_id": made["before"]}, {"$unset": {"audience": ""}})  # stored before
    account = await members.account()
    visible = {
        NOBODY: {"public"},
        account: {"public"},
        member.who: set(made) - {"draft"},
        coordinator: set(made) - {"draft"},
        school.who: set(made),
    }
    for who, names in visible.items():
        assert await seen(who) == {made[name] for name in names}
        for name, one in made.items():
            if name in names:
                audience = "EVERYBODY" if name in {"public", "closed", "draft"} else "MEMBERS"
                assert (await get(who, one)).audience == postings_pb2.Audience.Value(audience)
            else:
                hidden, missing = await refusal(get(who, one)), await refusal(get(who, NO_ID))
                assert (hidden.code, hidden.reason, hidden.text) == (missing.code, missing.reason, missing.text)
    for fields in ({"state": "DRAFT"}, {"state": "CLOSED"}):
        assert await seen(NOBODY, **fields) == set()


async def test_an_audience_is_changed_when_it_is_given_or_named(parties: list[Party], matching: Service) -> None:
    school, *_ = parties
    need = await school.need(CHAIRS, audience="EVERYBODY")
    known = {"need_id": need.need_id, "title": TITLE, "lines": need.lines}
    await school("UpdateNeed", need=known)
    assert (await matching("GetNeed", by=NOBODY, need_id=need.need_id)).title.en == TITLE["en"]
    await school("UpdateNeed", need=known, update_mask={"paths": ["audience"]})
    assert (await refusal(matching("GetNeed", by=NOBODY, need_id=need.need_id))).reason == "NEED_NOT_FOUND"
    await school("UpdateNeed", need={**known, "audience": "EVERYBODY"})
    assert await matching("GetNeed", by=NOBODY, need_id=need.need_id)


async def test_a_draft_is_its_authors_own(parties: list[Party]) -> None:
    school, stranger, _ = parties
    draft = await school("CreateNeed", organization_id=school.member_id, need={"title": TITLE, "lines": [KITS]})
    assert (await refusal(stranger("GetNeed", need_id=draft.need_id))).reason == "NEED_NOT_FOUND"
    for party, seen in ((school, True), (stranger, False)):
        listed = await party("ListNeeds", participant_id=school.member_id, page_size=200)
        assert (draft.need_id in {one.need_id for one in listed.needs}) is seen
    assert (await refusal(stranger("PublishNeed", need_id=draft.need_id))).reason == "NEED_NOT_FOUND"
    assert (await refusal(stranger("GetOffer", offer_id=draft.need_id))).reason == "OFFER_NOT_FOUND"
    posted = await school("PublishNeed", need_id=draft.need_id)
    refused = await refusal(stranger("CloseNeed", need_id=posted.need_id))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_ACTING_FOR")


async def test_what_is_promised_cannot_be_taken_out_of_a_line(parties: list[Party]) -> None:
    school, first, _ = parties
    need, offer = await school.need(), await first.offer()
    match = await school.propose(need, offer, 100)
    await first("AcceptMatch", match_id=match.match_id)
    line = {**KITS, "line_id": need.lines[0].line_id}

    async def change(*lines: dict[str, Any]) -> Any:
        changed = {"need_id": need.need_id, "lines": lines}
        return await school("UpdateNeed", need=changed, update_mask={"paths": ["lines"]})

    for wrong, field in (
        ({**line, "quantity": 99}, "need.lines[0].quantity"),
        ({**line, "unit_code": "set"}, "need.lines[0].unit_code"),
        ({**line, "help_code": "art-kits"}, "need.lines[0].help_code"),
        (KITS, "need.lines"),
    ):
        assert (await refusal(change(wrong))).violations == {field: "BELOW_COMMITTED"}
    changed = await change({**line, "quantity": 100}, {**KITS, "help_code": "art-kits"})
    assert [(one.committed_quantity, one.open_quantity) for one in changed.lines] == [(100, 0), (0, 500)]
    assert [one.help_code for one in changed.lines] == ["science-kits", "art-kits"]
    closed = await school("CloseNeed", need_id=need.need_id, close_reason={"en": "enough"})
    assert closed.state == 3
    assert (await first("DeliverMatch", match_id=match.match_id, delivered_quantity=100)).delivered_quantity == 100
    assert (await refusal(change(line))).reason == "POSTING_IN_OTHER_STATE"


async def test_nobody_takes_the_id_of_anothers_line(parties: list[Party]) -> None:
    school, first, second = parties
    need, offer = await school.need(), await first.offer()
    stolen = {**KITS, "line_id": offer.lines[0].line_id}
    posting = {"title": TITLE, "lines": [stolen]}
    refused = await refusal(second("CreateOffer", organization_id=second.member_id, offer=posting))
    assert refused.violations == {"offer.lines[0].line_id": "LINE_NOT_FOUND"}
    own = await second.offer()
    changed = {"offer_id": own.offer_id, "lines": [stolen]}
    refused = await refusal(second("UpdateOffer", offer=changed, update_mask={"paths": ["lines"]}))
    assert refused.violations == {"offer.lines[0].line_id": "LINE_NOT_FOUND"}
    found = await school("GetSuggestedOffers", need_id=need.need_id, page_size=100)
    assert offer.offer_id in {one.offer_id for one in found.suggestions}


async def test_a_match_with_anothers_draft_does_not_tell_that_it_is_there(parties: list[Party]) -> None:
    school, first, _ = parties
    draft = await school("CreateNeed", organization_id=school.member_id, need={"title": TITLE, "lines": [KITS]})
    assert (await refusal(first.propose(draft, await first.offer()))).reason == "NEED_NOT_FOUND"


async def test_a_line_that_was_changed_after_the_proposal_is_not_what_was_agreed(parties: list[Party]) -> None:
    school, first, _ = parties
    need = await school.need()

    async def change(offer: Any, *lines: dict[str, Any]) -> None:
        await first("UpdateOffer", offer={"offer_id": offer.offer_id, "lines": lines}, update_mask={"paths": ["lines"]})

    for changed, reason in (
        ({"unit_code": "set"}, "LINES_DO_NOT_FIT"),
        ({"help_code": "art-kits"}, "LINES_DO_NOT_FIT"),
        (None, "LINES_CHANGED"),
    ):
        offer = await first.offer()
        match = await first.propose(need, offer, 50)
        line = {**KITS, "line_id": offer.lines[0].line_id, **changed} if changed else KITS
        await change(offer, line)
        assert (await refusal(school("AcceptMatch", match_id=match.match_id))).reason == reason
    kept = await school("GetNeed", need_id=need.need_id)
    assert kept.lines[0].committed_quantity == 0


async def test_what_one_side_wrote_to_the_other_is_in_no_event(parties: list[Party]) -> None:
    school, first, _ = parties
    match = await school.propose(await school.need(), await first.offer(), 5, note={"en": "call Amal first"})
    declined = await first("DeclineMatch", match_id=match.match_id, reason={"en": "Sami is ill"})
    assert (declined.note.en, declined.reason.en) == ("call Amal first", "Sami is ill")
    announced = await school.matching.db.outbox.find({"subject": match.match_id}).to_list(None)
    assert len(announced) == 2
    assert "Amal" not in str(announced)
    assert "Sami" not in str(announced)


async def test_without_a_mask_an_update_changes_what_is_given(parties: list[Party]) -> None:
    school, _, _ = parties
    need = await school.need()
    changed = await school("UpdateNeed", need={"need_id": need.need_id, "description": {"en": "for two schools"}})
    assert (changed.description.en, changed.title, changed.lines) == ("for two schools", need.title, need.lines)
    refused = await refusal(school("UpdateNeed", need={"need_id": need.need_id, "title": {}}))
    assert "need.title" in refused.violations


async def test_an_end_that_is_taken_away_is_90_days_after_publishing(parties: list[Party]) -> None:
    school, _, _ = parties
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)
    need = await school.need(expire_time=soon)
    cleared = await school("UpdateNeed", need={"need_id": need.need_id}, update_mask={"paths": ["expire_time"]})
    assert cleared.expire_time.seconds == need.publish_time.seconds + 90 * 86_400
    timer = await school.matching.db.timers.find_one({"subject": need.need_id})
    assert timer is not None
    assert timer["at"].timestamp() == pytest.approx(cleared.expire_time.seconds, abs=1)


# -- refused -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"title": {"en": "We need 500 dollars"}}, "need.title", "MONEY_REFUSED"),
        ({"description": {"ar": "نحتاج ٥٠٠ دولار"}}, "need.description", "MONEY_REFUSED"),
        ({"lines": [KITS, {**KITS, "note": {"en": "or $5 each"}}]}, "need.lines[1].note", "MONEY_REFUSED"),
        ({"lines": [{**KITS, "help_code": "money"}]}, "need.lines[0].help_code", "CODE_UNKNOWN"),
        ({"lines": [{**KITS, "unit_code": "dollar"}]}, "need.lines[0].unit_code", "CODE_UNKNOWN"),
        ({"lines": [{**KITS, "quantity": 0}]}, "need.lines[0].quantity", "INT32_GTE_LTE"),
        ({"lines": [{**KITS, "place_code": "Idleb"}]}, "need.lines[0].place_code", "STRING_PATTERN"),
        ({"lines": [{**KITS, "place_code": "SY0150"}]}, "need.lines[0].place_code", "CODE_UNKNOWN"),
        ({"lines": []}, "need.lines", "REPEATED_MIN_ITEMS"),
        (
            {"lines": [{**KITS, "start_time": {"seconds": 9}, "end_time": {"seconds": 9}}]},
            "need.lines[0].end_time",
            "ENDS_BEFORE_IT_STARTS",
        ),
    ],
)
async def test_what_is_wrong_is_told_by_field_and_not_stored(
    parties: list[Party], matching: Service, fields: dict[str, Any], field: str, reason: str
) -> None:
    before = await matching.dump()
    need = {"title": TITLE, "lines": [KITS], **fields}
    refused = await refusal(parties[0]("CreateNeed", organization_id=parties[0].member_id, need=need, language="ar"))
    assert (refused.code, refused.violations) == ("INVALID_ARGUMENT", {field: reason})
    assert await matching.dump() == before


async def test_the_matches_of_ones_own_need_or_offer_are_listed_without_more_words(
    parties: list[Party],
) -> None:
    school, donor, other = parties
    need, offer = await school.need(), await donor.offer()
    match = await donor.propose(need, offer)
    for party, named in ((school, {"need_id": need.need_id}), (donor, {"offer_id": offer.offer_id})):
        assert [one.match_id for one in (await party("ListMatches", **named)).matches] == [match.match_id]
        for asked in (named, {"need_id": NO_ID}, {"offer_id": NO_ID}, {}):
            refused = await refusal(other("ListMatches", **asked))
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NO_PARTICIPANT")
    mine = await donor("ListMatches", participant_id=donor.member_id, need_id=need.need_id)
    assert [one.match_id for one in mine.matches] == [match.match_id]


async def test_lines_that_do_not_fit_are_not_matched(parties: list[Party]) -> None:
    school, first, _ = parties
    need = await school.need()
    for lines, reason in (
        ({**KITS, "unit_code": "set"}, "LINES_DO_NOT_FIT"),
        ({**KITS, "help_code": "art-kits"}, "LINES_DO_NOT_FIT"),
    ):
        assert (await refusal(first.propose(need, await first.offer(lines)))).reason == reason
    assert (await refusal(school.propose(need, await school.offer()))).reason == "LINES_DO_NOT_FIT"
    other = await first.offer()
    other.lines[0].line_id = NO_ID
    refused = await refusal(first.propose(need, other))
    assert refused.violations == {"match.offer_line_id": "LINE_NOT_FOUND"}


async def test_nobody_acts_for_an_organization_that_is_not_theirs(
    members: Members, matching: Service, parties: list[Party], coordinator: Who
) -> None:
    stranger = await members.account("member")
    need = {"title": TITLE, "lines": [KITS]}
    for organization_id, reason in (
        (parties[0].member_id, "NOT_ACTING_FOR"),
        (NO_ID, "PARTICIPANT_NOT_FOUND"),
        ("", "NO_PARTICIPANT"),
    ):
        refused = await refusal(matching("CreateNeed", by=stranger, need=need, organization_id=organization_id))
        assert refused.reason == reason
    submitted = await members.submitted(stranger, person=PERSON)
    await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
    await deliver(matching, MatchingWorker, *await relayed(members))
    assert (await matching("CreateNeed", by=stranger, need=need)).participant_id


async def test_many_may_read_suggestions_while_others_accept(parties: list[Party]) -> None:
    """A suggestion never promises what is gone: its quantity is at most what is open."""
    school, first, _ = parties
    need, offer = await school.need({**KITS, "quantity": 10}), await first.offer({**KITS, "quantity": 10})
    match = await school.propose(need, offer, 10)
    accepting = asyncio.create_task(first("AcceptMatch", match_id=match.match_id))
    lists = await asyncio.gather(*(school("GetSuggestedOffers", need_id=need.need_id) for _ in range(20)))
    await accepting
    assert all(one.quantity <= 10 for found in lists for one in found.suggestions)
    assert (await school("GetSuggestedOffers", need_id=need.need_id)).suggestions == []
