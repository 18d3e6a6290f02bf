"""The one analyser of Arabic and English for every search: words as they are compared, whatever their form or spelling.

A word is normalised (compatibility forms, marks, one shape for each letter, European digits), then a phrase that is
another spelling of something becomes its code, and what is left is stemmed: Arabic lightly, with a table of families
whose plurals are broken; English by Snowball's stemmer. Measured on tests/unit/search_set/ (test_text.py).
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping

import msgspec
import Stemmer

# Letters and digits, with what may stand on them or between them: marks, tatweel, joiners, directions.
_MARK = "\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06ed\u200b-\u200f\u202a-\u202e"
_MARK += "\u2066-\u2069"
_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARK}])*")
_MARKS = re.compile(f"[{_MARK}]+")
_ONE_SHAPE = str.maketrans("أإآٱىیېةہھکؤئ٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "اااايييهههكوي" + "0123456789" * 2)
_ARABIC = re.compile("[\u0621-\u064a]")

_english = Stemmer.Stemmer("english")


class Token(msgspec.Struct, frozen=True):
    """What is compared, and where it stands in the text: `text[start:end]`."""

    text: str
    start: int
    end: int


@functools.lru_cache(maxsize=50_000)
def normalise(word: str) -> str:
    """A word in its one spelling; the same for every way to write its letters."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", word))
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", plain.translate(_ONE_SHAPE))).casefold()
    return unicodedata.normalize("NFKC", plain).translate(_ONE_SHAPE)


# -- Arabic --------------------------------------------------------------------------------------------------------
# Families whose plural is broken, or whose stem would meet another word's; the first form is the token.
_FAMILIES = """
مدرسي مدرسيه | محو | الكتروني الكترونيه الكترونيا
مدرسه مدارس مدرستين مدرستان | مدرس مدرسين مدرسون مدرسات | كتاب كتب كتابين كتابان | مكتبه مكتبات | كاتب كتبه
طالب طلاب طلبه طالبه طالبات | تلميذ تلاميذ تلامذه تلميذه | طفل اطفال طفله | معلم معلمه معلمين معلمون معلمات
ورشه ورش ورشات | درس دروس | منهج مناهج منهاج | قريه قري قريتين | مدينه مدن | مركز مراكز | صف صفوف | حقيبه حقايب
مقعد مقاعد | جهاز اجهزه | حاسوب حواسيب | مخبر مخابر مختبر مختبرات | برنامج برامج | مشروع مشاريع مشروعات
فريق فرق | معهد معاهد | علم علوم | كرسي كراسي | لوح الواح | قلم اقلام | دفتر دفاتر | خيمه خيام خيم
شاب شباب شبان | امراه نساء نسا | بنت بنات | فتاه فتيات | خبير خبراء خبرا خبره خبرات | مدير مدراء مدرا مديرين
نشاط انشطه نشاطات | منطقه مناطق | محافظه محافظات | سنه سنوات سنين | عام اعوام | يوم ايام | شهر اشهر شهور
لغه لغات | ماده مواد | مبني مباني ابنيه | غرفه غرف | جدار جدران | سقف اسقف سقوف | نافذه نوافذ | بءر ابار
خزان خزانات | حافله حافلات باص باصات | طريق طرق | شخص اشخاص | انسان ناس | عايله عايلات اسره اسر | ولد اولاد
ام امهات | اب اباء ابا | نازح نازحين نازحون | متطوع متطوعين متطوعون متطوعه متطوعات | مرشد مرشدين مرشده
طبيب اطباء اطبا | عامل عمال عاملين | شريك شركاء شركا | لاجي لاجيين لاجيون | مانح مانحين مانحون | منظمه منظمات
جمعيه جمعيات | جامعه جامعات | كليه كليات | ندوه ندوات | موتمر موتمرات | دوره دورات | امتحان امتحانات
سوال اسيله | دليل ادله | تقرير تقارير | بحث بحوث ابحاث | فكره افكار | هدف اهداف | حاجه حاجات احتياج احتياجات
عرض عروض | صعوبه صعوبات | لعبه العاب لعب | قصه قصص | صوره صور | خريطه خرايط | تجربه تجارب | اداه ادوات
وسيله وسايل | روضه رياض روضات | حضانه حضانات | مخيم مخيمات | بلده بلدات | حي احياء احيا
"""
_FAMILY = {
    form: forms.split()[0]
    for line in _FAMILIES.strip().splitlines()
    for forms in line.split("|")
    for form in forms.split()
}
_ARTICLES = ("وبال", "فبال", "وكال", "ولل", "فلل", "وال", "بال", "كال", "فال", "لل", "ال")
_PROCLITICS = ("و", "ف", "ب", "ك", "ل", "وب", "ول", "فل")
_SUFFIXES = ("هما", "ها", "هم", "هن", "نا", "كم", "ان", "ات", "ون", "ين", "يه", "ه", "ي")


def _bare(word: str) -> Iterator[str]:
    """The word, and what it may be without article and proclitics; the likelier first."""
    yield word
    for article in _ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= 2:
            yield word[len(article) :]
            break
    for proclitic in _PROCLITICS:
        if word.startswith(proclitic) and len(word) - len(proclitic) >= 2:
            yield word[len(proclitic) :]


def _stem_arabic(word: str) -> str:
    for bare in _bare(word):
        if family := _FAMILY.get(bare):
            return family
    article = next((one for one in _ARTICLES if word.startswith(one) and len(word) - len(one) >= 2), "")
    bare = word[len(article) :]
    if not article and bare.startswith("و") and len(bare) >= 5:
        bare = bare[1:]
    while suffix := next((one for one in _SUFFIXES if bare.endswith(one) and len(bare) - len(one) >= 3), ""):
        bare = bare[: -len(suffix)]
        if family := _FAMILY.get(bare):
            return family
    return bare


@functools.lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Of a normalised word."""
    return _stem_arabic(word) if _ARABIC.search(word) else _english.stemWord(word)


# -- the analyser --------------------------------------------------------------------------------------------------
class Analyser:
    """`spellings`: code by phrase, as it is written in whatever language; a code is found by each of its phrases."""

    def __init__(self, spellings: Mapping[str, str]) -> None:
        self._codes: dict[tuple[str, ...], str] = {}
        for phrase, code in spellings.items():
            words = tuple(_without_article(normalise(found[0])) for found in _WORD.finditer(phrase))
            self._codes.setdefault(words, normalise(code))
        self._longest: dict[str, int] = {}  # words of the longest phrase, by its first word
        for words in self._codes:
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))

    def analyse(self, text: str) -> list[Token]:
        """The tokens of a text in its order."""
        found = [(normalise(one[0]), one.start(), one.end()) for one in _WORD.finditer(text)]
        words = [word for word, _, _ in found]
        tokens, at = list[Token](), 0
        while at < len(found):
            length, code = self._spelled(words, at)
            end = found[at + max(length, 1) - 1][2]
            tokens.append(Token(code if length else stem(words[at]), found[at][1], end))
            at += max(length, 1)
        return tokens

    def _spelled(self, words: list[str], at: int) -> tuple[int, str]:
        """How many words from `at` on are one phrase, and its code; the longest phrase wins, 0 for none."""
        for first in map(_without_article, _bare(words[at])):
            for length in range(min(self._longest.get(first, 0), len(words) - at), 0, -1):
                rest = tuple(map(_without_article, words[at + 1 : at + length]))
                if code := self._codes.get((first, *rest)):
                    return length, code
        return 0, ""


def _without_article(word: str) -> str:
    return word[2:] if word.startswith("ال") and len(word) > 4 else word
