"""`./dev up --sample`: fills an empty stack with a made-up network, over the public REST API.

`python -m demo.sample [--seed N]` with the environment of demo/__main__.py. The same seed makes the same network, but
for ids and times: convenings are counted from today. Names carry "(sample)": nobody shall take them for real. Exits 1
when the stack is not empty. The sign-ins that it prints are kept in `sample.json` beside the coordinator's.
"""

import argparse
import asyncio
import datetime
import json
import os
import pathlib
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import httpx

from demo import words
from demo.client import Client, Refused, sign_in, sign_up
from demo.organizations import ACADEMIC, GOVERNORATES, joining
from demo.steps import PATIENCE_SECONDS, Wrong, expect, within

URL = os.environ.get("WASL_URL", "http://127.0.0.1:8080")
STATE = pathlib.Path(os.environ.get("WASL_STATE_DIR", ".wasl/state"))
DATA = pathlib.Path(os.environ.get("WASL_DEMO_DATA", pathlib.Path(__file__).parents[2] / "shared" / "data"))
PASSWORD = "a long sample password"  # noqa: S105 - it is told to everybody
PEOPLE, UNDECIDED, REJECTED, SPEAKERS = 300, 9, 3, 20
ORGANIZATIONS, UNIVERSITIES = 60, 30
PAIRS = 60  # of a need and an offer
CONVENINGS, RECORDS = 40, 150
AT_ONCE = 8  # calls on their way: more would only wait, on two cores
PLACES = list(GOVERNORATES)
Text = dict[str, str]


def both(pair: tuple[str, str], **values: str) -> Text:
    return {"ar": pair[0].format(**values), "en": pair[1].format(**values)}


def marked(name: Text) -> Text:
    """A name that says that it is of a sample."""
    return {code: f"{text} {words.SAMPLE[code == 'en']}" for code, text in name.items()}


def where(place: str) -> dict[str, str]:
    """A governorate's names, for texts."""
    return {"place_ar": GOVERNORATES[place][0], "place_en": GOVERNORATES[place][1]}


async def all_of(what: str, jobs: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Runs them, AT_ONCE at a time, and tells how far it is. Answers in their order."""
    waiting, turns, done, began = list(jobs), asyncio.Semaphore(AT_ONCE), 0, time.perf_counter()

    async def run(job: Coroutine[Any, Any, Any]) -> Any:
        nonlocal done
        async with turns:
            answer = await job
        done += 1
        if done == len(waiting) or (sys.stdout.isatty() and done % 5 == 0):
            seconds = time.perf_counter() - began
            print(f"\r  {seconds:6.1f} s  {what}: {done}/{len(waiting)}", end="", flush=True)
        return answer

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(job)) for job in waiting]
    finally:
        print()
    return [task.result() for task in tasks]


async def soon(call: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Again while the service has not heard yet of who calls: events take a moment. Raises Refused."""
    began = time.perf_counter()
    while True:
        try:
            return await call()
        except Refused as refused:
            if refused.status not in (403, 404) or time.perf_counter() - began > PATIENCE_SECONDS:
                raise
        await asyncio.sleep(0.2)


class Person:
    """Somebody of the network: who calls, and the member's id."""

    def __init__(self, email: str, client: Client, member_id: str) -> None:
        self.email, self.client, self.member_id = email, client, member_id


class Organization:
    """With the client of who speaks for it."""

    def __init__(self, organization_id: str, name: Text, place: str, client: Client) -> None:
        self.organization_id, self.name, self.place, self.client = organization_id, name, place, client


class Sample:
    """The network in the making. What is drawn is drawn before the calls run, so that their order changes nothing."""

    def __init__(self, http: httpx.AsyncClient, coordinator: Client, seed: int) -> None:
        self.http, self.coordinator, self.chance = http, coordinator, random.Random(seed)
        self.people: list[Person] = []
        self.organizations: list[Organization] = []
        self.units: dict[str, str] = {}

    # -- who is in it ----------------------------------------------------------------------------------------------
    async def people_join(self) -> None:
        pairs = [(first, last) for first in words.FIRST for last in words.LAST]
        occupations = ("TEACHER", "TEACHER", "TEACHER", "EXPERT", "STUDENT", "OTHER")
        decisions = ["approve"] * PEOPLE + ["wait"] * UNDECIDED + ["reject"] * REJECTED
        jobs = []
        for number, (first, last) in enumerate(self.chance.sample(pairs, len(decisions))):
            profile = {
                "displayName": marked({"ar": f"{first[0]} {last[0]}", "en": f"{first[1]} {last[1]}"}),
                "occupation": self.chance.choice(occupations),
                "placeCode": self.chance.choice(PLACES),
                "ofAge": True,
            }
            jobs.append(self._person_joins(f"person{number + 1}@sample.wasl.example", profile, decisions[number]))
        joined = await all_of("people apply, and a coordinator decides", jobs)
        self.people = [one for one in joined if one.member_id]

    async def _person_joins(self, email: str, profile: dict[str, Any], decision: str) -> Person:
        client = await sign_up(self.http, "ar", email, PASSWORD)
        member_id = await self._applies(client, {"person": profile, "statement": both(words.MADE_UP)}, decision)
        return Person(email, client, member_id)

    async def _applies(self, client: Client, application: dict[str, Any], decision: str = "approve") -> str:
        """The member's id, "" of who is none."""
        draft = await client.create("/v1/applications", application)
        path = f"/v1/applications/{draft['applicationId']}"
        await client.post(f"{path}:submit")
        if decision == "reject":
            reason = {"ar": "لم يتّضح مجال العمل", "en": "The field of work has not become clear"}
            await self.coordinator.post(f"{path}:reject", {"rejectReason": reason})
        if decision != "approve":
            return ""
        return str((await self.coordinator.post(f"{path}:approve"))["memberId"])

    async def organizations_join(self) -> None:
        """Each of the first people speaks for several; their accounts act for them."""
        academic = [one for one in joining(DATA) if one.type_code == ACADEMIC and one.ar and one.en]
        profiles = [one.profile() for one in self.chance.sample(academic, min(UNIVERSITIES, len(academic)))]
        local = [(one, place) for one in words.ORGANIZATIONS for place in PLACES]
        for name, place in self.chance.sample(local, ORGANIZATIONS - len(profiles)):
            at = GOVERNORATES[place]
            display = {"ar": f"{name[0]} في {at[0]}", "en": f"{name[1]} of {at[1]}"}
            profiles.append({"displayName": display, "typeCode": "441", "placeCode": place})
        for profile in profiles:
            profile["displayName"] = marked(profile["displayName"])
        speakers = self.people[:SPEAKERS]
        clients = await all_of("speakers sign in as members", (self._again(one) for one in speakers))
        for person, client in zip(speakers, clients, strict=True):
            person.client = client

        async def join(number: int, profile: dict[str, Any]) -> Organization:
            client = speakers[number % SPEAKERS].client
            place = profile["placeCode"] or PLACES[number % len(PLACES)]
            member_id = await self._applies(client, {"organization": profile})
            return Organization(member_id, profile["displayName"], place, client)

        jobs = [join(number, profile) for number, profile in enumerate(profiles)]
        self.organizations = await all_of("organizations apply", jobs)
        unfinished = {"displayName": marked(both(words.UNFINISHED)), "typeCode": "441"}
        await speakers[0].client.create("/v1/applications", {"organization": unfinished})

    def _again(self, person: Person) -> Coroutine[Any, Any, Client]:
        return sign_in(self.http, "ar", person.email, PASSWORD)

    async def people_belong(self) -> None:
        chosen = self.chance.sample(self.people[SPEAKERS:], 40)

        async def belong(number: int, person: Person) -> None:
            organization = self.organizations[number % len(self.organizations)]
            role = ("STAFF", "VOLUNTEER", "REPRESENTATIVE")[number % 3]
            asked = {"personId": person.member_id, "organizationId": organization.organization_id, "role": role}
            made = await organization.client.create("/v1/affiliations", asked)
            if number % 5:
                await self.coordinator.post(f"/v1/affiliations/{made['affiliationId']}:confirm")

        await all_of("people belong to organizations", (belong(*one) for one in enumerate(chosen)))

    # -- what they need and offer ----------------------------------------------------------------------------------
    async def needs_meet_offers(self) -> None:
        help_ = await Client(self.http, "en").get("/v1/vocabularies/help")
        terms = {one["code"]: one for one in help_["terms"]}
        jobs = []
        for number in range(PAIRS):
            code, (least, most) = words.HELP[number % len(words.HELP)]
            asks = self.chance.choice(self.organizations[-ORGANIZATIONS + UNIVERSITIES :])
            gives = self.chance.choice([one for one in self.organizations if one is not asks])
            quantity, part = self.chance.randint(least, most), self.chance.choice((1, 2, 3))
            why = both(self.chance.choice(words.WHY))
            line = {"helpCode": code, "unitCode": terms[code]["units"][0], "placeCode": asks.place}
            named = {code: terms[line["helpCode"]]["label"][code] for code in ("ar", "en")} | where(asks.place)
            audience = "MEMBERS" if number % 3 else "EVERYBODY"
            need = {
                "title": both(("نحتاج في {place_ar} إلى {ar}", "{en} for schools in {place_en}"), **named),
                "description": {code: f"{why[code]} {both(words.MADE_UP)[code]}" for code in why},
                "lines": [{**line, "quantity": quantity}],
                "audience": audience,
            }
            offer = {
                "title": both(("نقدّم {ar} في {place_ar}", "{en} on offer in {place_en}"), **named),
                "description": both(words.MADE_UP),
                "lines": [
                    {**line, "quantity": max(1, quantity // part), "placeCode": "" if number % 4 == 3 else asks.place}
                ],
                "audience": audience,
            }
            jobs.append(self._pair(asks, need, gives, offer, number))
        await all_of("needs meet offers", jobs)

    async def _pair(
        self, asks: Organization, need: dict[str, Any], gives: Organization, offer: dict[str, Any], number: int
    ) -> None:
        """A need and an offer; every second pair also a match, one in each state that is reached by hand."""
        asked = await self._published(asks, "need", need)
        given = await self._published(gives, "offer", offer)
        if number % 2:
            return
        quantity = given["lines"][0]["quantity"]
        match = {
            "needId": asked["needId"],
            "needLineId": asked["lines"][0]["lineId"],
            "offerId": given["offerId"],
            "offerLineId": given["lines"][0]["lineId"],
            "proposedQuantity": quantity,
        }
        path = f"/v1/matches/{(await asks.client.create('/v1/matches', match))['matchId']}"
        reason = {"reason": {"ar": "تغيّرت الخطة", "en": "The plan has changed"}}
        ways: tuple[tuple[tuple[Organization, str, dict[str, Any]], ...], ...] = (
            (),
            ((gives, "accept", {}),),
            ((gives, "accept", {}), (gives, "dispatch", {})),
            ((gives, "accept", {}), (gives, "deliver", {"deliveredQuantity": quantity})),
            ((gives, "accept", {}), (gives, "deliver", {"deliveredQuantity": quantity}), (asks, "confirm", {})),
            ((gives, "decline", reason),),
            ((asks, "withdraw", reason),),
        )
        for who, verb, body in ways[number // 2 % len(ways)]:
            await who.client.post(f"{path}:{verb}", body)

    async def _published(self, who: Organization, noun: str, posting: dict[str, Any]) -> dict[str, Any]:
        draft = await soon(lambda: who.client.create(f"/v1/{noun}s", posting, organizationId=who.organization_id))
        return await who.client.post(f"/v1/{noun}s/{draft[f'{noun}Id']}:publish", {"etag": draft["etag"]})

    # -- where they come together ----------------------------------------------------------------------------------
    async def convenings_are_held(self) -> None:
        today = datetime.datetime.now(datetime.UTC).replace(hour=7, minute=0, second=0, microsecond=0)
        jobs = []
        for number in range(CONVENINGS):
            kind, title = words.CONVENINGS[number % len(words.CONVENINGS)]
            topic = both(words.TOPICS[number % len(words.TOPICS)])
            # The first organization's speaker is the member whose sign-in is told, and has something of each kind.
            organizer = self.chance.choice(self.organizations) if number else self.organizations[0]
            begin = today + datetime.timedelta(days=self.chance.randint(3, 90), hours=self.chance.randint(0, 5))
            times = [begin + datetime.timedelta(days=7 * week) for week in range(4 if kind == "COURSE" else 1)]
            convening = {
                "kind": kind,
                "title": both(title, **topic),
                "description": both(words.MADE_UP),
                "sessions": [
                    {
                        "startTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                        "endTime": f"{at + datetime.timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}",
                    }
                    for at in times
                ],
                "timeZone": "Asia/Damascus",
                "capacity": self.chance.choice((2, 20, 40, 200)),
                "audience": "MEMBERS" if number % 8 == 7 else "EVERYBODY",
                "approvalRequired": number % 10 == 9,
            }
            convening |= (
                {"onlineUri": "https://meet.example/sample"} if number % 3 == 2 else {"placeCode": organizer.place}
            )
            guests = self.chance.sample(self.people[SPEAKERS:], 4) if convening["audience"] == "EVERYBODY" else []
            jobs.append(self._convening(organizer, convening, guests, number))
        await all_of("convenings are announced", jobs)

    async def _convening(
        self, organizer: Organization, convening: dict[str, Any], guests: list[Person], number: int
    ) -> None:
        as_whom = {"organizationId": organizer.organization_id}
        draft = await soon(lambda: organizer.client.create("/v1/convenings", convening, **as_whom))
        path = f"/v1/convenings/{draft['conveningId']}"
        if number % 20 == 19:
            return
        await organizer.client.post(f"{path}:publish")
        for guest in guests:
            await guest.client.create("/v1/registrations", {"conveningId": draft["conveningId"]})
        if number % 20 == 18:
            reason = {"ar": "تعذّر حضور المدرّب", "en": "The trainer cannot come"}
            await organizer.client.post(f"{path}:cancel", {"cancelReason": reason})

    # -- what they know --------------------------------------------------------------------------------------------
    async def records_are_published(self, curator: Client) -> None:
        jobs = []
        for number in range(RECORDS):
            topic = both(words.TOPICS[number % len(words.TOPICS)])
            kind, title, of_place = words.RECORDS[number // len(words.TOPICS) % len(words.RECORDS)]
            publisher = self.chance.choice(self.organizations) if number % 25 != 24 else self.organizations[0]
            place = publisher.place
            record = {
                "publisherId": publisher.organization_id,
                "title": both(title, **topic, **where(place)),
                "description": both(words.MADE_UP),
                "keywords": [topic],
                "creators": [publisher.name[("ar", "en", "ar")[number % 3]]],
                "licence": self.chance.choice(("CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "CC-BY-NC-4.0")),
                "type": kind,
                "languageCodes": [("ar",), ("en",), ("ar", "en")][number % 3],
                "levelCodes": [self.chance.choice(("02", "1", "2", "3"))],
                "placeCodes": [place] if of_place else [],
            }
            jobs.append(self._record(publisher, curator, record, topic, number))
        await all_of("records are published, with their files", jobs)

    async def _record(
        self, publisher: Organization, curator: Client, record: dict[str, Any], topic: Text, number: int
    ) -> None:
        draft = await soon(lambda: publisher.client.create("/v1/records", record))
        path, code = f"/v1/records/{draft['recordId']}", record["languageCodes"][0]
        said = both(words.MADE_UP)[code]
        if record["type"] == "DATASET":
            rows = "".join(f"{place},{10 + (number * 7 + index) % 40}\n" for index, place in enumerate(PLACES))
            name, kind, content = "data.csv", "text/csv", f"place,schools\n{rows}"
        else:
            name, kind, content = f"{code}.txt", "text/plain", f"{topic[code]}\n\n{said}\n" * 20
        await publisher.client.upload(draft["recordId"], name, kind, code, content.encode(), 1)
        if number % 25 == 24:
            return
        await publisher.client.post(f"{path}:submit")
        if number % 25 == 22:
            note = {"ar": "أضيفوا سنة النشر من فضلكم", "en": "Please add the year"}
            await curator.post(f"{path}:return", {"returnNote": note})
        elif number % 25 != 23:
            await curator.post(f"{path}:publish")

    # -- the whole -------------------------------------------------------------------------------------------------
    async def make(self) -> dict[str, str]:
        """All of it; returns the e-mail of one account for each role that the sample has given."""
        await self.people_join()
        await self.organizations_join()
        chosen = self.people[SPEAKERS]
        await self.coordinator.post(f"/v1/accounts/{chosen.client.account_id}:grantRole", {"role": "curator"})
        curator = await self._again(chosen)
        members = PEOPLE + len(self.organizations)

        async def known() -> bool:
            return bool((await self.coordinator.get("/v1/participants", pageSize=1)).get("totalSize") == members)

        await within(2 * PATIENCE_SECONDS, known)
        await self.people_belong()
        await self.needs_meet_offers()
        await self.convenings_are_held()
        await self.records_are_published(curator)
        return {"member": self.people[0].email, "curator": chosen.email}


async def check_empty(client: Client) -> None:
    """Raises Wrong when somebody has applied, or something was published, before."""
    figures = await client.get("/v1/statistics")
    counted = {name: count for name, count in figures.items() if count}
    for path in ("/v1/convenings", "/v1/records"):
        if (await client.get(path, pageSize=1)).get("totalSize"):
            counted[path] = "some"
    expect(not counted, f"this stack is not empty: {counted}; `./dev up --reset --sample` begins anew")


async def fill(seed: int) -> None:
    began = time.perf_counter()
    account = json.loads((STATE / "coordinator.json").read_text())
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=URL, timeout=60.0, limits=limits, trust_env=False) as http:
        await check_empty(Client(http, "en"))
        print(f"The sample network of seed {seed} · الشبكة النموذجية ببذرة {seed}")
        coordinator = await sign_in(http, "en", account["email"], account["password"])
        made = await Sample(http, coordinator, seed).make()
    known = {"coordinator": (account["email"], account["password"])}
    known |= {role: (email, PASSWORD) for role, email in made.items()}
    sign_ins = {role: {"email": email, "password": password} for role, (email, password) in known.items()}
    file = STATE / "sample.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(sign_ins, indent=2))
    print(f"ready after {time.perf_counter() - began:.0f} s; signing in at {URL} · جاهزة، والدخول من العنوان نفسه")
    for role, (email, password) in known.items():
        print(f"  {role:12} {email:36} {password}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev up --sample", description="fills an empty stack")
    parser.add_argument("--seed", type=int, default=1)
    try:
        asyncio.run(fill(parser.parse_args().seed))
    except (Wrong, Refused, httpx.HTTPError, OSError, ExceptionGroup) as error:
        first: Exception = error
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        sys.exit(f"\nThe sample stops here: {type(first).__name__}: {first}")


if __name__ == "__main__":
    main()
