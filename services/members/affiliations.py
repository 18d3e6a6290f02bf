"""Affiliations of people with organizations: states, transitions and their errors. Pure."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chassis import errors
from chassis.values import LocalizedText


# -- errors --------------------------------------------------------------------------------------------------------
class AffiliationOver(errors.FailedPrecondition):
    """Its end has passed while it waited."""

    en, ar = "The affiliation was asked for until a day that has passed", "طُلب الانتساب إلى يوم مضى"


class AffiliationNotFound(errors.NotFound):
    """No such affiliation."""

    en, ar = "There is no such affiliation", "لا يوجد انتساب كهذا"


class AffiliationExists(errors.AlreadyExists):
    """The person has an affiliation with the organization that is asked for or holds."""

    en = "This person has an affiliation with this organization already"
    ar = "لهذا الشخص انتساب قائم إلى هذه المنظمة"


class AffiliationInOtherState(errors.FailedPrecondition):
    """The affiliation is not in a state from which this can be done."""

    en, ar = (
        "This is not possible while the affiliation is {state_en}",
        "لا يمكن ذلك والانتساب {state_ar}",
    )


# -- affiliations --------------------------------------------------------------------------------------------------
class AffiliationRole(StrEnum):
    REPRESENTATIVE = "REPRESENTATIVE"
    STAFF = "STAFF"
    VOLUNTEER = "VOLUNTEER"


class AffiliationState(StrEnum):
    REQUESTED = "REQUESTED"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    ENDED = "ENDED"


OPEN_AFFILIATION = (AffiliationState.REQUESTED, AffiliationState.CONFIRMED)
_AFFILIATION_SAID = {
    AffiliationState.REQUESTED: ("not confirmed yet", "بانتظار التأكيد"),
    AffiliationState.CONFIRMED: ("confirmed", "مؤكَّد"),
    AffiliationState.DECLINED: ("declined", "مرفوض"),
    AffiliationState.ENDED: ("ended", "منتهٍ"),
}


class Affiliation(Struct, frozen=True, kw_only=True):
    """A person's tie to an organization; `account_id` is the person's. It holds from `start_time` to `end_time`."""

    affiliation_id: str
    person_id: str
    organization_id: str
    account_id: str
    role: AffiliationRole
    state: AffiliationState
    create_time: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    decline_reason: LocalizedText | None = None
    version: int = 0

    def check_times(self) -> None:
        """Raises EndsBeforeItStarts."""
        if self.end_time is not None and self.end_time <= (self.start_time or self.create_time):
            raise errors.EndsBeforeItStarts(field="affiliation.end_time")

    def confirm(self, *, at: datetime) -> "Affiliation":
        """Raises AffiliationInOtherState, AffiliationOver."""
        self._expect(AffiliationState.REQUESTED)
        if self.end_time is not None and self.end_time <= at:
            raise AffiliationOver
        return replace(self, state=AffiliationState.CONFIRMED, start_time=self.start_time or at)

    def decline(self, *, reason: LocalizedText) -> "Affiliation":
        """Raises AffiliationInOtherState."""
        self._expect(AffiliationState.REQUESTED)
        return replace(self, state=AffiliationState.DECLINED, decline_reason=reason)

    def end(self) -> "Affiliation":
        """Raises AffiliationInOtherState."""
        self._expect(*OPEN_AFFILIATION)
        return replace(self, state=AffiliationState.ENDED)

    def _expect(self, *states: AffiliationState) -> None:
        if self.state not in states:
            english, arabic = _AFFILIATION_SAID[self.state]
            raise AffiliationInOtherState(state=self.state.name, state_en=english, state_ar=arabic)
