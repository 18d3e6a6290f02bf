"""How records are found: what of a record is indexed, and which piece of it answers a question. Pure.

A word counts where it stands: a title says what a record is, keywords and creators what it is about, a description
mentions much. So `Entry` has three lists, each with the one before: `title`, `strong`, `words`.
"""

import functools
import hashlib
from collections.abc import Iterable, Sequence

from msgspec import Struct

import vocabularies
from chassis.text import Token
from chassis.values import LocalizedText
from services.resources.model import Facet, FacetValue, Range, Record, Snippet

ABOUT = {"subject_code": "help", "level_code": "isced_levels", "place_code": "places"}  # filter: its vocabulary
SUBJECTS = "expertise"  # what the terms of `help` that are subjects stand under
FILTERS = ("type", "licence", "language_code", *ABOUT)
MOST_WORDS = 16  # of a question
MOST_VALUES = 50  # of a facet
SNIPPET, BEFORE = 240, 60  # letters of a snippet, and of them at most before the first word that was looked for
_analyse = vocabularies.analyser().analyse


class Entry(Struct, frozen=True, kw_only=True):
    """A record as it is searched; `words` holds its filters too. `order`: the later published, the higher.

    Words are their `number`s: a third of the bytes, so that the index of a large bank stays in memory.
    """

    record_id: str
    order: int
    title: tuple[int, ...]
    strong: tuple[int, ...]
    words: tuple[int, ...]
    facets: str  # the values of all filters in one text, so that equal records are counted together


def entry(record: Record, *, order: int) -> Entry:
    """Of a published record."""
    values = _values(record)
    about = [vocabularies.find("help", code) for code in record.subject_codes]
    labels = [term.label for term in about if term]
    title = _stems([record.title])
    # A place's name is indexed as its code, so its code finds what is about it without naming it.
    named = {_analyse(code)[0].text for code in values["place_code"]}
    creators = {token.text for creator in record.creators for token in _analyse(creator)}
    strong = title | _stems([*record.keywords, *labels]) | creators | named
    words = strong | _stems([record.description] if record.description else [])
    terms = {filter_term(name, value) for name, found in values.items() for value in found}
    return Entry(
        record_id=record.record_id,
        order=order,
        title=numbers(title),
        strong=numbers(strong),
        words=numbers(words | terms),
        facets="|".join(",".join(values[name]) for name in FILTERS),
    )


@functools.lru_cache(maxsize=50_000)
def number(word: str) -> int:
    """32 bits, as BSON has them. Of a bank's 100,000 different words, one in 40,000 shares another's number."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), signed=True)


def numbers(words: Iterable[str]) -> tuple[int, ...]:
    """In their own order."""
    return tuple(sorted(map(number, words)))


def filter_term(name: str, value: str) -> str:
    """Stands among the words; no word has a colon."""
    return f"{name}:{value}"


def _values(record: Record) -> dict[str, list[str]]:
    """By filter. A code stands for all that are wider: who looks for a governorate finds its districts."""
    values = {"type": [record.type.value], "licence": [record.licence], "language_code": list(record.language_codes)}
    for name, vocabulary in ABOUT.items():
        codes: Sequence[str] = getattr(record, f"{name}s")
        wider = {one for code in codes for one in (code, *vocabularies.ancestors(vocabulary, code))}
        values[name] = sorted(wider - {SUBJECTS})
    return values


def _stems(texts: Iterable[LocalizedText]) -> set[str]:
    return {token.text for text in texts for said in (text.ar, text.en) for token in _analyse(said)}


def question(text: str) -> list[str]:
    """The stems of what somebody looks for, each once, in their order."""
    return list(dict.fromkeys(token.text for token in _analyse(text)))[:MOST_WORDS]


def facets(counted: Iterable[tuple[str, int]]) -> tuple[Facet, ...]:
    """Of texts as `Entry.facets`, each with how many records have it."""
    totals: dict[str, dict[str, int]] = {name: {} for name in FILTERS}
    for text, count in counted:
        for name, values in zip(FILTERS, text.split("|"), strict=True):
            for value in filter(None, values.split(",")):
                totals[name][value] = totals[name].get(value, 0) + count
    return tuple(
        Facet(
            name,
            tuple(FacetValue(*one) for one in sorted(found.items(), key=lambda one: (-one[1], one[0]))[:MOST_VALUES]),
        )
        for name, found in totals.items()
    )


# -- snippets ------------------------------------------------------------------------------------------------------
def snippets(record: Record, stems: Sequence[str]) -> tuple[Snippet, ...]:
    """The title, and the part of the description with most of the words; where they are in none, its beginning."""
    wanted, found = set(stems), []
    for field, text in (("title", record.title), ("description", record.description)):
        for language in ("ar", "en"):
            if said := getattr(text, language, ""):
                hits = [token for token in _analyse(said) if token.text in wanted] if wanted else []
                start, end = _window(said, hits) if field == "description" else (0, len(said))
                inside = [
                    Range(hit.start - start, hit.end - start) for hit in hits if start <= hit.start < hit.end <= end
                ]
                found.append(
                    Snippet(field=field, language_code=language, text=said[start:end], highlights=tuple(inside))
                )
    return tuple(found)


def _window(text: str, hits: Sequence[Token]) -> tuple[int, int]:
    """Where the piece with most hits begins and ends, between words."""
    start = 0
    if hits:
        best = max(hits, key=lambda hit: sum(hit.start <= other.start < hit.start + SNIPPET - BEFORE for other in hits))
        start = max(0, best.start - BEFORE)
        if start:
            start = min(best.start, text.find(" ", start) + 1 or best.start)
    end = start + SNIPPET
    if end < len(text):
        end = max(text.rfind(" ", start + SNIPPET // 2, end), start + SNIPPET // 2)
    return start, min(end, len(text))
