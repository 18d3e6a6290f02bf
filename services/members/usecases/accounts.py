"""Accounts and sessions."""

from datetime import timedelta
from typing import Any

from chassis import errors
from chassis.call import Caller
from chassis.ids import new_id
from chassis.paging import Page
from chassis.tx import Tx
from participants.model import COORDINATOR
from services.members import store, tokens
from services.members.model import (
    Account,
    AccountNotFound,
    Session,
    SessionEnded,
    SessionNotFound,
)


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


async def grant_role(tx: Tx, *, account_id: str, role: str, by: Caller) -> Account:
    """Give an account a role; one that it has already stays. Raises AccountNotFound, RoleMissing."""
    await _still_coordinator(tx, by)
    return await store.save(tx, (await store.get(tx, Account, account_id)).with_role(role))


async def revoke_role(tx: Tx, *, account_id: str, role: str, by: Caller) -> Account:
    """Take a role from an account; one that it has not changes nothing.

    Raises AccountNotFound, OwnRole, RoleMissing.
    """
    await _still_coordinator(tx, by)
    return await store.save(tx, (await store.get(tx, Account, account_id)).without_role(role, by=by))


async def _still_coordinator(tx: Tx, by: Caller) -> None:
    """A token outlives a revoked role by minutes: enough to take the role back, or to revoke the last coordinator's.

    Saved, so that of two who revoke each other's role at once only one does.
    """
    account = await store.get(tx, Account, by.subject)
    if COORDINATOR not in account.roles:
        raise errors.RoleMissing
    await store.save(tx, account)


async def find_credentials(tx: Tx, *, email: str) -> Account | None:
    """The account to sign in to, if there is one."""
    return await store.find_account_by_email(tx, email.lower())


async def start_session(tx: Tx, *, account: Account, token: str, client: str, life: timedelta) -> Session:
    """Begin a chain of refresh tokens with `token`; `client` is what signs in."""
    if begun := await store.find_session_of_token(tx, tokens.digest(token)):
        return begun  # this body runs again
    return await store.add(
        tx,
        Session(
            session_id=new_id(),
            account_id=account.account_id,
            current=tokens.digest(token),
            client=client,
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


async def list_sessions(tx: Tx, *, page_size: int, page_token: str, by: Caller) -> Page[Session]:
    """Where the caller is signed in, newest first. Raises BadPageToken."""
    return await store.list_sessions(tx, by.subject, page_size=page_size, page_token=page_token)


async def revoke_session(tx: Tx, *, session_id: str, by: Caller) -> None:
    """End it; one that has ended stays so. Raises SessionNotFound, also for somebody else's."""
    session = await store.get(tx, Session, session_id)
    if session.account_id != by.subject:
        raise SessionNotFound
    await store.save(tx, session.revoke())
