"""Texts of made up but likely words: those of the vocabularies and of our services, and names that nobody listed.

The nth word comes about 1 / n as often as the first, as in every language (Zipf, with Mandelbrot's shift for the most
frequent ones). What is made from the same seed is the same.
"""

import importlib
import itertools
import random
import re
from collections.abc import Iterator

import vocabularies
from chassis import errors, words
from chassis.values import LocalizedText

SHIFT = 2.7  # a language's most frequent word is no tenth of all
NAMES = 20_000  # of each language
LETTERS = {"ar": ("بتثجحدرزسشصطعغفقكلمنه", "اوي"), "en": ("bdfghjklmnprstvwz", "aeiou")}
WORD = {"ar": re.compile("[\u0621-\u064a]{2,}"), "en": re.compile("[a-z]{2,}")}


class Words:
    """`choose` is the seeded randomness, for all else that is to be chosen."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        said = list(_said())
        self._words, self._weights = {}, {}
        for language, word in WORD.items():
            known = sorted({found for text in said for found in word.findall(text.lower())})
            self.choose.shuffle(known)
            ranked = self._words[language] = [*known, *(self._name(language) for _ in range(NAMES))]
            self._weights[language] = list(itertools.accumulate(1 / (rank + SHIFT) for rank in range(len(ranked))))

    def text(self, language: str, least: int, most: int) -> str:
        count = self.choose.randint(least, most)
        return " ".join(self.choose.choices(self._words[language], cum_weights=self._weights[language], k=count))

    def both(self, least: int, most: int) -> LocalizedText:
        """In each language one of its own."""
        return LocalizedText(ar=self.text("ar", least, most), en=self.text("en", least, most))

    def questions(self, count: int) -> list[str]:
        """What people look for: one word to three, in one of the languages."""
        return [self.text(self.choose.choice(("ar", "en")), 1, 3) for _ in range(count)]

    def _name(self, language: str) -> str:
        consonants, vowels = LETTERS[language]
        syllables = self.choose.randint(2, 4)
        return "".join(self.choose.choice(consonants) + self.choose.choice(vowels) for _ in range(syllables))


def _said() -> Iterator[str]:
    """Every text of the vocabularies, every sentence of our errors, and the words that the analyser knows."""
    for name in vocabularies.names():
        for term in vocabularies.load(name).terms:
            yield from (*term.spellings(), term.description.ar, term.description.en)
    for service in ("members", "events", "matching", "resources"):
        importlib.import_module(f"services.{service}.model")
    for kind in _below(errors.Error):
        yield from (re.sub("{.*?}", " ", text) for text in (kind.ar, kind.en))
    yield from (words.ARABIC, words.ENGLISH)


def _below(kind: type[errors.Error]) -> Iterator[type[errors.Error]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
