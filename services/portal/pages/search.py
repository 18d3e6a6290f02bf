"""The knowledge bank searched: by words, and by what records are about, with the filters that narrow what was found."""

from collections.abc import Awaitable, Callable, Iterable

import msgspec
from starlette.responses import Response

import vocabularies
from services.portal.forms import Form
from services.portal.language import Language
from services.portal.pages.records import PAGE, SUBJECTS, licence
from services.portal.refusals import Refused
from services.portal.visit import Visit
from wasl.resources.v1 import resources_pb2 as r

TREES = {  # filter of a search: its vocabulary, and what its widest terms stand under
    "subject_code": ("help", SUBJECTS),
    "level_code": ("isced_levels", None),
    "place_code": ("places", None),
}
FILTERS = ("type", *TREES, "language_code", "licence")
FIRST_VALUES = 6  # of a facet; the others are one click away


class Choice(msgspec.Struct, frozen=True):
    """A value of a filter: how it is called, how many have it, where it leads."""

    label: str
    count: int
    url: str


class Facet(msgspec.Struct, frozen=True):
    """The values of a filter that may be chosen: the first, and the others."""

    name: str
    first: list[Choice]
    others: list[Choice]


class Hit(msgspec.Struct, frozen=True):
    """A record that was found; the pieces of its texts that are of interest."""

    record: r.Record
    title: r.Snippet
    piece: r.Snippet | None


async def search(visit: Visit) -> Response:
    """The knowledge bank, searched by words and by what records are about; the newest where nothing is asked."""
    asked = {name: [value] for name, value in visit.request.query_params.items()}
    form = Form(asked, sent=True, translate=visit.language.gettext)
    found = r.SearchRecordsResponse(is_complete=True)
    try:
        found = await visit.call(visit.resources.SearchRecords, form.message(r.SearchRecordsRequest, page_size=PAGE))
    except Refused as refused:
        form.refuse(refused)
    chosen = {name: visit.query(name) for name in FILTERS if visit.query(name)}
    return visit.page(
        "records/list.html",
        form=form,
        found=found,
        hits=[_hit(one, visit.language.code) for one in found.results],
        chosen=chosen,
        chips=[Choice(_named(visit.language, name, value), 0, _without(visit, name)) for name, value in chosen.items()],
        facets=[one for one in _facets(visit, found, chosen) if one.first],
    )


def _hit(result: r.SearchResult, code: str) -> Hit:
    """The title in the page's language if there is one, the piece in whichever language the words are."""

    def best(field: str, *rank: Callable[[r.Snippet], bool]) -> r.Snippet | None:
        of_field = [one for one in result.snippets if one.field == field]
        return max(of_field, key=lambda one: [value(one) for value in rank], default=None)

    def own(one: r.Snippet) -> bool:
        return one.language_code == code

    def hits(one: r.Snippet) -> bool:
        return bool(one.highlights)

    title = best("title", own, hits)
    return Hit(result.record, title or r.Snippet(), best("description", hits, own))


def _facets(visit: Visit, found: r.SearchRecordsResponse, chosen: dict[str, str]) -> Iterable[Facet]:
    """Of a tree the terms right below what is chosen; of any other filter all values, unless one is chosen."""
    by_name = {one.field: one.values for one in found.facets}
    for name in FILTERS:
        values = [one for one in by_name.get(name, ()) if _narrows(name, one.value, chosen.get(name, ""))]
        choices = [
            Choice(_named(visit.language, name, one.value), one.count, visit.here(**{name: one.value}, page_token=""))
            for one in values
        ]
        yield Facet(name, choices[:FIRST_VALUES], choices[FIRST_VALUES:])


def _narrows(name: str, value: str, chosen: str) -> bool:
    if name not in TREES:
        return not chosen
    vocabulary, root = TREES[name]
    term = vocabularies.find(vocabulary, value)
    return term is not None and term.parent == (chosen or root)


def _without(visit: Visit, name: str) -> str:
    return visit.here(**{name: "", "page_token": ""})


def _named(language: Language, name: str, value: str) -> str:
    """A filter's value in words; what nobody has is shown as it is."""
    if name in TREES:
        return language.label(value, TREES[name][0])
    if name == "type":
        return dict(language.words(r.Record.Type)).get(value, value)
    return language.tongue(value) if name == "language_code" else licence(language, value)


Page = Callable[[Visit], Awaitable[Response]]
PAGES: list[tuple[str, Page, str]] = [("/records", search, "GET")]
