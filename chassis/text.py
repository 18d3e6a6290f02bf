"""The one analyser of Arabic and English for every search: words as they are compared, whatever their form or spelling.

A text is normalised letter by letter, so that all encodings and spellings of a letter are one. Then a phrase that is
another spelling of something becomes its code, words that no search is about go, and what is left is stemmed: Arabic
lightly and with the families of chassis/words.py, English by Snowball's stemmer. docs/adr/0024 has the reasons;
tests/unit/test_text.py measures how well it finds on tests/unit/search_set/.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping

import msgspec
import Stemmer

from chassis import words
from chassis.values import LocalizedText


class Token(msgspec.Struct, frozen=True):
    """What is compared, and where it stands in the text: `text[start:end]`, with the marks on its last letter."""

    text: str
    start: int
    end: int


# -- letters -------------------------------------------------------------------------------------------------------
# Decomposition has taken hamza and madda off their letters, and has turned presentation forms into plain ones.
_ONE_SHAPE = str.maketrans("ٱىیېۍێةہھەۃکڪ٫٬’‘ʼʻʾʿ`", "اييييي" + "ههههه" + "كك.,'''''''", "\u0640\u06e5\u06e6")
_NOT_WRITTEN = {"Mn", "Me", "Cf"}  # marks, zero-width and bidi controls


class _Letters(dict[int, str]):
    """What each character becomes: nothing, one letter or several; worked out when it is first met."""

    def __missing__(self, codepoint: int) -> str:
        char = chr(codepoint)
        found = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
        if len(found) > 1:
            found = found.strip()  # a mark that stands alone is decomposed into a space with the mark
        written = (one for one in found.translate(_ONE_SHAPE) if unicodedata.category(one) not in _NOT_WRITTEN)
        self[codepoint] = "".join(str(unicodedata.decimal(one, one)) for one in written)
        return self[codepoint]


_letters = _Letters()


def normalise(text: str) -> str:
    """A text in its one spelling, without marks and in lower case; the same for every way to encode its letters."""
    return text.translate(_letters)


# In normalised text: 1,250; Arabic letters, without what else is glued to them in بـIdlib and ٢٠٢٦م; any other word.
_ARABIC = "\u0620-\u064a\u066e-\u06d3\u06d5\u06ee\u06ef\u06fa-\u06fc\u06ff"
_WORD = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?!\d)|[{_ARABIC}]+|[^\W_{_ARABIC}]+(?:'[^\W_{_ARABIC}]+)*")
_SIGNS = re.compile(r"\S+")  # what a text without a word is compared by: 😀 is asked for as such, not as nothing
_IS_ARABIC = re.compile(f"[{_ARABIC}]")


def _found(written: str) -> list[re.Match[str]]:
    return list(_WORD.finditer(written)) or list(_SIGNS.finditer(written))


def _word(found: str) -> str:
    """Without separators of thousands, the English possessive, and apostrophes, if anything is left: Dar'a is Dara."""
    return found.replace(",", "").removesuffix("'s").replace("'", "") or found


# -- Arabic --------------------------------------------------------------------------------------------------------
_ARTICLE = re.compile("^[وف]?(?:[بك]?ال|لل)(?=...)(?:ال(?=...))?")  # the second in الالتحاق, as التحاق loses its own
_ATTACHED = re.compile("^(?:و(?=...)|[بل](?=ت..)|[فبكل](?=.....))")  # of roots, few begin with بت or لت
_PRONOUNS = ("هما", "كما", "ها", "هم", "هن", "كم", "نا")
_FEMININE = ("تين", "تان", "ات")  # with ة where there is one
_ENDINGS = ("ات", "ون", "ين", "ان", "ه", "ي", "ا")
_LONGEST = 40  # letters of a word that is stemmed; what is longer is no word


def _off(endings: tuple[str, ...], word: str, least: int = 3) -> str:
    """The word without the first of these endings that it has; the word if fewer than `least` letters would remain."""
    ending = next((one for one in endings if word.endswith(one) and len(word) - len(one) >= least), "")
    return word[: len(word) - len(ending)]


def _off_hamza(word: str) -> str:
    """Hamza at the end of خبراء is mostly left out where people type."""
    return word[:-1] if word.endswith("اء") else word


def _unattached(word: str) -> tuple[str, ...]:
    """The word, and what it may be without "and", "so", "in", "as" and "for" before it; the likelier first."""
    found = [word]
    if word[0] in "وف":
        found.append(word[1:])
    for attached in tuple(found):
        if attached[:1] in tuple("بكل"):
            found.append(attached[1:])
        if attached.startswith("لل"):  # the article's first letter is not written after "for"
            found.append("ال" + attached[2:])
    return tuple(one for one in found if one is word or len(one) >= 2)


def _shorter(word: str) -> Iterator[str]:
    """What the word may be with ever fewer endings; the last one is its stem if no family knows any of them."""
    word = _off_hamza(word)
    yield word
    if (owned := _off(_PRONOUNS, word, 2)) != word:
        yield owned
        if owned.endswith("ت"):  # مدرستهم
            yield owned[:-1] + "ه"
        word = _off(_PRONOUNS, word)
        word = word[:-1] if word.endswith(("اء", "او")) else word  # شركاؤهم
        word = word if word.endswith("ات") else _off(("ت",), word, 4)
        yield word
    elif word.endswith(("ته", "تي")):
        yield word[:-2] + "ه"
    if (alone := _off(_FEMININE, word, 2)) != word:
        yield alone + "ه"
        word = _off(_FEMININE, word, 4)
        yield word
    while (short := _off(_ENDINGS, word)) != word:
        word = _off_hamza(short)
        yield word
        yield word + "ه"  # جامعات and جامعي are of جامعة
    yield word


def _stem_arabic(word: str) -> str:
    for bare in _unattached(word):
        for one in (bare, bare.removeprefix("ال")):
            for form in _shorter(one):
                if family := _ARABIC_FAMILIES.get(form):
                    return family
    # Of a word that nobody listed, what looks attached goes whether it is or not, so that all its forms stay one.
    word = _ARTICLE.sub("", word)
    *_, stem = _shorter(word[1:] if word[0] == "و" and len(word) >= 5 else word)
    return _ATTACHED.sub("", stem)


# -- stems ---------------------------------------------------------------------------------------------------------
def _families(table: str) -> dict[str, str]:
    """Token by form; of a form that is in two families, that of the first."""
    found: dict[str, str] = {}
    for family in table.replace("\n", "|").split("|"):
        for form in (forms := normalise(family).split()):
            found.setdefault(_off_hamza(form), forms[0])
    return found


_ARABIC_FAMILIES, _ENGLISH_FAMILIES = _families(words.ARABIC), _families(words.ENGLISH)
_FUNCTION = frozenset(normalise(words.FUNCTION).split())
_english = Stemmer.Stemmer("english")


@functools.lru_cache(maxsize=50_000)
def _stem_known(word: str) -> str:
    if _IS_ARABIC.match(word):
        return _stem_arabic(word)
    word = _ENGLISH_FAMILIES.get(word, word)
    return str(_english.stemWord(word)) if word.isascii() else word


def _stem(word: str) -> str:
    return _stem_known(word) if len(word) <= _LONGEST else word


# -- the analyser --------------------------------------------------------------------------------------------------
class Analyser:
    """`spellings`: code by phrase, in whatever language; a text that has the phrase has the code as its token, in lower
    case, in place of the phrase's words. Of two phrases that are one once they are normalised, the later counts."""

    def __init__(self, spellings: Mapping[str, str]) -> None:
        self._codes = {tuple(_said(phrase)): normalise(code) for phrase, code in spellings.items()}
        self._longest: dict[str, int] = {}  # words of the longest phrase, by its first word
        for first, *rest in filter(None, self._codes):
            self._longest[first] = max(1 + len(rest), self._longest.get(first, 0))
        self._known_openings = functools.lru_cache(maxsize=50_000)(self._openings)

    def tokens(self, text: str) -> list[str]:
        """What of a text is compared, in its order."""
        return [token for token, _, _ in self._read(_said(text))]

    def tokens_of(self, text: LocalizedText) -> list[str]:
        """Of all its languages, one after the other."""
        return self.tokens(text.ar) + self.tokens(text.en)

    def analyse(self, text: str) -> list[Token]:
        """The tokens of a text in its order, each with its place."""
        letters = [_letters[ord(char)] for char in text]
        origin = [at for at, some in enumerate(letters) for _ in some]  # by place in the normalised text
        origin.append(len(text))
        found = _found("".join(letters))
        tokens = []
        for token, at, length in self._read([_word(one[0]) for one in found]):
            first, last = found[at].start(), found[at + length - 1].end()
            # Up to the next letter, for the marks on the last one; unless one character holds both, as in ﷺ.
            tokens.append(Token(token, origin[first], max(origin[last], origin[last - 1] + 1)))
        return tokens

    def _read(self, said: list[str]) -> list[tuple[str, int, int]]:
        """Tokens, each with its first word's index and its number of words.

        Function words are left out of a text, unless it has no others.
        """
        tokens, function, at = list[tuple[str, int, int]](), list[tuple[str, int, int]](), 0
        while at < len(said):
            word = said[at]
            length, code = self._spelled(said, at)
            if code:
                tokens.append((code, at, length))
            else:
                (function if word in _FUNCTION else tokens).append((_stem(word), at, 1))
            at += length
        return tokens or function

    def _spelled(self, said: list[str], at: int) -> tuple[int, str]:
        """How many words from `at` on are one phrase, and its code; the longest phrase wins, none has no code."""
        word = said[at]
        for first, longest in (self._known_openings if len(word) <= _LONGEST else self._openings)(word):
            for length in range(min(longest, len(said) - at), 0, -1):
                if code := self._codes.get((first, *said[at + 1 : at + length])):
                    return length, code
        return 1, ""

    def _openings(self, word: str) -> list[tuple[str, int]]:
        """What of the word begins a phrase, and how many words the longest such phrase has. Of most words: nothing."""
        return [(first, self._longest[first]) for first in _unattached(word) if first in self._longest]


def _said(text: str) -> list[str]:
    return [_word(one[0]) for one in _found(normalise(text))]
