"""The map of the governorates: needs, offers and matches by place, drawn and in figures."""

import math

import msgspec
from starlette.responses import Response

import vocabularies
from services.portal.visit import Visit
from wasl.matching.v1 import matching_pb2 as m

SHOWN = ("needs", "offers", "matches")
SHADES = 4  # of those that have something
# A square for each governorate, by column and row: of two in a row the eastern one stands right, of two in a column the
# southern one below; a test compares with the places' centroids.
SQUARES = {
    "SY07": (1, 0), "SY02": (2, 0), "SY11": (3, 0), "SY08": (4, 0),
    "SY06": (0, 1), "SY05": (1, 1), "SY09": (4, 1),
    "SY10": (0, 2), "SY04": (1, 2),
    "SY01": (1, 3), "SY03": (2, 3),
    "SY14": (0, 4), "SY12": (1, 4), "SY13": (2, 4),
}  # fmt: skip


class Tile(msgspec.Struct, frozen=True):
    """A governorate on the map; `shade` from 0, nothing, to SHADES; `name` in lines that fit into the square."""

    code: str
    column: int
    row: int
    name: list[str]
    figures: m.Statistics.Place
    count: int
    shade: int


async def of_governorates(visit: Visit) -> Response:
    """Open needs and offers, and matches, by governorate: a map that is shaded by one of them, and a table of all."""
    shown = visit.query("show") if visit.query("show") in SHOWN else SHOWN[0]
    statistics = await visit.part(visit.matching.GetStatistics, m.GetStatisticsRequest())
    known = {place.place_code: place for place in statistics.places} if statistics else {}
    places = [
        known.get(term.code, m.Statistics.Place(place_code=term.code))
        for term in vocabularies.load("places").terms
        if term.parent is None
    ]
    counts = {place.place_code: _count(place, shown) for place in places}
    most = max(counts.values())
    return visit.page(
        "map.html",
        shown=shown,
        statistics=statistics,
        places=places,
        elsewhere=known.get("", m.Statistics.Place()),
        tiles=[_tile(visit, place, counts[place.place_code], most) for place in places],
        shades=_shades(most),
    )


def _count(place: m.Statistics.Place, shown: str) -> int:
    return {"needs": place.need_count, "offers": place.offer_count, "matches": place.match_count}[shown]


def _tile(visit: Visit, place: m.Statistics.Place, count: int, most: int) -> Tile:
    column, row = SQUARES[place.place_code]
    name = visit.language.label(place.place_code, "places").split(" ", 1)
    return Tile(place.place_code, column, row, name, place, count, math.ceil(SHADES * count / most) if most else 0)


def _shades(most: int) -> list[tuple[int, int, int]]:
    """Each shade that can be there, with the least and the most that it stands for."""
    ends = [(shade, (shade - 1) * most // SHADES + 1, shade * most // SHADES) for shade in range(1, SHADES + 1)]
    return [(shade, least, last) for shade, least, last in ends if least <= last]


PAGES = [("/map", of_governorates, "GET")]
