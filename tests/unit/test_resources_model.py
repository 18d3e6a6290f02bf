"""Every state of a record against every transition; of a concept's versions one at most is current; search entries."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from chassis.values import LocalizedText
from services.resources import model, search
from services.resources.model import File, Record, RecordState, RecordType

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOTE = LocalizedText(ar="ينقصه وصف", en="A description is missing")
FILE = File(
    file_id="f", name="a.pdf", language_code="ar", mime_type="application/pdf", size_bytes=1,
    sha256="0" * 64, create_time=NOW,
)  # fmt: skip
Transition = Callable[[Record], Record]
EVERY = {state.name for state in RecordState}
TRANSITIONS: dict[str, tuple[Transition, set[str], str | None]] = {
    # name: what is done, from which states, into which (None: it stays)
    "change": (lambda one: one.change(title=NOTE), {"DRAFT", "RETURNED"}, None),
    "with_file": (lambda one: one.with_file(replace(FILE, file_id="g")), {"DRAFT", "RETURNED"}, None),
    "without_file": (lambda one: one.without_file("f"), {"DRAFT", "RETURNED"}, None),
    "submit": (lambda one: one.submit(at=NOW), {"DRAFT", "RETURNED"}, "SUBMITTED"),
    "give_back": (lambda one: one.give_back(note=NOTE), {"SUBMITTED"}, "RETURNED"),
    "publish": (lambda one: one.publish(at=NOW), {"SUBMITTED"}, "PUBLISHED"),
    "supersede": (lambda one: one.supersede(), {"PUBLISHED"}, "SUPERSEDED"),
    "withdraw": (lambda one: one.withdraw(reason=NOTE), EVERY - {"WITHDRAWN"}, "WITHDRAWN"),
    "next_version": (
        lambda one: one.next_version(record_id="r2", number=2, at=NOW),
        {"PUBLISHED", "WITHDRAWN"},
        "DRAFT",
    ),
}


def record(state: RecordState = RecordState.DRAFT, **fields: object) -> Record:
    known = Record(
        record_id="r1", concept_id="c", version_number=1, state=state, publisher_id="p", create_time=NOW, version=1,
        title=LocalizedText(ar="دليل المعلم في إدلب"), licence="CC-BY-4.0", type=RecordType.GUIDE, files=(FILE,),
    )  # fmt: skip
    return replace(known, **fields)


@pytest.mark.parametrize("state", RecordState)
@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_happens_from_its_states_only(name: str, state: RecordState) -> None:
    transition, sources, target = TRANSITIONS[name]
    before = record(state)
    if state.name in sources:
        assert transition(before).state.name == (target or state.name)
        assert before.state is state  # a new value: the old one stays as it was
    else:
        with pytest.raises(model.RecordInOtherState) as refused:
            transition(before)
        assert refused.value.metadata["state"] == state.name
        assert model._SAID[state][1] in refused.value.text("ar")


def test_a_transition_notes_when_and_why() -> None:
    returned = record(RecordState.SUBMITTED).give_back(note=NOTE)
    assert returned.return_note == NOTE
    again = returned.submit(at=NOW)
    assert (again.return_note, again.submit_time, again.is_public) == (None, NOW, False)
    published = again.publish(at=NOW)
    assert (published.publish_time, published.is_public) == (NOW, True)
    withdrawn = published.withdraw(reason=NOTE)
    assert (withdrawn.withdraw_reason, withdrawn.is_public) == (NOTE, True)
    following = withdrawn.next_version(record_id="r2", number=2, at=NOW)
    assert (following.concept_id, following.version_number, following.version) == ("c", 2, 0)
    assert (following.is_public, following.withdraw_reason, following.files) == (False, None, (FILE,))


def test_a_record_has_room_for_so_many_files() -> None:
    full = record(files=tuple(replace(FILE, file_id=str(n)) for n in range(model.MOST_FILES)))
    with pytest.raises(model.TooManyFiles) as refused:
        full.with_file(FILE)
    assert str(model.MOST_FILES) in refused.value.text("en")
    with pytest.raises(model.FileNotFound):
        full.without_file("unknown")


@pytest.mark.parametrize("state", RecordState)
def test_what_was_never_published_is_announced_without_what_was_written(state: RecordState) -> None:
    hidden = record(state, creators=("Layla",), description=NOTE).announced()
    assert (hidden.state, hidden.record_id, hidden.version) == (state, "r1", 1)
    assert (hidden.title, hidden.description, hidden.creators, hidden.files) == (LocalizedText(), None, (), ())
    shown = record(state, creators=("Layla",), publish_time=NOW)
    assert shown.announced() is shown


class Versions(RuleBasedStateMachine):
    """A concept as usecases/records.py handles it: one unfinished version, and publishing supersedes the former."""

    def __init__(self) -> None:
        super().__init__()
        self.all = [record(record_id="1")]  # by number

    def drawn(self, data: st.DataObject) -> Record:
        return data.draw(st.sampled_from(self.all))

    def keep(self, one: Record) -> None:
        self.all[one.version_number - 1] = one

    @rule(data=st.data())
    def following(self, data: st.DataObject) -> None:
        if any(one.state in model.UNFINISHED for one in self.all):
            return  # VersionUnfinished
        number = len(self.all) + 1
        with contextlib.suppress(model.RecordInOtherState):
            self.all.append(self.drawn(data).next_version(record_id=str(number), number=number, at=NOW))

    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        former = next((one for one in self.all if one.state is RecordState.PUBLISHED), None)
        with contextlib.suppress(model.RecordInOtherState):
            published = self.drawn(data).publish(at=NOW)
            if former:
                self.keep(former.supersede())
            self.keep(published)

    @rule(data=st.data(), name=st.sampled_from(["submit", "submit", "give_back", "withdraw", "change"]))
    def other(self, data: st.DataObject, name: str) -> None:
        with contextlib.suppress(model.RecordInOtherState):
            self.keep(TRANSITIONS[name][0](self.drawn(data)))

    @invariant()
    def one_current_and_one_unfinished_version(self) -> None:
        current = [one for one in self.all if one.state is RecordState.PUBLISHED]
        assert len(current) <= 1
        finished = [one.version_number for one in self.all if one.is_public]
        assert not current or current[0].version_number == max(finished)
        assert sum(not one.is_public and one.state is not RecordState.WITHDRAWN for one in self.all) <= 1
        assert [one.version_number for one in self.all] == list(range(1, len(self.all) + 1))

    @invariant()
    def what_is_superseded_has_a_newer_one(self) -> None:
        for one in self.all:
            if one.state is RecordState.SUPERSEDED:
                assert any(other.is_public for other in self.all[one.version_number :])


TestVersions = Versions.TestCase


# -- search --------------------------------------------------------------------------------------------------------
def test_an_entry_knows_where_a_word_stands() -> None:
    entry = search.entry(
        record(
            description=LocalizedText(ar="تمارين للصف الأول"),
            keywords=(LocalizedText(en="workbook"),),
            creators=("Layla Haddad",),
            place_codes=("SY0703",),
            subject_codes=("mathematics",),
            level_codes=("02",),
            language_codes=("ar",),
        ),
        order=7,
    )

    def has(words: tuple[int, ...], *looked_for: str) -> bool:
        return set(search.numbers(looked_for)) <= set(words)

    assert has(entry.title, *search.question("Idleb"))
    assert set(entry.title) < set(entry.strong) < set(entry.words)
    assert has(entry.strong, *search.question("workbooks haddad الرياضيات"))
    assert has(entry.words, *search.question("تمارين"))
    assert not has(entry.strong, *search.question("تمارين"))
    for term in ("type:GUIDE", "licence:CC-BY-4.0", "language_code:ar", "subject_code:mathematics", "level_code:0"):
        assert has(entry.words, term)
    assert has(entry.words, "place_code:SY07", "place_code:SY0703", "level_code:02")
    values = {
        (one.field, value.value): value.count for one in search.facets([(entry.facets, 3)]) for value in one.values
    }
    assert values["place_code", "SY07"] == values["level_code", "0"] == values["type", "GUIDE"] == 3
    assert ("subject_code", search.SUBJECTS) not in values


@pytest.mark.parametrize("query", ["مدرسه", "مَدْرَسَة", "المدرسة", "المدارس"])
def test_a_snippet_shows_the_words_in_whatever_form(query: str) -> None:
    long = "كلمات كثيرة لا صلة لها بالموضوع " * 20 + "هذه المدرسة مفتوحة، ومدارس أخرى مغلقة " + "نهاية " * 100
    one = record(description=LocalizedText(ar=long))
    title, description = search.snippets(one, search.question(query))
    assert (title.field, title.text, title.highlights) == ("title", one.title.ar, ())
    assert len(description.text) <= search.SNIPPET
    shown = [description.text[found.start : found.end] for found in description.highlights]
    assert shown == ["المدرسة", "ومدارس"]


def test_a_snippet_without_words_is_the_beginning() -> None:
    one = record(description=LocalizedText(en="word " * 100))
    _, description = search.snippets(one, [])
    assert description.text.startswith("word word")
    assert len(description.text) <= search.SNIPPET
    assert description.highlights == ()
