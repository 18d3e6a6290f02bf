"""What members do with each other while processes are killed: matches, seats, and records with their files.

A thing is changed by one caller at a time, and each call is repeated until it is answered. So what was answered last is
what the databases have to say afterwards: nothing else, nothing more, nothing less.
"""

import asyncio
import functools
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.chaos.account import Account, Refused, once_known, upload

REASON = {"ar": "تغيرت الظروف", "en": "Things have changed"}
KITS = {"helpCode": "science-kits", "unitCode": "kit", "placeCode": "SY07"}
ASKED, OFFERED, GIVERS = 60, 25, 4  # together they offer more than is asked for
SEATS, PEOPLE = 3, 6
SESSION = {"startTime": "2090-01-15T07:00:00Z", "endTime": "2090-01-15T10:00:00Z"}
CHUNK = 1 << 20  # as the service stores bytes
OFFER_SECONDS = 2.0  # for which somebody looks for a seat


class Journeys:
    """Goes round until `ending`; what was answered last, by id."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.ending = False
        self.rounds = 0
        self.matches: dict[str, dict[str, Any]] = {}
        self.acceptances: list[str] = []  # match ids
        self.registrations: dict[str, dict[str, Any]] = {}
        self.records: dict[str, str] = {}  # state
        self.words: dict[str, str] = {}  # by the concept that they find
        self.files: dict[str, str] = {}  # SHA-256

    async def begin(
        self,
        coordinator: Account,
        somebody: Callable[[], Awaitable[Account]],
        joins: Callable[[Account, str], Awaitable[str]],
    ) -> None:
        """Those who go on them join; returns when every service knows them."""
        self._network, self._curator, *others = [await somebody() for _ in range(2 + GIVERS + PEOPLE)]
        givers, self._people = others[:GIVERS], others[GIVERS:]
        self._network_id = await joins(self._network, "A network of teachers")
        self._givers = {one: await joins(one, "A giver") for one in givers}
        await coordinator.post(f"/v1/accounts/{self._curator.account_id}:grantRole", {"role": "curator"})
        for one in (self._network, self._curator, *givers):
            await one.sign_in()  # with the role that they have now
        await once_known(lambda: self._curator.call("GET", "/v1/records?state=SUBMITTED"))
        await once_known(lambda: self._record("first"))
        await once_known(self._convening)
        for one, its_id in {self._network: self._network_id, **self._givers}.items():
            await once_known(functools.partial(self._published, one, its_id, "offer", 1))

    async def run(self) -> None:
        await asyncio.gather(*(self._again(one) for one in (self._matches, self._seats, self._records)))

    async def _again(self, journey: Callable[[], Awaitable[None]]) -> None:
        while not self.ending:
            await journey()
            self.rounds += 1

    # -- matches ---------------------------------------------------------------------------------------------------
    async def _matches(self) -> None:
        """All offer, and each match is accepted twice at once; some are taken back, others arrive in part."""
        need = await self._published(self._network, self._network_id, "need", ASKED)
        givers = self._givers
        proposed = await asyncio.gather(*(self._proposed(one, its_id, need) for one, its_id in givers.items()))
        await asyncio.gather(*(self._accepted(match_id) for match_id in proposed * 2))
        for giver, match_id in zip(givers, proposed, strict=True):
            if self.matches[match_id]["state"] == "ACCEPTED" and self._random.random() < 0.4:
                self._told(await giver.post(f"/v1/matches/{match_id}:withdraw", {"reason": REASON}))
        for giver, match_id in zip(givers, proposed, strict=True):
            if self.matches[match_id]["state"] == "PROPOSED":  # nothing was open; now there may be
                await self._accepted(match_id)
            elif self.matches[match_id]["state"] == "ACCEPTED":
                quantity = self._random.randint(1, self.matches[match_id]["quantity"])
                path = f"/v1/matches/{match_id}"
                self._told(await giver.post(f"{path}:deliver", {"deliveredQuantity": quantity}))
                self._told(await self._network.post(f"{path}:confirm"))

    async def _published(self, by: Account, its_id: str, noun: str, quantity: int) -> dict[str, Any]:
        posting = {"title": {"en": "Science kits"}, "lines": [{**KITS, "quantity": quantity}]}
        draft = await by.post(f"/v1/{noun}s", posting, organizationId=its_id)
        return await by.post(f"/v1/{noun}s/{draft[f'{noun}Id']}:publish")

    async def _proposed(self, giver: Account, its_id: str, need: dict[str, Any]) -> str:
        offer = await self._published(giver, its_id, "offer", OFFERED)
        lines = {f"{noun}LineId": posting["lines"][0]["lineId"] for noun, posting in (("need", need), ("offer", offer))}
        ids = {"needId": need["needId"], "offerId": offer["offerId"]}
        return self._told(await giver.post("/v1/matches", {**ids, **lines, "proposedQuantity": OFFERED}))

    async def _accepted(self, match_id: str) -> None:
        try:
            answer = await self._network.post(f"/v1/matches/{match_id}:accept")
        except Refused:
            return  # nothing is open, or it is accepted already
        self.acceptances.append(self._told(answer))

    def _told(self, match: dict[str, Any]) -> str:
        match_id: str = match["matchId"]
        self.matches[match_id] = match
        return match_id

    # -- seats -----------------------------------------------------------------------------------------------------
    async def _seats(self) -> None:
        """All want one of a few seats; some give theirs back, and who is offered one accepts it."""
        draft = await self._convening()
        await self._network.post(f"/v1/convenings/{draft['conveningId']}:publish")
        await asyncio.gather(*(self._comes(one, draft["conveningId"]) for one in self._people))

    async def _convening(self) -> dict[str, Any]:
        convening = {
            "kind": "WORKSHOP",
            "title": {"en": "Workshop"},
            "sessions": [SESSION],
            "timeZone": "Asia/Damascus",
            "capacity": SEATS,
            "audience": "EVERYBODY",
        }
        return await self._network.post("/v1/convenings", convening, organizationId=self._network_id)

    async def _comes(self, one: Account, convening_id: str) -> None:
        found = self._seat(await one.post("/v1/registrations", {"conveningId": convening_id}))
        path = f"/v1/registrations/{found['registrationId']}"
        waits_until = time.monotonic() + OFFER_SECONDS
        while found["state"] == "WAITING" and time.monotonic() < waits_until:
            await asyncio.sleep(0.2)
            found = self._seat(await one.call("GET", path))
        if found["state"] == "OFFERED":
            self._seat(await one.post(f"{path}:accept"))
        elif self._random.random() < 0.6:
            self._seat(await one.post(f"{path}:withdraw"))

    def _seat(self, registration: dict[str, Any]) -> dict[str, Any]:
        self.registrations[registration["registrationId"]] = registration
        return registration

    # -- records ---------------------------------------------------------------------------------------------------
    async def _records(self) -> None:
        """One with a file in pieces is published, and then a second version of it."""
        word = f"zq{self._random.randbytes(8).hex()}"
        draft = await self._record(word)
        data = b"%PDF-1.7\n" + self._random.randbytes(CHUNK + CHUNK // 3)
        file_id = await upload(self._network, draft["recordId"], len(data), lambda at: data[at : at + CHUNK // 2])
        self.files[file_id] = hashlib.sha256(data).hexdigest()
        first = await self._publish(draft["recordId"])
        self.words[first["conceptId"]] = word
        following = await self._network.post(f"/v1/records/{first['recordId']}:createVersion")
        self.records[following["recordId"]] = following["state"]
        await self._publish(following["recordId"])
        self.records[first["recordId"]] = "SUPERSEDED"

    async def _record(self, word: str) -> dict[str, Any]:
        record = {"title": {"en": f"Atlas {word}"}, "licence": "CC0-1.0", "type": "REPORT"}
        made = await self._network.post("/v1/records", {**record, "publisherId": self._network_id})
        self.records[made["recordId"]] = made["state"]
        return made

    async def _publish(self, record_id: str) -> dict[str, Any]:
        await self._network.post(f"/v1/records/{record_id}:submit")
        published = await self._curator.post(f"/v1/records/{record_id}:publish")
        self.records[record_id] = published["state"]
        return published
