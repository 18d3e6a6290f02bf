"""Every query, index and collection name of the members service; the only file of it that knows MongoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from msgspec.structs import replace
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

import vocabularies
from chassis import errors, migration
from chassis.aggregates import Aggregates
from chassis.mongo import from_document
from chassis.paging import Page, page
from chassis.tx import Tx
from services.members.affiliations import OPEN_AFFILIATION, Affiliation, AffiliationNotFound
from services.members.model import (
    UNDECIDED,
    Account,
    AccountNotFound,
    Application,
    ApplicationNotFound,
    ApplicationState,
    EmailTaken,
    Growth,
    Month,
    Organization,
    OrganizationNotFound,
    Person,
    PersonNotFound,
    Session,
    SessionNotFound,
    Statistics,
)

M = TypeVar("M", bound=Person | Organization)
PUBLISHED_FOR = timedelta(minutes=1)  # before a key signs: the gateway keeps the set for 30 s


async def migrate(db: Any) -> None:
    """Collections and indexes; run before the first process of a new version, as often as one likes."""
    own = ("accounts", "sessions", "applications", "people", "organizations", "affiliations", "signing_keys")
    await migration.prepare(db, *own)
    await db.accounts.create_index("email", unique=True)
    await db.sessions.create_index("current", unique=True)
    await db.sessions.create_index("used")
    await db.sessions.create_index([("account_id", 1), ("_id", 1)])
    await db.sessions.create_index("expire_time", expireAfterSeconds=0)
    await db.applications.create_index([("account_id", 1), ("_id", -1)])
    await db.applications.create_index([("state", 1), ("_id", -1)])
    await db.people.create_index("account_id", unique=True)
    await db.applications.create_index([("state", 1), ("submit_time", 1), ("_id", 1)])
    await db.people.create_index("join_time")
    await db.organizations.create_index("join_time")
    await db.organizations.create_index([("profile.place_code", 1), ("_id", 1)])
    await db.organizations.create_index([("profile.type_code", 1), ("_id", 1)])
    await _make_searchable(db.people, Person)
    await _make_searchable(db.organizations, Organization)
    await db.affiliations.create_index([("person_id", 1), ("_id", 1)])
    await db.affiliations.create_index([("organization_id", 1), ("_id", 1)])
    await db.affiliations.create_index([("organization_id", 1), ("account_id", 1)])
    open_one = {"state": {"$in": list(OPEN_AFFILIATION)}}
    pair = [("person_id", 1), ("organization_id", 1)]
    await db.affiliations.create_index(pair, unique=True, partialFilterExpression=open_one)


# -- aggregates ----------------------------------------------------------------------------------------------------
_kept = Aggregates(
    {
        Account: ("accounts", AccountNotFound),
        Session: ("sessions", SessionNotFound),
        Application: ("applications", ApplicationNotFound),
        Person: ("people", PersonNotFound),
        Organization: ("organizations", OrganizationNotFound),
        Affiliation: ("affiliations", AffiliationNotFound),
    }
)
add, get, save = _kept.add, _kept.get, _kept.save


# -- accounts ------------------------------------------------------------------------------------------------------
async def add_account(tx: Tx, account: Account) -> Account:
    """Raises EmailTaken."""
    if await tx.find("accounts", {"email": account.email}, Account):
        raise EmailTaken
    try:
        return await tx.insert("accounts", account)
    except DuplicateKeyError as error:
        raise EmailTaken from error


async def find_person_of(tx: Tx, account_id: str) -> Person | None:
    """Who this account is in the network."""
    return await tx.find("people", {"account_id": account_id}, Person)


async def find_account_by_email(tx: Tx, email: str) -> Account | None:
    return await tx.find("accounts", {"email": email}, Account)


# -- sessions ------------------------------------------------------------------------------------------------------
async def find_session_of_token(tx: Tx, digest: str) -> Session | None:
    """The session that gave this token out, now or before."""
    return await tx.find("sessions", {"$or": [{"current": digest}, {"used": digest}]}, Session)


async def list_sessions(tx: Tx, account_id: str, *, page_size: int, page_token: str) -> Page[Session]:
    """Those that have not ended, newest first. Raises BadPageToken."""
    query = {"account_id": account_id, "revoked": False, "expire_time": {"$gt": tx.now}}
    return await page(tx.db.sessions, query, Session, page_size=page_size, page_token=page_token, newest_first=True)


# -- signing keys --------------------------------------------------------------------------------------------------
async def find_signing_keys(db: Any) -> list[dict[str, Any]]:
    """The private keys as JWKs, newest first; what any of them has signed is valid."""
    return [found["jwk"] async for found in db.signing_keys.find({}, sort=[("_id", -1)])]


async def get_signing_key(db: Any, *, now: datetime) -> dict[str, Any]:
    """The newest private key that everybody has had the time to fetch; the first one from the start.

    Raises Unavailable while there is none.
    """
    fetched = {"$or": [{"_id": 1}, {"create_time": {"$lt": now - PUBLISHED_FOR}}]}
    if found := await db.signing_keys.find_one(fetched, sort=[("_id", -1)]):
        jwk: dict[str, Any] = found["jwk"]
        return jwk
    raise errors.Unavailable  # `migrate` has not run


async def add_signing_key(db: Any, jwk: Mapping[str, Any], *, number: int, now: datetime) -> None:
    """The `number`th. Raises DuplicateKeyError when there is one."""
    await db.signing_keys.insert_one({"_id": number, "jwk": dict(jwk), "create_time": now})


# -- applications --------------------------------------------------------------------------------------------------
async def list_applications(
    tx: Tx,
    *,
    own: str,
    everybody: bool,
    account_id: str,
    state: str | None,
    undecided: bool,
    page_size: int,
    page_token: str,
) -> Page[Application]:
    """Newest first: those of the account `own`, and with `everybody` all others that are no drafts.

    `undecided`: only those that wait for a decision, and the first who handed in comes first.
    """
    seen: dict[str, Any] = {"account_id": own}
    if everybody:
        seen = {"$or": [seen, {"state": {"$ne": ApplicationState.DRAFT}}]}
    chosen = {name: value for name, value in (("account_id", account_id), ("state", state)) if value}
    waiting = {"state": {"$in": list(UNDECIDED)}} if undecided else {}
    return await page(
        tx.db.applications,
        {"$and": [seen, chosen, waiting]},
        Application,
        page_size=page_size,
        page_token=page_token,
        newest_first=not undecided,
        by="submit_time" if undecided else "",
    )


# -- members -------------------------------------------------------------------------------------------------------
def searchable(member: M) -> M:
    """With the tokens that it is found by: those of its name."""
    found_by = vocabularies.analyser().tokens_of(member.profile.display_name)
    return replace(member, tokens=tuple(sorted(set(found_by))))


async def _make_searchable(collection: Any, kind: type[M]) -> None:
    """Its index, and the tokens of what was written by a version that knew none."""
    await collection.create_index([("tokens", 1), ("_id", 1)])
    missing = [
        UpdateOne(
            {"_id": found["_id"], "version": found["version"]},  # else whoever changed it has seen to it
            {"$set": {"tokens": list(searchable(from_document(kind, found)).tokens)}},
        )
        async for found in collection.find({"tokens": None})
    ]
    if missing:
        await collection.bulk_write(missing, ordered=False)


def _with_words(query: str) -> dict[str, Any]:
    words = sorted(set(vocabularies.analyser().tokens(query)))
    return {"tokens": {"$all": words}} if words else {}


async def list_people(tx: Tx, *, page_size: int, page_token: str, query: str) -> Page[Person]:
    """`query`: all of its words."""
    return await page(tx.db.people, _with_words(query), Person, page_size=page_size, page_token=page_token)


async def list_organizations(
    tx: Tx, *, page_size: int, page_token: str, place_code: str, type_code: str, query: str
) -> Page[Organization]:
    """`place_code`: a governorate holds its districts; `query`: all of its words."""
    wanted = _with_words(query)
    if place_code:
        wanted["profile.place_code"] = {"$regex": f"^{place_code}"}
    if type_code:
        wanted["profile.type_code"] = type_code
    return await page(tx.db.organizations, wanted, Organization, page_size=page_size, page_token=page_token)


# -- affiliations --------------------------------------------------------------------------------------------------
async def find_open_affiliation(tx: Tx, *, person_id: str, organization_id: str) -> Affiliation | None:
    """The one that is asked for or confirmed."""
    query = {"person_id": person_id, "organization_id": organization_id, "state": {"$in": list(OPEN_AFFILIATION)}}
    return await tx.find("affiliations", query, Affiliation)


async def list_ties(tx: Tx, *, organization_id: str, account_id: str) -> list[Affiliation]:
    """A person's affiliations with an organization; few."""
    return await tx.find_all(
        "affiliations", {"organization_id": organization_id, "account_id": account_id}, Affiliation
    )


async def list_affiliations(
    tx: Tx, *, person_id: str, organization_id: str, state: str | None, page_size: int, page_token: str
) -> Page[Affiliation]:
    given = {"person_id": person_id, "organization_id": organization_id, "state": state}
    query = {name: value for name, value in given.items() if value}
    return await page(tx.db.affiliations, query, Affiliation, page_size=page_size, page_token=page_token)


async def count_network(tx: Tx) -> Statistics:
    seats = await tx.db.organizations.distinct("profile.place_code")
    return Statistics(
        people_count=await tx.db.people.count_documents({}),
        organization_count=await tx.db.organizations.count_documents({}),
        governorate_count=len({code[:4] for code in seats if code}),
        open_application_count=await tx.db.applications.count_documents({"state": {"$in": list(UNDECIDED)}}),
    )


async def count_growth(tx: Tx, starts: Sequence[datetime]) -> Growth:
    """Who joined in each month that begins at one of `starts`."""
    people = await _count_months(tx.db.people, starts[0])
    organizations = await _count_months(tx.db.organizations, starts[0])
    months = (
        Month(start_time=start, people_count=people.get(start, 0), organization_count=organizations.get(start, 0))
        for start in starts
    )
    return Growth(months=tuple(months))


async def _count_months(collection: Any, since: datetime) -> dict[datetime, int]:
    month = {"$dateTrunc": {"date": "$join_time", "unit": "month"}}
    counted = collection.aggregate(
        [{"$match": {"join_time": {"$gte": since}}}, {"$group": {"_id": month, "count": {"$sum": 1}}}]
    )
    return {found["_id"]: found["count"] async for found in counted}
