"""Reference data in Arabic and English, one CSV file each; a file is read once, when it is first asked for.

Codes go into documents and events, labels never do: a label may change, a code stays for ever. A column's name is the
path to its place in `Term`, such as `label.ar`; `|` divides the texts of one cell. Above the columns a file says what
it is (`Vocabulary`), and an empty line ends that. docs/how-to/edit-a-vocabulary.md is for those who edit.

CSV and not TOML: curators work with spreadsheets, and all files load in 6 ms (as TOML: 25 ms).
"""

import csv
import functools
import itertools
import pathlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec

from chassis.text import Analyser
from chassis.values import LocalizedText

_FOLDER = pathlib.Path(__file__).parent
_SEVERAL = ("synonyms", "units")  # columns whose cells hold several texts


class Synonyms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Other spellings of a label, by language: no order."""

    ar: tuple[str, ...] = ()
    en: tuple[str, ...] = ()


class ArabicPlurals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By CLDR category; `{n}` is where the number goes, and `one` and `two` say it themselves."""

    zero: str
    one: str
    two: str
    few: str
    many: str
    other: str


class EnglishPlurals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same for English."""

    one: str
    other: str


class Plurals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quantity as a text, by language."""

    ar: ArabicPlurals
    en: EnglishPlurals


class Term(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One concept. What only some vocabularies have is empty or None in the others."""

    code: str
    label: LocalizedText
    synonyms: Synonyms = Synonyms()
    description: LocalizedText = LocalizedText()
    parent: str | None = None  # code of the next wider term; None for a root
    latitude: float | None = None  # places: of the centroid, WGS 84, degrees
    longitude: float | None = None
    units: tuple[str, ...] = ()  # help: codes of `units` in which it is counted, the most usual first
    plurals: Plurals | None = None  # units

    def spellings(self) -> tuple[str, ...]:
        """Labels and synonyms in both languages."""
        return (self.label.en, self.label.ar, *self.synonyms.en, *self.synonyms.ar)


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`terms` in the order of the file."""

    name: str
    title: LocalizedText
    version: date  # of the last change
    source: str  # where the facts are from, each with its licence
    licence: str  # of this file, an SPDX identifier
    terms: tuple[Term, ...]


@functools.cache
def names() -> tuple[str, ...]:
    """Which vocabularies there are."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.csv")))


@functools.cache
def load(name: str) -> Vocabulary:
    """Raises KeyError when there is none of this name, and msgspec.ValidationError when its file is not well formed."""
    if name not in names():  # also keeps a name that a client sent from being a path
        raise KeyError(name)
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a BOM
        rows = csv.reader(file)
        about = _nested((row[0], row[1]) for row in itertools.takewhile(any, rows))
        columns = next(rows)
        terms = [_nested(zip(columns, row, strict=True)) for row in rows if any(row)]
    return msgspec.convert({**about, "terms": terms}, Vocabulary, strict=False)  # a cell is a text, also of a number


def find(name: str, code: str) -> Term | None:
    """The term with this code."""
    return _terms(name).get(code)


def ancestors(name: str, code: str) -> tuple[str, ...]:
    """Codes of the wider terms, the nearest first; none for a root, and for a code that is not there."""
    return _upwards(name, code)[1:]


def within(name: str, code: str, ancestor: str) -> bool:
    """Whether `code` is `ancestor` or below it; False for a code that is not there."""
    return ancestor in _upwards(name, code)


def distance(name: str, a: str, b: str) -> int | None:
    """Steps from `a` to `b` over their nearest common ancestor: siblings are 2 apart. None when they have none."""
    of_a, of_b = _upwards(name, a), _upwards(name, b)
    return next((steps + of_b.index(code) for steps, code in enumerate(of_a) if code in of_b), None)


@functools.cache
def spellings(name: str) -> Mapping[str, str]:
    """Code by spelling, as written: labels and synonyms in both languages. Of a governorate and its district with the
    same name, and wherever else a term and one below it share a spelling, the wider term has it."""
    narrow_first = sorted(load(name).terms, key=lambda term: len(_upwards(name, term.code)), reverse=True)
    return {spelling: term.code for term in narrow_first for spelling in term.spellings()}


@functools.cache
def analyser() -> Analyser:
    """The one of every search: a place is found by whatever it is called."""
    return Analyser(spellings("places"))


@functools.cache
def _terms(name: str) -> Mapping[str, Term]:
    return {term.code: term for term in load(name).terms}


def _upwards(name: str, code: str | None) -> tuple[str, ...]:
    """The code itself, and those of its ancestors."""
    terms, found = _terms(name), []
    while code and (term := terms.get(code)):
        found.append(term.code)
        code = term.parent
    return tuple(found)


def _nested(cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`{"label": {"ar": …}}` of the column `label.ar`; an empty cell says nothing."""
    tree: dict[str, Any] = {}
    for column, cell in cells:
        if cell:
            *path, last = column.split(".")
            branch = tree
            for step in path:
                branch = branch.setdefault(step, {})
            branch[last] = cell.split("|") if column.startswith(_SEVERAL) else cell
    return tree
