"""Needs and offers with their lines, and figures: states, transitions, quantities and their errors. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chassis import errors
from chassis.values import LocalizedText

POSTING_LIFE = timedelta(days=90)  # of what is published without an expire_time


# -- errors --------------------------------------------------------------------------------------------------------
class NeedNotFound(errors.NotFound):
    """No such need, or one that the caller may not see: somebody else's draft, or what is for members."""

    en, ar = "There is no such need", "لا يوجد احتياج كهذا"


class OfferNotFound(errors.NotFound):
    """No such offer, or one that the caller may not see: somebody else's draft, or what is for members."""

    en, ar = "There is no such offer", "لا يوجد عرض كهذا"


class LineNotFound(errors.InvalidArgument):
    """The need or the offer has no such line."""

    en, ar = "There is no line {line_id}", "لا يوجد بند {line_id}"


class BelowCommitted(errors.FailedPrecondition):
    """A line cannot become less, or other, than what was promised of it."""

    en = "Of a line {committed} are committed: it cannot become less, another kind or another unit, or go away"
    ar = "التُزم من بند بكمية {committed}: لا يمكن إنقاصه عنها ولا تغيير نوعه أو وحدته ولا حذفه"


class ExpiredAlready(errors.InvalidArgument):
    """It would expire at once."""

    en, ar = "The time to expire has to be in the future", "يجب أن يكون موعد الانتهاء في المستقبل"


class PostingInOtherState(errors.FailedPrecondition):
    """The need or the offer is not in a state from which this can be done."""

    en, ar = "This is not possible while it is {state_en}", "لا يمكن ذلك وهو {state_ar}"


class NothingOpen(errors.FailedPrecondition):
    """All of one of the lines is promised already."""

    en = "Nothing of this is open any more: all of it has been promised"
    ar = "لم يبق من هذا شيء مفتوح: التُزم به كله"


# -- needs and offers ----------------------------------------------------------------------------------------------
class Side(StrEnum):
    """Which of the two a posting is, and which side of a match somebody is on."""

    NEED = "NEED"
    OFFER = "OFFER"

    @property
    def noun(self) -> str:
        return self.value.lower()

    @property
    def other(self) -> "Side":
        return Side.OFFER if self is Side.NEED else Side.NEED


class PostingState(StrEnum):
    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    CLOSED = "CLOSED"
    EXPIRED = "EXPIRED"


class Audience(StrEnum):
    EVERYBODY = "EVERYBODY"
    MEMBERS = "MEMBERS"


_POSTING_SAID = {
    PostingState.DRAFT: ("a draft", "مسودة"),
    PostingState.PUBLISHED: ("published", "منشور"),
    PostingState.CLOSED: ("closed", "مغلق"),
    PostingState.EXPIRED: ("expired", "منتهي المدة"),
}


class Line(Struct, frozen=True, kw_only=True):
    """One thing of a posting; committed_quantity + open_quantity = quantity, and of the committed some is delivered.

    `help_code` and `unit_code` are of the vocabularies; `place_code` is a P-code, or empty: anywhere.
    """

    line_id: str
    help_code: str
    quantity: int
    unit_code: str
    place_code: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    note: LocalizedText | None = None
    committed_quantity: int = 0
    delivered_quantity: int = 0

    @property
    def open_quantity(self) -> int:
        return self.quantity - self.committed_quantity

    def is_over(self, at: datetime) -> bool:
        return self.end_time is not None and self.end_time <= at

    def commit(self, quantity: int) -> "Line":
        """Promises so much. Raises NothingOpen when less is open."""
        if not 0 < quantity <= self.open_quantity:
            raise NothingOpen
        return replace(self, committed_quantity=self.committed_quantity + quantity)

    def release(self, quantity: int) -> "Line":
        """So much of what was promised is open again."""
        return replace(self, committed_quantity=self.committed_quantity - quantity)

    def deliver(self, quantity: int) -> "Line":
        """So much of what was promised has arrived."""
        return replace(self, delivered_quantity=self.delivered_quantity + quantity)

    def changed_to(self, given: "Line", *, field: str) -> "Line":
        """`given`, with what was promised of this line. Raises BelowCommitted, which names the line's `field`."""
        wrong = {
            "help_code": given.help_code != self.help_code,
            "unit_code": given.unit_code != self.unit_code,
            "quantity": given.quantity < self.committed_quantity,
        }
        named = next((name for name, is_wrong in wrong.items() if is_wrong), "")
        if named and self.committed_quantity:
            raise BelowCommitted(field=f"{field}.{named}", committed=self.committed_quantity)
        return replace(given, committed_quantity=self.committed_quantity, delivered_quantity=self.delivered_quantity)


class Posting(Struct, frozen=True, kw_only=True):
    """A need or an offer of a participant. `tokens` and `help_path` are what it is found by (store.py)."""

    posting_id: str
    side: Side
    participant_id: str
    state: PostingState
    title: LocalizedText
    lines: tuple[Line, ...]
    create_time: datetime
    update_time: datetime
    description: LocalizedText | None = None
    expire_time: datetime | None = None
    publish_time: datetime | None = None
    close_reason: LocalizedText | None = None
    audience: Audience = Audience.MEMBERS
    tokens: tuple[str, ...] = ()
    help_path: tuple[str, ...] = ()
    version: int = 0

    @property
    def need_id(self) -> str:
        return self.posting_id

    @property
    def offer_id(self) -> str:
        return self.posting_id

    def line(self, line_id: str) -> Line:
        """Raises LineNotFound."""
        for line in self.lines:
            if line.line_id == line_id:
                return line
        raise LineNotFound(field=f"match.{self.side.noun}_line_id", line_id=line_id)

    def with_line(self, line: Line, *, at: datetime) -> "Posting":
        lines = tuple(line if one.line_id == line.line_id else one for one in self.lines)
        return replace(self, lines=lines, update_time=at)

    def change(self, *, at: datetime, **changes: object) -> "Posting":
        """Raises PostingInOtherState unless it is a draft or published; ExpiredAlready."""
        self._expect(PostingState.DRAFT, PostingState.PUBLISHED)
        return replace(self, update_time=at, **changes)._with_an_end()._not_expired(at)

    def publish(self, *, at: datetime) -> "Posting":
        """Raises PostingInOtherState, ExpiredAlready."""
        self._expect(PostingState.DRAFT)
        published = replace(self, state=PostingState.PUBLISHED, publish_time=at, update_time=at)
        return published._with_an_end()._not_expired(at)

    def close(self, *, reason: LocalizedText | None, at: datetime) -> "Posting":
        """Raises PostingInOtherState."""
        self._expect(PostingState.DRAFT, PostingState.PUBLISHED)
        return replace(self, state=PostingState.CLOSED, close_reason=reason, update_time=at)

    def expire(self, *, at: datetime) -> "Posting":
        """Raises PostingInOtherState."""
        self._expect(PostingState.PUBLISHED)
        return replace(self, state=PostingState.EXPIRED, update_time=at)

    def _with_an_end(self) -> "Posting":
        if self.publish_time is None or self.expire_time is not None:
            return self
        return replace(self, expire_time=self.publish_time + POSTING_LIFE)

    def _not_expired(self, at: datetime) -> "Posting":
        if self.state is PostingState.PUBLISHED and self.expire_time is not None and self.expire_time <= at:
            raise ExpiredAlready(field=f"{self.side.noun}.expire_time")
        return self

    def check_published(self) -> None:
        """Raises PostingInOtherState."""
        self._expect(PostingState.PUBLISHED)

    def _expect(self, *states: PostingState) -> None:
        if self.state not in states:
            english, arabic = _POSTING_SAID[self.state]
            raise PostingInOtherState(state=self.state.name, state_en=english, state_ar=arabic)


def merged(before: Sequence[Line], given: Sequence[Line], *, new_id: Callable[[], str], field: str) -> tuple[Line, ...]:
    """`given` in place of the lines `before`, with what was promised of them; a line without id is a new one.

    An id is never the caller's choice: it could be that of a line elsewhere. Raises LineNotFound, BelowCommitted, which
    name `field`.
    """
    known = {line.line_id: line for line in before}
    lines = []
    for number, line in enumerate(given):
        at = f"{field}[{number}]"
        if not line.line_id:
            lines.append(replace(line, line_id=new_id()))
        elif was := known.pop(line.line_id, None):
            lines.append(was.changed_to(line, field=at))
        else:
            raise LineNotFound(field=f"{at}.line_id", line_id=line.line_id)
    for gone in known.values():
        if gone.committed_quantity:
            raise BelowCommitted(field=field, committed=gone.committed_quantity)
    return tuple(lines)


NOT_FOUND: dict[Side, type[errors.NotFound]] = {Side.NEED: NeedNotFound, Side.OFFER: OfferNotFound}


# -- figures -------------------------------------------------------------------------------------------------------
class Place(Struct, frozen=True, kw_only=True):
    """The figures of a governorate; `place_code` is "" for what is tied to no place."""

    place_code: str
    need_count: int
    offer_count: int
    match_count: int


class Statistics(Struct, frozen=True, kw_only=True):
    """Postings with something open, and matches that were accepted, in all and by place."""

    need_count: int
    offer_count: int
    match_count: int
    places: tuple[Place, ...]
