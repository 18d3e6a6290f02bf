"""The analyser: one token for every form and spelling of a word, where it stands, and how well it finds."""

import functools
import pathlib
import sys
import tomllib
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vocabularies
from chassis import words
from chassis.text import Analyser, normalise
from chassis.values import LocalizedText

FOLDER = pathlib.Path(__file__).parent / "search_set"


def read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


ANALYSER = Analyser({spelling: code for code, spellings in read("places").items() for spelling in spellings})
tokens = ANALYSER.tokens


# -- one token -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "forms",
    [
        "ادلب إدلب أدلب Idlib Idleb IDLIB Idlib's بإدلب وإدلب لإدلب وبإدلب بـIdlib",
        "الحسكه الحسكة Hasakeh Hasakah Al-Hasakeh والحسكة بالحسكة للحسكة وللحسكة",
        "السويداء السويدا As-Sweida",
        "Dar'a Dar’a Darʿa Daraa درعا",
        "مدرسه مَدْرَسَة المدرسة ﻣﺪﺭﺳﺔ مـدرسـة للمدرسة والمدارس مدارس بمدرستنا مدرستين مدرستهم المدرسية",
        "المعلمين معلم معلّمات للمعلمين والمعلمون معلميهم معلمة",
        "كتاب الكتب كتبهم وكتابين كتابا كُتُبٌ",
        "طالب طلاب طلبة طالبات للطلاب وطلابها",
        "قرية قرى القرى بالقرية قريتنا",
        "لغة لغات للغة اللغات لغتهم لغوي",
        "وزارة الوزارة وزارات ووزارة للوزارات",
        "خبراء خبرا خبير للخبراء خبرائنا خبراؤهم",
        "لاجئ اللاجئين للاجئين لاجئون ولاجئات",
        "جامعة جامعات جامعي جامعية بجامعتهم",
        "التحاق الالتحاق والالتحاق بالتحاق",
        "صيانة وصيانة الصيانة والصيانة بالصيانة",
        "ترجمة الترجمة لترجمة وبترجمة وترجمات",
        "إنكليزي إنجليزية الإنكليزية بالإنجليزية",
        "مؤقت مؤقتة مؤقتون المؤقتين",
        "مسؤول مسئول المسؤولين",
        "لوحة ألواح لوحات",
        "على علي علی",
        "كهرباء کهرباء كهربا",
        "teacher Teachers TEACHER teacher's teachers’",
        "child children child's Children’s",
        "organisation organizations",
        "café Cafe CAFÉ",
        "education educational",
        "2026 ٢٠٢٦ ۲۰۲۶ ２０２６ ٢٠٢٦م",
        "1250 1,250 ١٬٢٥٠ ١٢٥٠ ۱٬۲۵۰",
        "3.5 ٣٫٥",
    ],
)
def test_all_forms_of_a_word_are_one(forms: str) -> None:
    assert {tuple(tokens(form)) for form in forms.split()} == {tuple(tokens(forms.split()[0]))}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("مدرسة", "مدرس"),
        ("مدرسة", "دراسة"),
        ("مكتبة", "كاتب"),
        ("مكتبة", "مكتب"),
        ("كتاب", "كاتب"),
        ("كتاب", "كتابة"),
        ("معلم", "علم"),
        ("تعليم", "تعلم"),
        ("عام", "علم"),
        ("عام", "عامل"),
        ("روضة", "رياضيات"),
        ("اجتماع", "اجتماعي"),
        ("صف", "وصف"),
        ("ورقة", "الرقة"),  # a worksheet, and the place with "and" before it
        ("حماية", "حماة"),
        ("حمص", "حماة"),
        ("قرية", "قراءة"),
        ("Hama", "Homs"),
        ("program", "progress"),
    ],
)
def test_different_words_stay_different(one: str, other: str) -> None:
    assert tokens(one) != tokens(other)


def test_the_table_of_words_says_each_form_once() -> None:
    for table in (words.ARABIC, words.ENGLISH):
        forms = normalise(table).replace("|", " ").split()
        assert sorted(set(forms)) == sorted(forms)


@pytest.mark.parametrize("form", normalise(words.ARABIC).replace("|", " ").split())
def test_a_word_of_the_table_is_one_with_what_is_attached(form: str) -> None:
    other_words = {"والدين", "وصفي"}  # parents, descriptive: not "and religion", "and of a class"
    attached = [f"ال{form}", f"وال{form}", f"بال{form}", *([f"و{form}", f"ل{form}"] if len(form) > 3 else [])]
    assert {tuple(tokens(one)) for one in attached if one not in other_words} == {tuple(tokens(form))}


# -- phrases -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("دير الزور", ["sy09"]),
        ("ديرالزور", ["sy09"]),
        ("في دَيْر الزَّوْر", ["sy09"]),
        ("وبدير الزور", ["sy09"]),
        ("Deir-ez-Zor", ["sy09"]),
        ("DEIR EZ ZOR", ["sy09"]),
        ("ريف دمشق", ["sy03"]),  # the longest phrase wins
        ("دمشق وريفها", ["sy01", "ريف"]),
        ("Rural Damascus, Damascus", ["sy03", "sy01"]),
        ("ريف حلب", ["ريف", "sy02"]),
        ("عمان", ["jo-am"]),
        ("سلطنة عمان", ["om"]),
        ("دير", ["دير"]),
        ("SY09 in Idlib, سوريا", ["sy09", "sy07", "سوري"]),
    ],
)
def test_a_phrase_becomes_its_code(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_every_spelling_of_every_place_is_its_code() -> None:
    spellings = vocabularies.spellings("places")
    analyser = Analyser(spellings)
    assert {spelling: analyser.tokens(spelling) for spelling in spellings} == {
        spelling: [code.lower()] for spelling, code in spellings.items()
    }


def test_function_words_are_left_out_where_there_are_others() -> None:
    assert tokens("the schools of Idlib") == tokens("schools Idlib")
    assert tokens("مدارس في إدلب") == tokens("مدارس بإدلب") == tokens("مدارس إدلب")
    assert tokens("from") == ["from"]


@pytest.mark.parametrize(
    ("text", "expected"), [("😀", ["😀"]), ("؟! '", ["؟!", "'"]), ("😀 كتب", ["كتاب"]), (" \u200f", [])]
)
def test_signs_are_compared_where_there_is_no_word(text: str, expected: list[str]) -> None:
    """Otherwise they would be asked for like nothing, which finds all."""
    assert tokens(text) == expected


def test_all_languages_of_a_text() -> None:
    assert ANALYSER.tokens_of(LocalizedText(ar="مدارس", en="in Idlib")) == ["مدرسه", "sy07"]
    assert Analyser({}).tokens_of(LocalizedText()) == []


# -- where it stands -----------------------------------------------------------------------------------------------
def test_a_token_tells_where_it_stands() -> None:
    text = "في دَيْر الزَّوْر: 1,250 teachers, ٢ مدارسٌ — children’s ﷺ"
    assert [(text[token.start : token.end], token.text) for token in ANALYSER.analyse(text)][:5] == [
        ("دَيْر الزَّوْر", "sy09"),
        ("1,250", "1250"),
        ("teachers", "teacher"),
        ("٢", "2"),
        ("مدارسٌ", "مدرسه"),
    ]
    assert {text[token.start : token.end] for token in ANALYSER.analyse(text)[6:]} == {"ﷺ"}  # four words, one letter


LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهويأإآةىؤئء"
MARKS = "\u064b\u064e\u0650\u0651\u0652\u0670\u0640\u06d6\u06e1\u200b\u200c\u200f\u202b\ufeff\ufe76\ufe77"
ARABIC = st.text(LETTERS + " ", max_size=60)
SENTENCES = [text for half in ("tuning", "held_out") for text in read(half)["sentences"].values()]
TEXTS = ARABIC | st.sampled_from(SENTENCES) | st.text(LETTERS + "abcé's.,1٢٫٬ـَ" + MARKS, max_size=60)


@given(TEXTS)
def test_a_token_is_that_of_its_span(text: str) -> None:
    for token in ANALYSER.analyse(text):
        assert tokens(text[token.start : token.end]) == [token.text]


@given(st.text(max_size=200))
def test_whatever_is_written_its_tokens_are_in_it_in_order(text: str) -> None:
    before = 0
    for token in ANALYSER.analyse(text):
        assert token.text
        assert before <= token.start < token.end <= len(text)
        before = token.start


# -- encodings -----------------------------------------------------------------------------------------------------
def test_a_normalised_character_stays_as_it_is() -> None:
    for char in map(chr, range(0x20000)):
        assert normalise(normalise(char)) == normalise(char), hex(ord(char))


@given(st.text(max_size=30))
def test_what_is_normalised_stays_as_it_is(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=60) | TEXTS, st.sampled_from(["NFC", "NFD"]))
def test_composed_or_not_a_text_is_the_same(text: str, form: Any) -> None:
    assert tokens(unicodedata.normalize(form, text)) == tokens(text)


@functools.cache
def presentation_forms() -> dict[str, list[str]]:
    """By letter, how older software writes it by its place in the word."""
    forms: dict[str, list[str]] = {}
    for char in map(chr, [*range(0xFB50, 0xFDF0), *range(0xFE80, 0xFEFD)]):
        forms.setdefault(unicodedata.normalize("NFKC", char), []).append(char)
    return {plain: shaped for plain, shaped in forms.items() if len(plain) == 1}


@given(ARABIC | st.sampled_from(SENTENCES), st.randoms(use_true_random=False))
def test_presentation_forms_are_their_letters(text: str, random: Any) -> None:
    shaped = "".join(random.choice(presentation_forms().get(char, [char])) for char in text)
    assert tokens(shaped) == tokens(text)
    assert all(letter in presentation_forms() for letter in LETTERS)


@given(TEXTS, st.data())
def test_marks_tatweel_and_what_is_not_seen_change_nothing(text: str, data: st.DataObject) -> None:
    expected, marked = tokens(text), text
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(marked)))
        marked = marked[:at] + data.draw(st.sampled_from(MARKS)) + marked[at:]
    assert tokens(marked) == expected


@pytest.mark.parametrize(
    "text", ["هاها", "ال", "و", "لل", "ات", "a'", "1,111", ",111", "ﷺ", "\u064b", "Deir ez-", "دير ", "ef ", "ا\u0654"]
)
def test_a_long_text_takes_time_by_its_length(text: str) -> None:
    """All with all would take minutes, and the test's time-out would end it."""
    assert isinstance(tokens(text * (100_000 // len(text))), list)


@pytest.mark.parametrize("text", ["", " ", "'", "''s", "'s", "،؛؟", "\ud800", "\x00", "👩‍🏫", chr(sys.maxunicode), "_"])
def test_odd_texts_are_no_error(text: str) -> None:
    assert isinstance(tokens(text), list)


# -- how well it finds ---------------------------------------------------------------------------------------------
def measured(half: str) -> tuple[float, float]:
    """Precision and recall over all pairs of query and sentence; a query finds what has all its tokens."""
    labelled = read(half)
    sentences = {int(number): set(tokens(text)) for number, text in labelled["sentences"].items()}
    right = found = wanted = 0
    for query, expected in labelled["queries"].items():
        hits = {number for number, said in sentences.items() if said.issuperset(tokens(query))}
        right, found, wanted = right + len(hits & set(expected)), found + len(hits), wanted + len(expected)
    return right / found, right / wanted


@pytest.mark.parametrize(
    ("half", "least_precision", "least_recall"),
    [
        ("tuning", 0.96, 0.98),  # measured: 0.975, 0.996
        ("held_out", 0.97, 0.97),  # measured: 0.990, 0.990; 0.988, 0.971 on the first held-out half (docs/adr/0024)
    ],
)
def test_precision_and_recall(half: str, least_precision: float, least_recall: float) -> None:
    precision, recall = measured(half)
    assert precision >= least_precision
    assert recall >= least_recall
    assert len(read(half)["queries"]) >= 120
