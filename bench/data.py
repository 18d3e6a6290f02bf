"""Data that the benchmarks make up, the same in every run."""

import datetime
import json
import random
from typing import Any

from chassis.ids import new_id
from chassis.values import LocalizedText
from services.members import store, tokens
from services.members.config import Config
from services.members.model import Account, OrganizationProfile

NAMES = [
    ("جامعة حلب", "University of Aleppo"),
    ("جامعة دمشق", "Damascus University"),
    ("مدارس الأمل", "Schools of Hope"),
    ("بيت المعلم", "The Teacher's House"),
]


def profiles(count: int) -> list[OrganizationProfile]:
    choose = random.Random(7)
    found = []
    for number in range(count):
        ar, en = choose.choice(NAMES)
        found.append(
            OrganizationProfile(
                display_name=LocalizedText(ar=f"{ar} {number}", en=f"{en} {number}"),
                type_code=choose.choice(["431", "437", "441"]),
                place_code=f"SY{choose.randint(1, 14):02}",
                homepage_uri=f"https://organization-{number}.example/ar",
            )
        )
    return found


def applications(count: int) -> list[str]:
    """Bodies of POST /v1/applications."""
    statement = {"ar": "نريد أن نعلّم ونتعلّم مع الشبكة", "en": "We want to teach and to learn with the network"}
    bodies = []
    for one in profiles(count):
        organization = {
            "displayName": {"ar": one.display_name.ar, "en": one.display_name.en},
            "typeCode": one.type_code,
            "placeCode": one.place_code,
            "homepageUri": one.homepage_uri,
        }
        bodies.append(json.dumps({"organization": organization, "statement": statement}, ensure_ascii=False))
    return bodies


async def access_token(db: Any, config: Config, role: str) -> str:
    """Of somebody with this role. Raises errors.Unavailable when no migration has made a key."""
    return (await access_tokens(db, config, role, [new_id()]))[0]


async def access_tokens(db: Any, config: Config, role: str, account_ids: list[str]) -> list[str]:
    """Of each of these accounts, in their order. Raises as above."""
    now = datetime.datetime.now(datetime.UTC)
    jwk = await store.get_signing_key(db, now=now)
    accounts = [
        Account(account_id=one, email="", password_hash="", create_time=now, roles=(role,)) for one in account_ids
    ]
    return [tokens.access_token(jwk, account, config, new_id())[0] for account in accounts]
