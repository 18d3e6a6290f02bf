"""Compares independent records of one run: what callers were told, what members keep, and what matching shows."""

from collections import Counter
from collections.abc import Sequence

import msgspec


class Records(msgspec.Struct, frozen=True):
    """Member ids as each one has them; a list may hold an id twice, and must not."""

    answered: Sequence[str]  # approvals that callers were told of
    approved: Sequence[str]  # approved applications
    organizations: Sequence[str]
    announced: Sequence[str]  # MemberJoined in the log
    applied: Sequence[str]  # MemberJoined marked in matching's inbox
    shown: Sequence[str]  # GET /v1/participants
    positions: Sequence[int]  # of the log
    waiting: int = 0  # entries left in the outbox
    parked: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """Everything but `answered` and `unanswered` has to be 0."""

    answered: int
    unanswered: int  # approved, but the answer got lost: no harm
    lost: int  # answered, and not in every record
    twice: int  # in one record more than once
    strange: int  # shown, and never approved
    log_gaps: int
    waiting: int
    parked: int

    @property
    def holds(self) -> bool:
        wrong = (self.lost, self.twice, self.strange, self.log_gaps, self.waiting, self.parked)
        return not any(wrong)


def judge(records: Records) -> Verdict:
    kept = (records.approved, records.organizations, records.announced, records.applied, records.shown)
    told = set(records.answered) | set(records.approved)
    return Verdict(
        answered=len(records.answered),
        unanswered=len(set(records.approved) - set(records.answered)),
        lost=sum(len(told - set(record)) for record in kept),
        twice=sum(count - 1 for record in (records.answered, *kept) for count in Counter(record).values()),
        strange=sum(len(set(record) - set(records.approved)) for record in kept),
        log_gaps=sum(position != number for number, position in enumerate(sorted(records.positions), 1)),
        waiting=records.waiting,
        parked=records.parked,
    )
