"""A teachers' network asks for science kits and a trainer, two organizations offer, and one delivers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from demo.client import Client
from demo.steps import expect, refused, step, until_shown

NETWORK = {
    "displayName": {"ar": "شبكة معلمي إدلب", "en": "Idleb Teachers' Network"},
    "typeCode": "441",
    "placeCode": "SY0700",
}
GIVERS = (
    {
        "displayName": {"ar": "مؤسسة نور للتعليم", "en": "Nour Education Foundation"},
        "typeCode": "441",
        "placeCode": "SY07",
    },
    {"displayName": {"ar": "مخابر بلا حدود", "en": "Labs Without Borders"}, "typeCode": "437"},
)
KITS = {"helpCode": "science-kits", "unitCode": "kit", "placeCode": "SY07"}
TRAINER = {"helpCode": "teacher-training", "unitCode": "day", "placeCode": "SY07", "quantity": 3}


async def joins(coordinator: Client, speaker: Client, profile: dict[str, Any]) -> str:
    """An organization of the network; returns its id, once matching knows it."""
    draft = await speaker.create("/v1/applications", {"organization": profile})
    path = f"/v1/applications/{draft['applicationId']}"
    await speaker.post(f"{path}:submit")
    member_id: str = (await coordinator.post(f"{path}:approve"))["memberId"]
    await until_shown(coordinator, member_id)
    return member_id


async def published(client: Client, noun: str, posting: dict[str, Any], organization_id: str) -> dict[str, Any]:
    """A need or an offer, open to all members."""
    draft = await client.create(f"/v1/{noun}s", posting, organizationId=organization_id)
    return await client.post(f"/v1/{noun}s/{draft[f'{noun}Id']}:publish", {"etag": draft["etag"]})


async def a_need_finds_its_match(
    coordinator: Client, sign_up: Callable[[str], Awaitable[Client]], sign_in: Callable[[str], Awaitable[Client]]
) -> tuple[Client, str]:
    """Returns the network's client and its id."""
    print("\nA need finds its match · احتياج يجد من يلبّيه")
    names = ("network", "nour", "labs")
    with step("a teachers' network and two givers join; their own accounts act for them"):
        accounts = [await sign_up(name) for name in names]
        network, *givers = [
            await joins(coordinator, account, profile)
            for account, profile in zip(accounts, (NETWORK, *GIVERS), strict=True)
        ]
        asking, *giving = [await sign_in(name) for name in names]  # with the role that they have now
    title = {"ar": "حقائب علوم ومدرّب لمدارس إدلب", "en": "Science kits and a trainer for schools in Idleb"}
    lines = [{**KITS, "quantity": 500}, TRAINER]
    with step("an amount of money is refused, in Arabic, with advice"), refused(400, "need.title") as told:
        money = {"title": {"ar": "نحتاج ٥٠٠ دولار لشراء حقائب"}, "lines": lines}
        await asking.speaking("ar").create("/v1/needs", money, organizationId=network)
    print(f"               {told[0]}")
    with step("the network asks for 500 science kits and a trainer for three days, in Idleb"):
        need = await published(asking, "need", {"title": title, "lines": lines}, network)
    with step("two organizations offer 300 kits each, one of them anywhere"):
        offers = [
            await published(one, "offer", {"title": {"en": "Science kits from our store"}, "lines": [line]}, giver)
            for one, giver, line in zip(
                giving,
                givers,
                ({**KITS, "quantity": 300}, {**KITS, "placeCode": "", "quantity": 300}),
                strict=True,
            )
        ]
    with step("suggestions are there at once, with the reasons, which sum to the score"):
        found = await asking.get(f"/v1/needs/{need['needId']}/suggestions?pageSize=100")  # other offers may fit, too
        ours = [one for one in found["suggestions"] if one["offerId"] in {offer["offerId"] for offer in offers}]
        expect([one["offerId"] for one in ours] == [offer["offerId"] for offer in offers], "not in the order expected")
        for one in ours:
            parts = one["criteria"]
            expect(one["score"] == sum(part.get("points", 0) for part in parts), f"the reasons do not sum: {one}")
    for part in ours[0]["criteria"]:
        print(f"               {part.get('points', 0):4}  {part['explanation']['ar']} · {part['explanation']['en']}")
    with step("the network proposes to the first giver, who accepts all 300"):
        first = await asking.create("/v1/matches", proposal(need, offers[0], 300))
        await giving[0].post(f"/v1/matches/{first['matchId']}:accept")
    with step("the second proposes 300; accepted twice at once, what is open, 200, is promised once"):
        second = await giving[1].create("/v1/matches", proposal(need, offers[1], 300))
        path = f"/v1/matches/{second['matchId']}:accept"
        answers = await asyncio.gather(*(asking.post(path) for _ in range(2)), return_exceptions=True)
        accepted = [one for one in answers if isinstance(one, dict)]
        expect(len(accepted) == 1, f"accepted {len(accepted)} times")
        expect((accepted[0]["proposedQuantity"], accepted[0]["quantity"]) == (300, 200), f"accepted: {accepted}")
        line = (await asking.get(f"/v1/needs/{need['needId']}"))["lines"][0]
        expect((line["committedQuantity"], line.get("openQuantity", 0)) == (500, 0), f"the line says {line}")
    with step("the first giver delivers, the network confirms"):
        path = f"/v1/matches/{first['matchId']}"
        await giving[0].post(f"{path}:dispatch")
        await giving[0].post(f"{path}:deliver", {"deliveredQuantity": 300})
        await asking.post(f"{path}:confirm")
        line = (await asking.get(f"/v1/needs/{need['needId']}"))["lines"][0]
        expect(line["deliveredQuantity"] == 300, f"the line says {line}")
    with step("an Arabic query in another spelling finds the need"):
        listed = await asking.get("/v1/needs", query="حقيبه علوم ادلب", pageSize=200)
        expect(need["needId"] in {one["needId"] for one in listed.get("needs", [])}, "it is not found")
    return asking, network


def proposal(need: dict[str, Any], offer: dict[str, Any], quantity: int) -> dict[str, Any]:
    return {
        "needId": need["needId"],
        "needLineId": need["lines"][0]["lineId"],
        "offerId": offer["offerId"],
        "offerLineId": offer["lines"][0]["lineId"],
        "proposedQuantity": quantity,
    }
