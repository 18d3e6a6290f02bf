"""python -m demo: `WASL_URL` is the gateway, `WASL_STATE_DIR` holds the first coordinator's account.

Exits 0 when every step came out as told, 1 with the step that did not.
"""

import asyncio
import json
import os
import pathlib
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import httpx

from demo.client import Client, Refused, sign_in, sign_up
from demo.convening import a_workshop_fills_its_seats
from demo.matching import a_need_finds_its_match
from demo.organizations import GOVERNORATES, joining
from demo.record import its_material_is_found
from demo.steps import Wrong, expect, refused, step, until_shown

URL = os.environ.get("WASL_URL", "http://127.0.0.1:8080")
STATE = pathlib.Path(os.environ.get("WASL_STATE_DIR", ".wasl/state"))
DATA = pathlib.Path(os.environ.get("WASL_DEMO_DATA", pathlib.Path(__file__).parents[2] / "shared" / "data"))
APPROVALS = 200  # at least so many are timed
SPEAKERS = 8  # people who apply for organizations


async def everything(client: Client, path: str, items: str, **query: str) -> list[dict[str, Any]]:
    """Every item of every page."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = await client.get(path, pageSize=200, pageToken=token, **query)
        found += page.get(items, [])
        token = page.get("nextPageToken", "")
        if not token:
            expect(page.get("totalSize", 0) == len(found), f"{path} says {page.get('totalSize')}, lists {len(found)}")
            return found


async def a_person_joins(http: httpx.AsyncClient, run: str, coordinator: Client) -> str:
    """One application from its draft to the view of another service; returns the member's id."""
    print("\nA teacher joins · معلّمة تنضم")
    with step("Layla opens an account and signs in"):
        layla = await sign_up(http, "ar", f"layla.{run}@wasl.example", "a long demo password")
    with step("she may not look at the participants yet") as _, refused(403):
        await layla.get("/v1/participants")
    profile = {"displayName": {"ar": "ليلى الحلبي", "en": "Layla al-Halabi"}, "occupation": "TEACHER", "ofAge": True}
    with step("a place that does not exist is refused, in Arabic"), refused(400, "place_code") as told:
        await layla.create("/v1/applications", {"person": profile | {"placeCode": "SY99"}})
    print(f"               {told[0]}")
    with step(f"she drafts and submits, from {GOVERNORATES['SY07'][1]} ({GOVERNORATES['SY07'][0]})"):
        draft = await layla.create("/v1/applications", {"person": profile | {"placeCode": "SY07"}})
        path = f"/v1/applications/{draft['applicationId']}"
        await layla.post(f"{path}:submit", {"etag": draft["etag"]})
    with step("the coordinator finds it in the queue and takes it under review"):
        queue = await coordinator.get("/v1/applications", state="SUBMITTED")
        expect(draft["applicationId"] in [one["applicationId"] for one in queue["applications"]], "not in the queue")
        await coordinator.post(f"{path}:review")
    with step("the coordinator approves; the event crosses RabbitMQ; matching shows its own view"):
        member_id: str = (await coordinator.post(f"{path}:approve"))["memberId"]
        took = await until_shown(coordinator, member_id)
    print(f"               {took * 1000:.0f} ms from approval to view")
    with step("a second approval is refused: it is decided"), refused(400):
        await coordinator.post(f"{path}:approve")
    with step("signed in again she is a member, and sees the participants"):
        layla = await sign_in(http, "ar", f"layla.{run}@wasl.example", "a long demo password")
        shown = await layla.get(f"/v1/participants/{member_id}")
        expect(shown["displayName"]["ar"] == "ليلى الحلبي", f"the view says {shown}")
    return member_id


async def others_do_not(coordinator: Client, speaker: Client) -> set[str]:
    """A rejection and a withdrawal; returns the applications' ids."""
    print("\nOthers do not · وآخرون لا")
    profile = {"displayName": {"en": "Test Organization"}, "typeCode": "443"}
    first = (await speaker.create("/v1/applications", {"organization": profile}))["applicationId"]
    second = (await speaker.create("/v1/applications", {"organization": profile}))["applicationId"]
    with step("one is rejected, with the reason that the applicant reads"):
        await speaker.post(f"/v1/applications/{first}:submit")
        reason = {"ar": "لم يصلنا ما يثبت التسجيل", "en": "No proof of registration has reached us"}
        await coordinator.post(f"/v1/applications/{first}:reject", {"rejectReason": reason})
        read = await speaker.get(f"/v1/applications/{first}")
        expect(read["state"] == "REJECTED" and read["rejectReason"] == reason, f"the applicant reads {read}")
    with step("one is withdrawn before anybody decides"):
        await speaker.post(f"/v1/applications/{second}:submit")
        await speaker.post(f"/v1/applications/{second}:withdraw")
    with step("a withdrawn one cannot be approved"), refused(400):
        await coordinator.post(f"/v1/applications/{second}:approve")
    return {first, second}


async def the_network_joins(coordinator: Client, speakers: list[Client]) -> tuple[list[float], set[str]]:
    """Real organizations apply and are approved; returns seconds from approval to view, and the members' ids."""
    known = joining(DATA)
    rounds = -(-APPROVALS // len(known))
    wanted = (known * rounds)[: max(APPROVALS, min(len(known), 250))]
    print(f"\nThe network joins · الشبكة تنضم: {len(wanted)} applications of {len(known)} real organizations")
    if rounds > 1:
        print("               (the larger data files are absent: each organization applies more than once)")

    async def apply(number: int) -> list[str]:
        speaker, made = speakers[number], []
        for one in wanted[number :: len(speakers)]:
            draft = await speaker.create("/v1/applications", {"organization": one.profile()})
            await speaker.post(f"/v1/applications/{draft['applicationId']}:submit")
            made.append(draft["applicationId"])
        return made

    with step(f"{len(speakers)} people apply for them, all at once"):
        applied = await asyncio.gather(*(apply(number) for number in range(len(speakers))))
    waits, members = [], set()
    with step("the coordinator approves each, and waits for it in matching's view"):
        for application_id in (one for made in applied for one in made):
            member_id = (await coordinator.post(f"/v1/applications/{application_id}:approve"))["memberId"]
            waits.append(await until_shown(coordinator, member_id))
            members.add(member_id)
    return waits, members


async def the_view_is_exact(coordinator: Client, ours: set[str]) -> list[dict[str, Any]]:
    print("\nThe proof · البرهان")
    with step("GET /v1/participants lists exactly the approved members, each once"):
        approved = await everything(coordinator, "/v1/applications", "applications", state="APPROVED")
        shown = await everything(coordinator, "/v1/participants", "participants")
        ids = [one["participantId"] for one in shown]
        expect(len(ids) == len(set(ids)), "a participant is listed twice")
        expect(set(ids) == {one["memberId"] for one in approved}, "participants and approved applications differ")
        expect(ours <= set(ids), "somebody of this run is missing")
    return shown


async def story() -> None:
    account = json.loads((STATE / "coordinator.json").read_text())
    run = f"{time.time_ns() // 1_000_000:x}"
    limits = httpx.Limits(max_connections=SPEAKERS + 2)
    async with httpx.AsyncClient(base_url=URL, timeout=15.0, limits=limits, trust_env=False) as http:
        print(f"Wasl at {URL}")
        with step("the coordinator signs in"):
            coordinator = await sign_in(http, "en", account["email"], account["password"])
        member_id = await a_person_joins(http, run, coordinator)
        with step(f"{SPEAKERS} people who speak for organizations open accounts"):
            emails = [f"speaker{number}.{run}@wasl.example" for number in range(SPEAKERS)]
            speakers = await asyncio.gather(*(sign_up(http, "en", one, "a long demo password") for one in emails))
        refusals = await others_do_not(coordinator, speakers[0])
        waits, members = await the_network_joins(coordinator, list(speakers))

        def up(name: str) -> Awaitable[Client]:
            return sign_up(http, "en", f"{name}.{run}@wasl.example", "a long demo password")

        def again(name: str) -> Awaitable[Client]:
            return sign_in(http, "en", f"{name}.{run}@wasl.example", "a long demo password")

        network, network_id = await a_need_finds_its_match(coordinator, up, again)
        await a_workshop_fills_its_seats(network, network_id, up)
        await its_material_is_found(coordinator, network, network_id, up, again)
        shown = await the_view_is_exact(coordinator, members | {member_id})
        expect(refusals.isdisjoint(one["participantId"] for one in shown), "a refused applicant is a participant")
        figures = await Client(http, "en").get("/v1/statistics")

    places = Counter(one.get("placeCode", "")[:4] for one in shown)
    print("\nParticipants by governorate · المشاركون بحسب المحافظة")
    for code, names in GOVERNORATES.items():
        print(f"  {code}  {names[1]:16} {places[code]:4}  {names[0]}")
    print(f"  elsewhere or not told  {places['']:4}")
    people, organizations = figures.get("peopleCount", 0), figures.get("organizationCount", 0)
    print(f"\nPeople: {people}; organizations: {organizations}; participants: {len(shown)}.")
    middle, worst = statistics.median(waits), statistics.quantiles(waits, n=100)[98]
    timed = f"median {middle * 1000:.0f} ms, 99th percentile {worst * 1000:.0f} ms"
    print(f"From approval to view, {len(waits)} times: {timed}.")


def main() -> None:
    try:
        asyncio.run(story())
    except (Wrong, Refused, httpx.HTTPError, OSError) as error:
        sys.exit(f"\nThe demo stops here: {type(error).__name__}: {error}")


main()
