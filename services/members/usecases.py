"""What the members service does, one verb each: load, change, save, emit. A body may run twice (see chassis/tx.py)."""

from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from chassis import errors, pb
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from chassis.values import LocalizedText
from services.members import store, tokens
from services.members.model import (
    COORDINATOR,
    MEMBER,
    Account,
    AccountNotFound,
    Affiliation,
    AffiliationExists,
    AffiliationRole,
    AffiliationState,
    Application,
    ApplicationState,
    Organization,
    OrganizationProfile,
    Person,
    PersonProfile,
    Session,
    SessionEnded,
    Statistics,
    check_owner,
)
from wasl.members.v1 import events_pb2, members_pb2
from wasl.type.v1 import localized_text_pb2


# -- accounts and sessions -----------------------------------------------------------------------------------------
async def create_account(tx: Tx, *, account: dict[str, Any], password_hash: str) -> Account:
    """Open an account without any role. Raises EmailTaken."""
    return await store.add_account(
        tx,
        Account(
            account_id=new_id(),
            email=account["email"].lower(),
            password_hash=password_hash,
            create_time=tx.now,
        ),
    )


async def create_coordinator(tx: Tx, *, email: str, password_hash: str) -> Account:
    """The first account that may approve others. Raises EmailTaken."""
    account = Account(
        account_id=new_id(),
        email=email.lower(),
        password_hash=password_hash,
        create_time=tx.now,
        roles=(COORDINATOR,),
    )
    return await store.add_account(tx, account)


async def get_account(tx: Tx, *, account_id: str, by: Caller) -> Account:
    """For the owner and for coordinators. Raises AccountNotFound, also for what is not the caller's."""
    if account_id != by.subject and COORDINATOR not in by.roles:
        raise AccountNotFound
    return await store.get(tx, Account, account_id)


async def grant_role(tx: Tx, *, account_id: str, role: str) -> Account:
    """Give an account a role; one that it has already stays. Raises AccountNotFound."""
    return await store.save(tx, (await store.get(tx, Account, account_id)).with_role(role))


async def revoke_role(tx: Tx, *, account_id: str, role: str, by: Caller) -> Account:
    """Take a role from an account; one that it has not changes nothing. Raises AccountNotFound, OwnRole."""
    return await store.save(tx, (await store.get(tx, Account, account_id)).without_role(role, by=by))


async def find_credentials(tx: Tx, *, email: str) -> Account | None:
    """The account to sign in to, if there is one."""
    return await store.find_account_by_email(tx, email.lower())


async def start_session(tx: Tx, *, account: Account, token: str, life: timedelta) -> Session:
    """Begin a chain of refresh tokens with `token`."""
    if begun := await store.find_session_of_token(tx, tokens.digest(token)):
        return begun  # this body runs again
    return await store.add(
        tx,
        Session(
            session_id=new_id(),
            account_id=account.account_id,
            current=tokens.digest(token),
            expire_time=tx.now + life,
        ),
    )


async def refresh_session(tx: Tx, *, refresh_token: str, following: str, life: timedelta) -> tuple[Session, Account]:
    """Exchange a refresh token for `following`. A token that was exchanged before revokes the whole session.

    The caller looks at `session.revoked`: the revocation must be committed, so it cannot be an exception here.
    Raises SessionEnded.
    """
    session = await store.find_session_of_token(tx, tokens.digest(refresh_token))
    if session is None or not session.alive(tx.now):
        raise SessionEnded
    if session.current != tokens.digest(following):  # else this body runs again
        refreshed = session.refresh(tokens.digest(refresh_token), tokens.digest(following), at=tx.now, life=life)
        session = await store.save(tx, refreshed)
    return session, await store.get(tx, Account, session.account_id)


async def end_session(tx: Tx, *, refresh_token: str) -> None:
    """Sign out. A token that is not known any more is signed out already."""
    session = await store.find_session_of_token(tx, tokens.digest(refresh_token))
    if session is not None:
        await store.save(tx, session.revoke())


# -- applications --------------------------------------------------------------------------------------------------
async def create_application(tx: Tx, *, application: dict[str, Any], by: Caller) -> Application:
    """Start a draft."""
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
    """What the applicant writes of an application, as the model's values."""
    return {name: msgspec.convert(application[name], kind) for name, kind in _WRITTEN.items() if name in application}


async def get_application(tx: Tx, *, application_id: str, by: Caller) -> Application:
    """For the applicant and for coordinators. Raises ApplicationNotFound."""
    return (await store.get(tx, Application, application_id)).seen_by(by)


async def list_applications(
    tx: Tx, *, page_size: int, page_token: str, by: Caller, state: str | None = None
) -> Page[Application]:
    """One's own; for coordinators also everybody's that are handed in."""
    return await store.list_applications(
        tx,
        account_id=by.subject,
        everybody=COORDINATOR in by.roles,
        state=state,
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

    Raises FieldNotChangeable, ApplicationInOtherState.
    """
    before = (await store.get(tx, Application, application["application_id"])).owned_by(by)
    errors.check_etag(before.version, application["etag"])
    for path in update_mask:
        if path not in _WRITTEN:
            raise errors.FieldNotChangeable(path=path)
    named = update_mask or _WRITTEN  # the rest of the request has not been looked at and may be anything
    given = _written({name: application[name] for name in named if name in application})
    changes = {name: given.get(name) for name in update_mask or given}
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
    """Make the applicant a member: a person or an organization, and the account's role. Announces both."""
    before = (await store.get(tx, Application, application_id)).seen_by(by)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.approve(member_id=new_id(), at=tx.now))
    member = await store.add(tx, after.member())
    _announce_member(tx, events_pb2.MemberJoined, member)
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


# -- people and organizations --------------------------------------------------------------------------------------
async def get_person(tx: Tx, *, person_id: str) -> Person:
    """Raises PersonNotFound."""
    return await store.get(tx, Person, person_id)


async def list_people(tx: Tx, *, page_size: int, page_token: str) -> Page[Person]:
    """In the order in which they joined."""
    return await store.list_people(tx, page_size=page_size, page_token=page_token)


async def update_person(tx: Tx, *, person: dict[str, Any], by: Caller, update_mask: tuple[str, ...] = ()) -> Person:
    """Change a person's profile and announce it. Raises NotYours, FieldNotChangeable, VersionConflict."""
    before = await store.get(tx, Person, person["person_id"])
    check_owner(before, by)
    errors.check_etag(before.version, person["etag"])
    profile = _changed(before.profile, person.get("profile", {}), update_mask)
    after = await store.save(tx, replace(before, profile=profile, update_time=tx.now))
    _announce_member(tx, events_pb2.MemberUpdated, after)
    return after


async def get_organization(tx: Tx, *, organization_id: str) -> Organization:
    """Raises OrganizationNotFound."""
    return await store.get(tx, Organization, organization_id)


async def list_organizations(tx: Tx, *, page_size: int, page_token: str, place_code: str) -> Page[Organization]:
    """In the order in which they joined."""
    return await store.list_organizations(tx, page_size=page_size, page_token=page_token, place_code=place_code)


async def update_organization(
    tx: Tx,
    *,
    organization: dict[str, Any],
    by: Caller,
    update_mask: tuple[str, ...] = (),
) -> Organization:
    """Change an organization's profile and announce it. Raises NotYours, FieldNotChangeable, VersionConflict."""
    before = await store.get(tx, Organization, organization["organization_id"])
    await _check_acts_for(tx, before, by)
    errors.check_etag(before.version, organization["etag"])
    profile = _changed(before.profile, organization.get("profile", {}), update_mask)
    after = await store.save(tx, replace(before, profile=profile, update_time=tx.now))
    _announce_member(tx, events_pb2.MemberUpdated, after)
    return after


def _changed(profile: Any, given: dict[str, Any], mask: tuple[str, ...]) -> Any:
    """`profile` with what the mask names of `given`; an empty mask is all of it. Raises FieldNotChangeable."""
    kind = type(profile)
    fields = {"profile", *(f"profile.{name}" for name in kind.__struct_fields__)}
    for path in mask:
        if path not in fields:
            raise errors.FieldNotChangeable(path=path)
    if not mask or "profile" in mask:
        return msgspec.convert(given, kind)
    named = {path.partition(".")[2] for path in mask}
    kept = {name: value for name, value in msgspec.to_builtins(profile).items() if name not in named}
    return msgspec.convert({**kept, **{name: given[name] for name in named if name in given}}, kind)


# -- affiliations --------------------------------------------------------------------------------------------------
async def create_affiliation(tx: Tx, *, affiliation: dict[str, Any], by: Caller) -> Affiliation:
    """Ask for an affiliation, as one of its two sides or as a coordinator, and announce it.

    Raises PersonNotFound, OrganizationNotFound, NotYours, AffiliationExists, EndsBeforeItStarts.
    """
    person = await store.get(tx, Person, affiliation["person_id"])
    organization = await store.get(tx, Organization, affiliation["organization_id"])
    if person.account_id != by.subject:
        await _check_acts_for(tx, organization, by)
    if await store.find_open_affiliation(tx, person_id=person.person_id, organization_id=organization.organization_id):
        raise AffiliationExists
    made = await store.add(
        tx,
        Affiliation(
            affiliation_id=new_id(),
            person_id=person.person_id,
            organization_id=organization.organization_id,
            account_id=person.account_id,
            role=AffiliationRole(affiliation["role"]),
            state=AffiliationState.REQUESTED,
            create_time=tx.now,
            start_time=affiliation.get("start_time"),
            end_time=affiliation.get("end_time"),
        ),
    )
    _announce_affiliation(tx, events_pb2.AffiliationRequested, made)
    return made


async def get_affiliation(tx: Tx, *, affiliation_id: str) -> Affiliation:
    """Raises AffiliationNotFound."""
    return await store.get(tx, Affiliation, affiliation_id)


async def list_affiliations(
    tx: Tx, *, page_size: int, page_token: str, person_id: str, organization_id: str, state: str | None = None
) -> Page[Affiliation]:
    """In the order in which they were asked for."""
    return await store.list_affiliations(
        tx,
        person_id=person_id,
        organization_id=organization_id,
        state=state,
        page_size=page_size,
        page_token=page_token,
    )


async def confirm_affiliation(tx: Tx, *, affiliation_id: str, etag: str) -> Affiliation:
    """Let it hold, and announce it."""
    before = await store.get(tx, Affiliation, affiliation_id)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.confirm(at=tx.now))
    _announce_affiliation(tx, events_pb2.AffiliationConfirmed, after)
    return after


async def decline_affiliation(tx: Tx, *, affiliation_id: str, decline_reason: dict[str, str], etag: str) -> Affiliation:
    """Do not confirm it, with a reason, and announce that (without the reason)."""
    before = await store.get(tx, Affiliation, affiliation_id)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.decline(reason=msgspec.convert(decline_reason, LocalizedText)))
    _announce_affiliation(tx, events_pb2.AffiliationDeclined, after)
    return after


async def end_affiliation(tx: Tx, *, affiliation_id: str, etag: str, by: Caller) -> Affiliation:
    """End it, or take it back, and announce that. Raises NotYours."""
    before = await store.get(tx, Affiliation, affiliation_id)
    if before.account_id != by.subject:
        await _check_acts_for(tx, await store.get(tx, Organization, before.organization_id), by)
    errors.check_etag(before.version, etag)
    after = await store.save(tx, before.end())
    _announce_affiliation(tx, events_pb2.AffiliationEnded, after)
    return after


async def _check_acts_for(tx: Tx, organization: Organization, by: Caller) -> None:
    """Raises NotYours unless the caller represents the organization, owns it or is a coordinator."""
    ties = await store.list_ties(tx, organization_id=organization.organization_id, account_id=by.subject)
    if not any(tie.lets_act(tx.now) for tie in ties):
        check_owner(organization, by)


AffiliationEvent = (
    type[events_pb2.AffiliationRequested]
    | type[events_pb2.AffiliationConfirmed]
    | type[events_pb2.AffiliationDeclined]
    | type[events_pb2.AffiliationEnded]
)


def _announce_affiliation(tx: Tx, kind: AffiliationEvent, affiliation: Affiliation) -> None:
    summary = pb.to_pb(events_pb2.AffiliationSummary, affiliation)
    tx.emit(kind(affiliation=summary), subject=affiliation.affiliation_id, sequence=affiliation.version)


async def get_statistics(tx: Tx) -> Statistics:
    """Count the network."""
    return await store.count_network(tx)


def _announce_member(
    tx: Tx, kind: type[events_pb2.MemberJoined | events_pb2.MemberUpdated], member: Person | Organization
) -> None:
    key, is_person = (member.person_id, True) if isinstance(member, Person) else (member.organization_id, False)
    announced = events_pb2.Member(
        member_id=key,
        kind=events_pb2.PERSON if is_person else events_pb2.ORGANIZATION,
        display_name=pb.to_pb(localized_text_pb2.LocalizedText, member.profile.display_name),
        place_code=member.profile.place_code,
        organization_type_code="" if isinstance(member, Person) else member.profile.type_code,
        join_time=pb.timestamp(member.join_time),
        update_time=pb.timestamp(member.update_time),
        account_id=member.account_id,
    )
    tx.emit(kind(member=announced), subject=key, sequence=member.version)
