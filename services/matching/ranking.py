"""How two lines that fit together are ranked, and why, in both languages. Pure; the weights are in weights.toml."""

import itertools
import pathlib
import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

import vocabularies
from chassis.errors import ARABIC_DIGITS
from chassis.values import LocalizedText
from services.matching.model import Line, Posting, Side

_PUBLISHED = tomllib.loads(pathlib.Path(__file__).with_name("weights.toml").read_text(encoding="utf-8"))
VERSION: str = _PUBLISHED["version"]
POINTS: dict[str, int] = _PUBLISHED["points"]
WAITED_ENOUGH = timedelta(days=30)
INSIDE, ANYWHERE = 0.7, 0.4  # values of PLACE


class OpenLine(Struct, frozen=True, kw_only=True):
    """A line with something open, of a published posting, with what is asked of its posting when it is ranked."""

    line_id: str
    posting_id: str
    side: Side
    participant_id: str
    help_code: str
    unit_code: str
    place_code: str
    open_quantity: int
    publish_time: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    tokens: tuple[str, ...] = ()


class Criterion(Struct, frozen=True, kw_only=True):
    """What one criterion adds."""

    code: str
    points: int
    max_points: int
    explanation: LocalizedText


class Suggestion(Struct, frozen=True, kw_only=True):
    """Two lines that fit together; `score` is the sum of the criteria's points."""

    need_id: str
    need_line_id: str
    offer_id: str
    offer_line_id: str
    participant_id: str
    quantity: int
    unit_code: str
    score: int
    criteria: tuple[Criterion, ...]


def rank(posting: Posting, line: Line, row: OpenLine, *, at: datetime) -> Suggestion:
    """`row`, of the other side, for a line of `posting`."""
    need, offer = (line, row) if posting.side is Side.NEED else (row, line)
    criteria = (
        _kind(line.help_code, row.help_code),
        _place(line.place_code, row.place_code),
        _text(posting.tokens, row.tokens),
        _time(need, offer, at),
        _waiting(at - row.publish_time),
    )
    own, other = (posting.posting_id, line.line_id), (row.posting_id, row.line_id)
    (need_id, need_line_id), (offer_id, offer_line_id) = (own, other) if posting.side is Side.NEED else (other, own)
    return Suggestion(
        need_id=need_id,
        need_line_id=need_line_id,
        offer_id=offer_id,
        offer_line_id=offer_line_id,
        participant_id=row.participant_id,
        quantity=min(line.open_quantity, row.open_quantity),
        unit_code=line.unit_code,
        score=sum(one.points for one in criteria),
        criteria=criteria,
    )


def nearest(line: Line, kinds: Sequence[str], places: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Kinds and places that fit a line, in groups that get the same points for both, most points first."""
    by_kind: dict[int, list[str]] = {}
    by_place: dict[int, list[str]] = {}
    for code in kinds:
        by_kind.setdefault(_kind(line.help_code, code).points, []).append(code)
    for code in places:
        by_place.setdefault(_place(line.place_code, code).points, []).append(code)
    groups = sorted(itertools.product(by_kind, by_place), key=sum, reverse=True)
    return [(by_kind[kind], by_place[place]) for kind, place in groups]


def _criterion(code: str, value: float, en: str, ar: str, number: int = 0) -> Criterion:
    shown = str(number)
    return Criterion(
        code=code,
        points=round(POINTS[code] * value),
        max_points=POINTS[code],
        explanation=LocalizedText(en=en.format(shown), ar=ar.format(shown.translate(ARABIC_DIGITS))),
    )


def _kind(own: str, other: str) -> Criterion:
    steps = vocabularies.distance("help", own, other) or 0
    if steps == 0:
        return _criterion("KIND", 1, "the same kind of help", "النوع نفسه من المساعدة")
    en, ar = "a wider or narrower kind of help; steps between them: {}", "نوع أعمّ أو أخصّ؛ الخطوات بينهما: {}"
    return _criterion("KIND", 1 / (1 + steps), en, ar, steps)


def _place(own: str, other: str) -> Criterion:
    if not own or not other:
        return _criterion(
            "PLACE", ANYWHERE, "at least one side is not tied to a place", "أحد الطرفين على الأقل غير مقيّد بمكان"
        )
    if own == other:
        return _criterion("PLACE", 1, "the same place", "المكان نفسه")
    return _criterion("PLACE", INSIDE, "one place lies within the other", "أحد المكانين ضمن الآخر")


def _text(own: tuple[str, ...], other: tuple[str, ...]) -> Criterion:
    shared = len(set(own) & set(other))
    value = shared / len(set(own)) if own else 0
    return _criterion("TEXT", value, "words in common: {}", "الكلمات المشتركة: {}", shared)


def _time(need: Line | OpenLine, offer: Line | OpenLine, at: datetime) -> Criterion:
    """Without an end of the need, what is offered now or later covers it."""
    begin = max(need.start_time or at, at)
    value = 1.0
    if need.end_time is not None and need.end_time > begin:
        covered = min(need.end_time, offer.end_time or need.end_time) - max(begin, offer.start_time or begin)
        value = max(covered / (need.end_time - begin), 0.0)
    en, ar = "of the time that is needed, covered: {} %", "المغطّى من المدة المطلوبة: {}٪"
    return _criterion("TIME", value, en, ar, round(100 * value))


def _waiting(waited: timedelta) -> Criterion:
    value = min(max(waited / WAITED_ENOUGH, 0), 1)
    return _criterion(
        "WAITING", value, "days that the other side has waited: {}", "أيام انتظار الطرف الآخر: {}", max(waited.days, 0)
    )
