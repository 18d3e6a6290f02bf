"""The training becomes a workshop: a full house, a waiting list, and somebody who moves up."""

from collections.abc import Awaitable, Callable
from typing import Any

from demo.client import Client
from demo.steps import expect, step

WORKSHOP: dict[str, Any] = {
    "kind": "WORKSHOP",
    "title": {"ar": "ورشة حقائب العلوم لمعلمي إدلب", "en": "Science kits workshop for teachers in Idleb"},
    "timeZone": "Asia/Damascus",
    "placeCode": "SY0700",
    "onlineUri": "https://meet.example/science-kits",
    "capacity": 2,
    "audience": "EVERYBODY",
}
TEN = [{"startTime": "2027-01-15T07:00:00Z", "endTime": "2027-01-15T10:00:00Z"}]
ELEVEN = [{"startTime": "2027-01-15T08:00:00Z", "endTime": "2027-01-15T11:00:00Z"}]


async def a_workshop_fills_its_seats(
    organizer: Client, organization_id: str, sign_up: Callable[[str], Awaitable[Client]]
) -> None:
    print("\nA workshop fills its seats · ورشة تمتلئ مقاعدها")
    with step("the network publishes a workshop with two seats, at ten in Damascus"):
        draft = await organizer.create("/v1/convenings", {**WORKSHOP, "sessions": TEN}, organizationId=organization_id)
        path = f"/v1/convenings/{draft['conveningId']}"
        await organizer.post(f"{path}:publish")
    with step("four teachers register: two have a seat, two wait in the order in which they came"):
        teachers = [await sign_up(f"teacher{number}") for number in range(4)]
        wanted = {"conveningId": draft["conveningId"]}
        made = [await one.create("/v1/registrations", wanted) for one in teachers]
        expect([one["state"] for one in made] == ["ADMITTED", "ADMITTED", "WAITING", "WAITING"], f"registered: {made}")
    with step("where to join online is told to those with a seat only"):
        seen = [(await one.get(path)).get("onlineUri", "") for one in teachers]
        expect(seen == [WORKSHOP["onlineUri"]] * 2 + ["", ""], f"they see {seen}")
    with step("one gives the seat back: the first who waits is offered it, and accepts"):
        await teachers[1].post(f"/v1/registrations/{made[1]['registrationId']}:withdraw")
        offered = await teachers[2].get(f"/v1/registrations/{made[2]['registrationId']}")
        expect(offered["state"] == "OFFERED", f"the first who waits: {offered}")
        accepted = await teachers[2].post(f"/v1/registrations/{made[2]['registrationId']}:accept")
        expect(accepted["state"] == "ADMITTED", f"accepted: {accepted}")
    with step("it moves by an hour: calendars find the same UID with the next SEQUENCE"):
        feed = await teachers[2].post("/v1/calendarFeeds", {"label": "my phone"})
        before = (await teachers[2].content(f"/v1/calendars/{feed['token']}")).decode()
        changed = {"sessions": ELEVEN}
        await organizer.patch(path, changed, updateMask="sessions")
        after = (await teachers[2].content(f"/v1/calendars/{feed['token']}")).decode()
        expect(_line(before, "UID") == _line(after, "UID"), "the UID has changed")
        expect((_line(before, "SEQUENCE"), _line(after, "SEQUENCE")) == ("0", "1"), f"the calendar says {after}")
        expect(_line(after, "DTSTART") == "20270115T110000", f"the calendar says {after}")


def _line(calendar: str, name: str) -> str:
    """The value of a property of the only event."""
    event = calendar.partition("BEGIN:VEVENT")[2]
    return next(line.partition(":")[2] for line in event.splitlines() if line.startswith(name))
