"""The vocabularies as they are served: read-only, the same for everybody."""

from typing import Any

from msgspec import Struct

import vocabularies
from chassis.paging import DEFAULT, LARGEST, BadPageToken, Page, seal, unseal
from chassis.tx import Tx
from chassis.values import LocalizedText
from services.resources.model import VocabularyNotFound


class Vocabulary(Struct, frozen=True, kw_only=True):
    """vocabularies.Vocabulary as the contract has it."""

    name: str
    title: LocalizedText
    version: str
    source: str
    licence: str
    term_count: int
    terms: tuple[vocabularies.Term, ...] = ()


def _shown(name: str, *, terms: bool) -> Vocabulary:
    found = vocabularies.load(name)
    return Vocabulary(
        name=found.name,
        title=found.title,
        version=found.version.isoformat(),
        source=found.source,
        licence=found.licence,
        term_count=len(found.terms),
        terms=found.terms if terms else (),
    )


async def list_vocabularies(tx: Tx, *, page_size: int, page_token: str, **_: Any) -> Page[Vocabulary]:
    """By name, without their terms. Raises paging.BadPageToken."""
    names = vocabularies.names()
    last = unseal(page_token) if page_token else ""
    if last and last not in names:
        raise BadPageToken
    size = min(page_size or DEFAULT, LARGEST)
    following = [name for name in names if name > last]
    token = seal(following[size - 1]) if len(following) > size else ""
    return Page([_shown(name, terms=False) for name in following[:size]], token, len(names))


async def get_vocabulary(tx: Tx, *, name: str) -> Vocabulary:
    """With its terms. Raises VocabularyNotFound."""
    if name not in vocabularies.names():
        raise VocabularyNotFound
    return _shown(name, terms=True)
