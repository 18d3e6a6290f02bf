"""Applications to join, and their vetting."""

from typing import Any

import msgspec

from chassis import errors, masks, pb
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from chassis.values import LocalizedText
from participants.model import COORDINATOR, MEMBER
from services.members import store
from services.members.model import (
    Account,
    Application,
    ApplicationState,
    OrganizationProfile,
    PersonAlready,
    PersonProfile,
)
from services.members.usecases.directory import announce_member, check_place
from wasl.members.v1 import events_pb2, members_pb2


async def create_application(tx: Tx, *, application: dict[str, Any], by: Caller) -> Application:
    """Start a draft. Raises MoneyRefused, CodeUnknown."""
    return await store.add(
        tx,
        Application(
            application_id=new_id(),
            account_id=by.subject,
            state=ApplicationState.DRAFT,
            create_time=tx.now,
            **_written(application),
        ),
    )


_WRITTEN = {"person": PersonProfile, "organization": OrganizationProfile, "statement": LocalizedText}


def _written(application: dict[str, Any]) -> dict[str, Any]:
    """What the applicant writes of an application, as the model's values. Raises CodeUnknown."""
    values: dict[str, Any] = {
        name: application[name] and msgspec.convert(application[name], kind)
        for name, kind in _WRITTEN.items()
        if name in application
    }
    for noun in ("person", "organization"):
        if profile := values.get(noun):
            check_place(f"application.{noun}", profile)
    return values


async def get_application(tx: Tx, *, application_id: str, by: Caller) -> Application:
    """For the applicant and for coordinators. Raises ApplicationNotFound."""
    return (await store.get(tx, Application, application_id)).seen_by(by)


async def list_applications(
    tx: Tx,
    *,
    page_size: int,
    page_token: str,
    by: Caller,
    account_id: str,
    undecided: bool,
    state: str | None = None,
) -> Page[Application]:
    """One's own; for coordinators also everybody's that are handed in."""
    return await store.list_applications(
        tx,
        own=by.subject,
        everybody=COORDINATOR in by.roles,
        account_id=account_id,
        state=state,
        undecided=undecided,
        page_size=page_size,
        page_token=page_token,
    )


async def update_application(
    tx: Tx,
    *,
    application: dict[str, Any],
    by: Caller,
    update_mask: tuple[str, ...] = (),
) -> Application:
    """Change a draft: what the mask names, or else what is given.

    Raises FieldNotChangeable, ApplicationInOtherState, MoneyRefused, CodeUnknown.
    """
    before = (await store.get(tx, Application, application["application_id"])).owned_by(by)
    errors.check_etag(before.version, application["etag"])
    changes = _written(masks.chosen(application, update_mask, of=_WRITTEN))
    if changes.get("person") or changes.get("organization"):
        changes = {"person": None, "organization": None, **changes}
    after = before.change(**changes)
    if after.person is None and after.organization is None:
        raise errors.FieldNotChangeable(path="person, organization")
    return await store.save(tx, after)


async def submit_application(tx: Tx, *, application_id: str, etag: str, by: Caller) -> Application:
    """Hand a draft in and announce it."""
    before = (await store.get(tx, Application, application_id)).owned_by(by)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.submit(at=tx.now))
    _announce(tx, events_pb2.ApplicationSubmitted(application=_summary(after)), after)
    return after


async def review_application(tx: Tx, *, application_id: str, etag: str, by: Caller) -> Application:
    """Take a submitted application under review."""
    before = (await store.get(tx, Application, application_id)).seen_by(by)
    errors.check_etag(before.version, etag)
    return await store.save(tx, before.review())


async def approve_application(tx: Tx, *, application_id: str, etag: str, by: Caller) -> Application:
    """Make the applicant a member: a person or an organization, and the account's role. Announces both.

    Raises ApplicationNotFound, ApplicationInOtherState, PersonAlready.
    """
    before = (await store.get(tx, Application, application_id)).seen_by(by)
    errors.check_etag(before.version, etag)
    approved = before.approve(member_id=new_id(), at=tx.now)
    if approved.person and await store.find_person_of(tx, approved.account_id):
        raise PersonAlready
    after = await store.save(tx, approved)
    member = await store.add(tx, store.searchable(after.member()))
    announce_member(tx, events_pb2.MemberJoined, member)
    account = await store.get(tx, Account, after.account_id)
    if MEMBER not in account.roles:
        await store.save(tx, account.with_role(MEMBER))
    _announce(tx, events_pb2.ApplicationApproved(application=_summary(after)), after)
    return after


async def reject_application(
    tx: Tx, *, application_id: str, reject_reason: dict[str, str], etag: str, by: Caller
) -> Application:
    """Refuse an application with a reason, and announce it (without the reason)."""
    before = (await store.get(tx, Application, application_id)).seen_by(by)
    errors.check_etag(before.version, etag)
    reason = msgspec.convert(reject_reason, LocalizedText)
    after = await store.save(tx, before.reject(reason=reason, at=tx.now))
    _announce(tx, events_pb2.ApplicationRejected(application=_summary(after)), after)
    return after


async def withdraw_application(tx: Tx, *, application_id: str, etag: str, by: Caller) -> Application:
    """Take one's own application back."""
    before = (await store.get(tx, Application, application_id)).owned_by(by)
    errors.check_etag(before.version, etag)
    return await store.save(tx, before.withdraw())


Announced = events_pb2.ApplicationSubmitted | events_pb2.ApplicationApproved | events_pb2.ApplicationRejected


def _announce(tx: Tx, message: Announced, application: Application) -> None:
    tx.emit(message, subject=application.application_id, sequence=application.version)


def _summary(application: Application) -> events_pb2.ApplicationSummary:
    applicant = application.person or application.organization
    return events_pb2.ApplicationSummary(
        application_id=application.application_id,
        kind=events_pb2.PERSON if application.person else events_pb2.ORGANIZATION,
        state=members_pb2.Application.State.Value(application.state.name),
        place_code=applicant.place_code if applicant else "",
        submit_time=pb.timestamp(application.submit_time) if application.submit_time else None,
        decide_time=pb.timestamp(application.decide_time) if application.decide_time else None,
        member_id=application.member_id,
    )
