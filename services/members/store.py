"""Every query, index and collection name of the members service; the only file of it that knows MongoDB."""

import contextlib
from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from chassis import app, eventlog, mongo, outbox
from chassis.paging import Page, page
from chassis.tx import Tx
from services.members.model import (
    UNDECIDED,
    Account,
    AccountNotFound,
    Application,
    ApplicationNotFound,
    ApplicationState,
    EmailTaken,
    Organization,
    OrganizationNotFound,
    Person,
    PersonNotFound,
    Session,
    Statistics,
)


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    aggregates = ("accounts", "sessions", "applications", "people", "organizations")
    await mongo.ensure_collections(db, *aggregates, "requests", "outbox", "log")
    await app.ensure_indexes(db)
    await outbox.ensure_indexes(db)
    await eventlog.ensure_indexes(db)
    await db.accounts.create_index("email", unique=True)
    await db.sessions.create_index("current", unique=True)
    await db.sessions.create_index("used")
    await db.sessions.create_index("expire_time", expireAfterSeconds=0)
    await db.applications.create_index([("account_id", 1), ("_id", -1)])
    await db.applications.create_index([("state", 1), ("_id", -1)])
    await db.organizations.create_index([("profile.place_code", 1), ("_id", 1)])


# -- accounts ------------------------------------------------------------------------------------------------------
async def add_account(tx: Tx, account: Account) -> Account:
    """Raises EmailTaken."""
    if await tx.find("accounts", {"email": account.email}, Account):
        raise EmailTaken
    try:
        return await tx.insert("accounts", account)
    except DuplicateKeyError as error:
        raise EmailTaken from error


async def get_account(tx: Tx, account_id: str) -> Account:
    """Raises AccountNotFound."""
    if found := await tx.get("accounts", account_id, Account):
        return found
    raise AccountNotFound


async def find_account_by_email(tx: Tx, email: str) -> Account | None:
    return await tx.find("accounts", {"email": email}, Account)


async def save_account(tx: Tx, account: Account) -> Account:
    return await tx.save("accounts", account)


# -- sessions ------------------------------------------------------------------------------------------------------
async def add_session(tx: Tx, session: Session) -> Session:
    return await tx.insert("sessions", session)


async def find_session_of_token(tx: Tx, digest: str) -> Session | None:
    """The session that gave this token out, now or before."""
    return await tx.find("sessions", {"$or": [{"current": digest}, {"used": digest}]}, Session)


async def save_session(tx: Tx, session: Session) -> Session:
    return await tx.save("sessions", session)


# -- signing keys --------------------------------------------------------------------------------------------------
async def find_signing_keys(db: Any) -> list[dict[str, Any]]:
    """The private keys as JWKs, newest first: that one signs, and what the others have signed stays valid."""
    return [found["jwk"] async for found in db.signing_keys.find({}, sort=[("_id", -1)])]


async def add_first_signing_key(db: Any, jwk: Mapping[str, Any]) -> None:
    """Two migrations at once keep the same one."""
    with contextlib.suppress(DuplicateKeyError):
        await db.signing_keys.insert_one({"_id": 1, "jwk": dict(jwk)})


# -- applications --------------------------------------------------------------------------------------------------
async def add_application(tx: Tx, application: Application) -> Application:
    return await tx.insert("applications", application)


async def get_application(tx: Tx, application_id: str) -> Application:
    """Raises ApplicationNotFound."""
    if found := await tx.get("applications", application_id, Application):
        return found
    raise ApplicationNotFound


async def save_application(tx: Tx, application: Application) -> Application:
    return await tx.save("applications", application)


async def list_applications(
    tx: Tx,
    *,
    account_id: str,
    everybody: bool,
    state: str | None,
    page_size: int,
    page_token: str,
) -> Page[Application]:
    """Newest first: one's own, and with `everybody` all others that are no drafts."""
    own: dict[str, Any] = {"account_id": account_id}
    query: dict[str, Any] = {"$or": [own, {"state": {"$ne": ApplicationState.DRAFT}}]} if everybody else own
    if state:
        query = {"$and": [query, {"state": state}]}
    return await page(
        tx.db.applications,
        query,
        Application,
        page_size=page_size,
        page_token=page_token,
        newest_first=True,
    )


# -- members -------------------------------------------------------------------------------------------------------
async def add_person(tx: Tx, person: Person) -> Person:
    return await tx.insert("people", person)


async def get_person(tx: Tx, person_id: str) -> Person:
    """Raises PersonNotFound."""
    if found := await tx.get("people", person_id, Person):
        return found
    raise PersonNotFound


async def save_person(tx: Tx, person: Person) -> Person:
    return await tx.save("people", person)


async def list_people(tx: Tx, *, page_size: int, page_token: str) -> Page[Person]:
    return await page(tx.db.people, {}, Person, page_size=page_size, page_token=page_token)


async def add_organization(tx: Tx, organization: Organization) -> Organization:
    return await tx.insert("organizations", organization)


async def get_organization(tx: Tx, organization_id: str) -> Organization:
    """Raises OrganizationNotFound."""
    if found := await tx.get("organizations", organization_id, Organization):
        return found
    raise OrganizationNotFound


async def save_organization(tx: Tx, organization: Organization) -> Organization:
    return await tx.save("organizations", organization)


async def list_organizations(tx: Tx, *, page_size: int, page_token: str, place_code: str) -> Page[Organization]:
    """`place_code`: a governorate holds its districts."""
    query = {"profile.place_code": {"$regex": f"^{place_code}"}} if place_code else {}
    return await page(
        tx.db.organizations,
        query,
        Organization,
        page_size=page_size,
        page_token=page_token,
    )


async def count_network(tx: Tx) -> Statistics:
    seats = await tx.db.organizations.distinct("profile.place_code")
    return Statistics(
        people_count=await tx.db.people.count_documents({}),
        organization_count=await tx.db.organizations.count_documents({}),
        governorate_count=len({code[:4] for code in seats if code}),
        open_application_count=await tx.db.applications.count_documents({"state": {"$in": list(UNDECIDED)}}),
    )
