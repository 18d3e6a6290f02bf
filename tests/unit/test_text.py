"""The analyser: one token for every form and spelling of a word, where it stands, and how well it finds."""

import pathlib
import tomllib
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vocabularies
from chassis.text import Analyser, normalise

ANALYSER = Analyser(vocabularies.spellings("places"))
SET: dict[str, Any] = {
    half: tomllib.loads((pathlib.Path(__file__).parent / "search_set" / f"{half}.toml").read_text(encoding="utf-8"))
    for half in ("tuning", "held_out")
}
ARABIC = st.text("ابتثجحخدذرزسشصضطظعغفقكلمنهويأإآةىؤئء ", max_size=60)


def tokens(text: str) -> list[str]:
    return [token.text for token in ANALYSER.analyse(text)]


@pytest.mark.parametrize(
    "words",
    [
        "ادلب إدلب Idlib Idleb IDLIB بإدلب وإدلب لإدلب",
        "مدرسه مَدْرَسَة المدرسة ﻣﺪﺭﺳﺔ مـدرسـة للمدرسة والمدارس مدارس",
        "الحسكه الحسكة Hasakeh Hasakah والحسكة",
        f"أحمد {unicodedata.normalize('NFD', 'أحمد')} احمد",
        "المعلمين معلم معلّمات للمعلمين والمعلمون",
        "٢٠٢٦ 2026 ۲۰۲۶",
        "teacher Teachers TEACHER",
        "café Cafe",
        "على علي",
    ],
)
def test_all_forms_of_a_word_are_one(words: str) -> None:
    assert len({tuple(tokens(word)) for word in words.split()}) == 1


def test_a_name_of_several_words_is_one_token() -> None:
    for text in ("دير الزور", "في ديرالزور"[3:], "Deir ez-Zor", "Deir-ez-Zor", "بدير الزور"):
        assert tokens(text) == ["sy09"], text
    assert tokens("ريف دمشق") == tokens("Rural Damascus") == ["sy03"]
    assert tokens("دمشق") == ["sy01"]
    assert tokens("ريف حلب")[-1] == "sy02"


@pytest.mark.parametrize(
    ("one", "other"),
    [("مدرسة", "مدرس"), ("مكتبة", "كاتب"), ("معلم", "علم"), ("كتاب", "كاتب"), ("حمص", "حماة"), ("عام", "علم")],
)
def test_different_words_stay_different(one: str, other: str) -> None:
    assert tokens(one) != tokens(other)


def test_a_token_tells_where_it_stands() -> None:
    text = "في دَيْر الزَّوْر: 3 teachers, ٢ مدارس."
    assert [(text[token.start : token.end], token.text) for token in ANALYSER.analyse(text)] == [
        ("في", "في"),
        ("دَيْر الزَّوْر", "sy09"),
        ("3", "3"),
        ("teachers", "teacher"),
        ("٢", "2"),
        ("مدارس", "مدرسه"),
    ]


@given(st.text(max_size=200))
def test_whatever_is_written_its_tokens_are_in_it_in_order(text: str) -> None:
    end = 0
    for token in ANALYSER.analyse(text):
        assert end <= token.start < token.end <= len(text)
        end = token.end


@given(ARABIC)
def test_how_the_letters_are_encoded_changes_nothing(text: str) -> None:
    expected = tokens(text)
    assert tokens(unicodedata.normalize("NFD", text)) == expected
    assert tokens("".join(f"{one}\u064b\u0640" if one.isalpha() else one for one in text)) == expected


@given(st.text(max_size=30))
def test_what_is_normalised_stays_as_it_is(word: str) -> None:
    assert normalise(normalise(word)) == normalise(word)


def measured(half: dict[str, Any]) -> tuple[float, float]:
    """Precision and recall over all queries."""
    sentences = {number: set(tokens(text)) for number, text in half["sentences"].items()}
    right = found = wanted = 0
    for query, expected in half["queries"].items():
        asked = set(tokens(query))
        hits = {int(number) for number, words in sentences.items() if asked <= words}
        right, found, wanted = right + len(hits & set(expected)), found + len(hits), wanted + len(expected)
    return right / found, right / wanted


def test_precision_and_recall() -> None:
    """The analyser as it was when these sentences were written; `held_out` is measured when tuning is over."""
    precision, recall = measured(SET["tuning"])
    assert precision >= 0.9
    assert recall >= 0.9
    assert all(len(half["queries"]) >= 120 for half in SET.values())
