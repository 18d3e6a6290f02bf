"""The reference data is whole: what an editor may break is named here, with the file and the code."""

import csv
import pathlib
import re
import subprocess
import sys
from collections import defaultdict

import pytest
from babel import Locale
from descriptors import messages
from hypothesis import given
from hypothesis import strategies as st

import vocabularies
from buf.validate import validate_pb2
from chassis import pb
from vocabularies import Term
from wasl.members.v1 import members_pb2 as m

ARABIC = re.compile(r"[\u0621-\u064a][\u0621-\u0652 ()،/0-9]*")  # letters and vowel signs; no Latin letter among them
LATIN = re.compile(r"[^\u0600-\u06ff]+")
MONEY = re.compile(
    "cash|money|payments?|salar(y|ies)|stipends?|fees?|funds?|vouchers?|grants?"
    "|(ال)?(نقد|نقود|مال|أموال|راتب|رواتب|أجور|قسيمة|قسائم|منحة|تبرع|تبرعات)"
)
CODES = {
    "help": r"[a-z]+(-[a-z]+)*",
    "inee_standards": r"D[1-5]|[1-9]|1[0-9]",
    "isced_levels": r"[0-8]|0[12]",
    "organization_types": r"4[0-9]{2}",
    "places": r"SY(0[1-9]|1[0-4])([0-9]{2})?",
    "units": r"[a-z]+(-[a-z]+)*",
}
TERMS = [(name, term) for name in vocabularies.names() for term in vocabularies.load(name).terms]
NAMES = st.sampled_from(vocabularies.names())


def of(name: str) -> tuple[Term, ...]:
    return vocabularies.load(name).terms


def codes(name: str) -> list[str]:
    return [term.code for term in of(name)]


def ends(name: str) -> list[Term]:
    """Terms that have none below them."""
    parents = {term.parent for term in of(name)}
    return [term for term in of(name) if term.code not in parents]


def test_these_vocabularies_are_there() -> None:
    assert list(vocabularies.names()) == sorted(CODES)


@pytest.mark.parametrize("name", vocabularies.names())
def test_a_file_says_what_it_is_and_from_where(name: str) -> None:
    vocabulary = vocabularies.load(name)
    assert vocabulary.name == name
    assert ARABIC.fullmatch(vocabulary.title.ar)
    assert LATIN.fullmatch(vocabulary.title.en)
    assert vocabulary.source
    assert vocabulary.licence in ("CC-BY-4.0", "AGPL-3.0-or-later")


@pytest.mark.parametrize("name", vocabularies.names())
def test_codes_have_their_form_and_are_used_once(name: str) -> None:
    assert [code for code in codes(name) if not re.fullmatch(CODES[name], code)] == []
    assert len(set(codes(name))) == len(codes(name))


@pytest.mark.parametrize("name", vocabularies.names())
def test_every_term_has_its_texts_in_both_languages(name: str) -> None:
    for term in of(name):
        arabic = [term.label.ar, *term.synonyms.ar]
        english = [term.label.en, *term.synonyms.en]
        assert all(map(ARABIC.fullmatch, arabic)), term
        assert all(map(LATIN.fullmatch, english)), term
        assert bool(term.description.ar) == bool(term.description.en), term
        assert not re.search("[A-Za-z]", term.description.ar), term
        texts = [*arabic, *english, term.description.ar, term.description.en]
        assert [text for text in texts if text != " ".join(text.split())] == [], "stray space"


@pytest.mark.parametrize("name", vocabularies.names())
def test_a_tree_has_its_parents_and_no_cycle(name: str) -> None:
    parent = {term.code: term.parent for term in of(name)}
    for code in parent:
        seen, above = {code}, parent[code]
        while above is not None:
            assert above not in seen, f"{code} is above itself"
            seen.add(above)
            above = parent[above]  # KeyError: no such parent


@pytest.mark.parametrize("name", vocabularies.names())
def test_only_a_term_and_one_below_it_share_a_spelling(name: str) -> None:
    """And only among places, where a governorate and its central district do. Whatever the case of the letters."""
    by_spelling = defaultdict(set)
    for term in of(name):
        assert len(set(map(str.casefold, term.spellings()))) == len(term.spellings()), f"{term.code} has one twice"
        for spelling in term.spellings():
            by_spelling[spelling.casefold()].add(term.code)
    for spelling, found in by_spelling.items():
        wide, *narrow = sorted(found, key=len)
        assert not narrow or name == "places", (spelling, found)
        assert all(vocabularies.within(name, code, wide) for code in narrow), (spelling, found)


def test_every_spelling_leads_to_its_term_and_a_shared_one_to_the_wider_place() -> None:
    for name, term in TERMS:
        for spelling in term.spellings():
            assert vocabularies.within(name, term.code, vocabularies.spellings(name)[spelling])
    places = vocabularies.spellings("places")
    assert {places[each] for each in ("Idleb", "Idlib", "إدلب", "ادلب", "Idlib Governorate", "محافظة إدلب")} == {"SY07"}
    assert {places[each] for each in ("Hasakeh", "Hasakah", "Al-Hasakeh", "الحسكة")} == {"SY08"}
    assert {places[each] for each in ("Latakia", "Lattakia", "اللاذقية")} == {"SY06"}
    assert {places[each] for each in ("Idlib District", "منطقة إدلب")} == {"SY0700"}
    assert {places[each] for each in ("Palmyra", "Tadmor", "تدمر")} == {"SY0405"}
    assert vocabularies.spellings("help")["التعليم التعويضي"] == "catch-up-classes"


def test_places_are_14_governorates_and_62_districts_in_syria() -> None:
    governorates = [place for place in of("places") if place.parent is None]
    districts = [place for place in of("places") if place.parent is not None]
    assert [place.code for place in governorates] == [f"SY{number:02}" for number in range(1, 15)]
    assert len(districts) == 62
    assert all(place.parent == place.code[:4] for place in districts)
    for place in of("places"):
        assert 32.3 < (place.latitude or 0) < 37.4, place
        assert 35.5 < (place.longitude or 0) < 42.4, place


def test_every_place_is_one_that_the_contract_takes() -> None:
    described = {each.full_name: each for top in messages() for each in pb.messages(top)}.values()
    rules = [
        field.GetOptions().Extensions[validate_pb2.field].string.pattern
        for message in described
        for field in message.fields
        if field.name == "place_code"
    ]
    patterns = {pattern for pattern in rules if pattern}
    assert patterns, "the test no longer finds places in the contract"
    assert [code for code in codes("places") for pattern in patterns if not re.search(pattern, code)] == []


def test_organization_types_are_those_of_the_contract() -> None:
    field = m.OrganizationProfile.DESCRIPTOR.fields_by_name["type_code"]
    allowed = getattr(field.GetOptions().Extensions[validate_pb2.field].string, "in")
    assert codes("organization_types") == list(allowed)


def test_help_is_one_tree_with_three_roots_and_three_or_four_levels() -> None:
    assert [term.code for term in of("help") if term.parent is None] == ["items", "services", "expertise"]
    assert {len(vocabularies.ancestors("help", term.code)) for term in ends("help")} == {2, 3}
    assert len(of("help")) >= 150
    for term in ends("help"):
        assert term.synonyms.ar, term
        assert term.synonyms.en, term


def test_every_item_and_service_names_units_that_there_are() -> None:
    for term in of("help"):
        assert len(set(term.units)) == len(term.units)
        assert set(term.units) <= set(codes("units")), term
    for term in ends("help"):
        assert bool(term.units) != vocabularies.within("help", term.code, "expertise"), term


def test_no_help_is_money() -> None:
    """Each word; `رسوم` is left out, since it also means drawings."""
    texts = {text for term in of("help") for text in term.spellings()}
    assert [text for text in texts if any(map(MONEY.fullmatch, text.lower().split()))] == []


def test_isced_is_complete() -> None:
    assert sorted(codes("isced_levels")) == ["0", "01", "02", "1", "2", "3", "4", "5", "6", "7", "8"]
    assert {term.code for term in of("isced_levels") if term.parent == "0"} == {"01", "02"}


def test_inee_has_19_described_standards_in_5_domains() -> None:
    domains = [term.code for term in of("inee_standards") if term.parent is None]
    standards = [term for term in of("inee_standards") if term.parent is not None]
    assert domains == ["D1", "D2", "D3", "D4", "D5"]
    assert [term.code for term in standards] == [str(number) for number in range(1, 20)]
    assert [sum(term.parent == domain for term in standards) for domain in domains] == [7, 3, 4, 3, 2]
    assert all(term.description.en for term in of("inee_standards"))


@pytest.mark.parametrize("number", [0, 1, 2, 3, 10, 11, 99, 100, 101, 102, 2.5])
def test_a_unit_has_the_form_that_its_language_wants_after_a_number(number: float) -> None:
    """The categories are CLDR's, by babel."""
    for unit in of("units"):
        assert unit.plurals is not None, unit
        for language, forms in (("ar", unit.plurals.ar), ("en", unit.plurals.en)):
            category = Locale(language).plural_form(number)
            form = getattr(forms, category)
            said = form.format(n=number)
            assert (str(number) in said) == (language == "en" or category not in ("one", "two")), said


def test_a_unit_is_counted_in_arabic() -> None:
    unit = vocabularies.find("units", "box")
    assert unit is not None
    assert unit.plurals is not None
    said = [getattr(unit.plurals.ar, Locale("ar").plural_form(n)).format(n=n) for n in (1, 2, 3, 11, 100)]
    assert said == ["صندوق واحد", "صندوقان", "3 صناديق", "11 صندوقًا", "100 صندوق"]


def test_the_tree_is_walked() -> None:
    assert vocabularies.ancestors("help", "tablets") == ("learning-devices", "technology", "items")
    assert vocabularies.ancestors("places", "SY07") == ()
    assert vocabularies.within("places", "SY0702", "SY07")
    assert vocabularies.within("places", "SY07", "SY07")
    assert not vocabularies.within("places", "SY07", "SY0702")


@pytest.mark.parametrize(
    ("name", "a", "b", "steps"),
    [
        ("places", "SY07", "SY07", 0),
        ("places", "SY0702", "SY07", 1),
        ("places", "SY0702", "SY0703", 2),
        ("places", "SY07", "SY08", None),
        ("help", "tablets", "laptops", 2),
        ("help", "tablets", "projectors", 4),
        ("help", "tablets", "desks", 5),
        ("help", "tablets", "teacher-training", None),
        ("inee_standards", "1", "7", 2),
    ],
)
def test_a_distance_is_the_steps_over_the_nearest_common_ancestor(name: str, a: str, b: str, steps: int | None) -> None:
    assert vocabularies.distance(name, a, b) == steps


@given(st.data())
def test_a_distance_is_the_same_in_both_directions_and_never_shorter_than_a_detour(data: st.DataObject) -> None:
    name = data.draw(NAMES)
    a, b, c = (data.draw(st.sampled_from(codes(name))) for _ in range(3))
    there, back = vocabularies.distance(name, a, b), vocabularies.distance(name, b, a)
    assert there == back
    assert (there == 0) == (a == b)
    first, second = vocabularies.distance(name, a, c), vocabularies.distance(name, c, b)
    if first is not None and second is not None:
        assert there is not None
        assert there <= first + second


@given(NAMES, st.text(max_size=9))
def test_a_code_that_is_not_there_is_nowhere(name: str, code: str) -> None:
    if code in codes(name):
        return
    assert vocabularies.find(name, code) is None
    assert vocabularies.ancestors(name, code) == ()
    assert not vocabularies.within(name, code, code)
    assert vocabularies.distance(name, code, code) is None


@pytest.mark.parametrize("name", ["", "nothing", "../pyproject", "/etc/hosts"])
def test_a_vocabulary_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        vocabularies.load(name)


def test_a_file_that_a_spreadsheet_saved_reads_the_same(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a byte order mark, carriage returns, and every row as long as the longest."""
    source = pathlib.Path(vocabularies.__file__).with_name("units.csv")
    rows = list(csv.reader(source.read_text(encoding="utf-8").splitlines()))
    longest = max(map(len, rows))
    with (tmp_path / "units.csv").open("w", encoding="utf-8-sig", newline="") as saved:
        csv.writer(saved).writerows([*row, *[""] * (longest - len(row))] for row in [*rows, []])
    monkeypatch.setattr(vocabularies, "_FOLDER", tmp_path)
    assert vocabularies.load.__wrapped__("units") == vocabularies.load("units")


def test_importing_reads_no_file_and_all_files_load_at_once() -> None:
    """In a process of its own, since this one has read them. Far below the limit: 6 ms on a quiet machine."""
    program = (
        "import time, vocabularies as v; assert v.load.cache_info().currsize == 0; began = time.process_time();"
        "[v.spellings(name) for name in v.names()]; print(time.process_time() - began)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 0.05
