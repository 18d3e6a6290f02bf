"""Matches, which join a line of a need and one of an offer: states, transitions and their errors. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chassis import errors
from chassis.values import LocalizedText
from services.matching.model import Side

PROPOSAL_LIFE = timedelta(days=7)  # in which the other side can answer


# -- errors --------------------------------------------------------------------------------------------------------
class MatchNotFound(errors.NotFound):
    """No such match, or one that the caller has no part in."""

    en, ar = "There is no such match", "لا توجد مواءمة كهذه"


class MatchInOtherState(errors.FailedPrecondition):
    """The match is not in a state from which this can be done."""

    en, ar = "This is not possible while the match is {state_en}", "لا يمكن ذلك والمواءمة {state_ar}"


class LinesDoNotFit(errors.FailedPrecondition):
    """The two lines are of other kinds or units, or of one participant."""

    en = "These two lines do not fit together: {why_en}"
    ar = "لا يتوافق هذان البندان: {why_ar}"


class MatchExists(errors.AlreadyExists):
    """A match of the same two lines waits for an answer."""

    en, ar = "A match of these two lines waits for an answer already", "هناك مواءمة لهذين البندين تنتظر الرد"


class LinesChanged(errors.FailedPrecondition):
    """A line is not what it was when the match was proposed."""

    en = "A line has changed since this was proposed: withdraw it and propose a new match"
    ar = "تغيّر أحد البنود بعد تقديم هذا المقترح: اسحبه وقدّم مقترحا جديدا"


class OtherSideDecides(errors.PermissionDenied):
    """The side that has proposed cannot answer for the other one."""

    en, ar = "The other side has to do this", "هذا للطرف الآخر"


class MoreThanCommitted(errors.InvalidArgument):
    """More is said to be delivered than was promised."""

    field = "delivered_quantity"
    en, ar = "At most {quantity} are committed", "الكمية الملتزم بها {quantity} على الأكثر"


# -- matches -------------------------------------------------------------------------------------------------------
class MatchState(StrEnum):
    PROPOSED = "PROPOSED"
    ACCEPTED = "ACCEPTED"
    IN_DELIVERY = "IN_DELIVERY"
    DELIVERED = "DELIVERED"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


_MATCH_SAID = {
    MatchState.PROPOSED: ("proposed", "مقترحة"),
    MatchState.ACCEPTED: ("accepted", "مقبولة"),
    MatchState.IN_DELIVERY: ("in delivery", "قيد التسليم"),
    MatchState.DELIVERED: ("delivered", "مسلَّمة"),
    MatchState.CONFIRMED: ("confirmed", "مؤكَّدة"),
    MatchState.DECLINED: ("declined", "مرفوضة"),
    MatchState.WITHDRAWN: ("withdrawn", "مسحوبة"),
    MatchState.EXPIRED: ("expired", "منتهية المهلة"),
}
COMMITTED = (MatchState.ACCEPTED, MatchState.IN_DELIVERY)  # promised, and can still be taken back
MATCHED = (*COMMITTED, MatchState.DELIVERED, MatchState.CONFIRMED)  # accepted, and not taken back


class Match(Struct, frozen=True, kw_only=True):
    """A promise between two participants: `quantity` is committed, of the `proposed_quantity`.

    `help_code` is the need's line's when the match was proposed, "" of older matches; `place_code` that line's, or else
    the offer's, or "".
    """

    match_id: str
    need_id: str
    need_line_id: str
    offer_id: str
    offer_line_id: str
    need_participant_id: str
    offer_participant_id: str
    proposed_by: Side
    proposed_quantity: int
    unit_code: str
    state: MatchState
    create_time: datetime
    update_time: datetime
    expire_time: datetime
    note: LocalizedText | None = None
    help_code: str = ""
    place_code: str = ""
    quantity: int = 0
    delivered_quantity: int = 0
    reason: LocalizedText | None = None
    version: int = 0

    def accept(self, *, quantity: int, at: datetime) -> "Match":
        """Raises MatchInOtherState."""
        return self._to(MatchState.ACCEPTED, MatchState.PROPOSED, at=at, quantity=quantity)

    def decline(self, *, reason: LocalizedText, at: datetime) -> "Match":
        """Raises MatchInOtherState."""
        return self._to(MatchState.DECLINED, MatchState.PROPOSED, at=at, reason=reason)

    def withdraw(self, *, reason: LocalizedText, at: datetime) -> "Match":
        """Raises MatchInOtherState."""
        return self._to(MatchState.WITHDRAWN, MatchState.PROPOSED, *COMMITTED, at=at, reason=reason)

    def expire(self, *, at: datetime) -> "Match":
        """Raises MatchInOtherState."""
        return self._to(MatchState.EXPIRED, MatchState.PROPOSED, at=at)

    def dispatch(self, *, at: datetime) -> "Match":
        """Raises MatchInOtherState."""
        return self._to(MatchState.IN_DELIVERY, MatchState.ACCEPTED, at=at)

    def deliver(self, *, quantity: int, at: datetime) -> "Match":
        """Raises MatchInOtherState, MoreThanCommitted."""
        after = self._to(MatchState.DELIVERED, *COMMITTED, at=at, delivered_quantity=quantity)
        if quantity > self.quantity:
            raise MoreThanCommitted(quantity=self.quantity)
        return after

    def confirm(self, *, at: datetime) -> "Match":
        """Raises MatchInOtherState."""
        return self._to(MatchState.CONFIRMED, MatchState.DELIVERED, at=at)

    def _to(self, target: MatchState, *states: MatchState, at: datetime, **changes: object) -> "Match":
        if self.state not in states:
            english, arabic = _MATCH_SAID[self.state]
            raise MatchInOtherState(state=self.state.name, state_en=english, state_ar=arabic)
        return replace(self, state=target, update_time=at, **changes)
