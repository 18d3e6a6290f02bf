"""The workshop's material is written down, curated, published, and found by an Arabic query in another spelling."""

import functools
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from demo.client import Client
from demo.steps import expect, refused, step, within

MATERIAL: dict[str, Any] = {
    "title": {"ar": "دليل حقائب العلوم للمعلمين في إدلب", "en": "The science kits handbook for teachers in Idleb"},
    "description": {"ar": "تجارب بسيطة للصفوف من الرابع إلى السادس، مع إجراءات السلامة في المدرسة"},
    "keywords": [{"ar": "تجارب", "en": "experiments"}],
    "creators": ["شبكة معلمي إدلب"],
    "licence": "CC-BY-SA-4.0",
    "type": "GUIDE",
    "languageCodes": ["ar"],
    "levelCodes": ["1"],
    "placeCodes": ["SY07"],
}
HANDBOOK = "دليل حقائب العلوم\n\n".encode() + "التجربة: الماء والزيت، والسلامة أولا.\n".encode() * 2000
PIECES = 3
SPELLINGS = ("حقائب العلوم ادلب", "دَلِيلُ المُعلّمين إدلب", "تجربه ادلب")  # without hamza; with vowels; a singular


async def its_material_is_found(
    coordinator: Client,
    publisher: Client,
    publisher_id: str,
    sign_up: Callable[[str], Awaitable[Client]],
    sign_in: Callable[[str], Awaitable[Client]],
) -> None:
    print("\nIts material finds readers · مادة الورشة تصل إلى قرّائها")
    with step("the coordinator makes somebody a curator of the knowledge bank"):
        account = await sign_up("curator")
        await coordinator.post(f"/v1/accounts/{account.account_id}:grantRole", {"role": "curator"})
        curator = await sign_in("curator")
    with step("the network describes its handbook, in Arabic and in English"):
        draft = await publisher.create("/v1/records", {**MATERIAL, "publisherId": publisher_id})
        path = f"/v1/records/{draft['recordId']}"
    with step(f"the file goes up in {PIECES} pieces"):
        file_id = await publisher.upload(draft["recordId"], "دليل.txt", "text/plain", "ar", HANDBOOK, PIECES)
    with step("it cannot publish by itself"), refused(403):
        await publisher.post(f"{path}:publish")
    with step("it submits, the curator returns it with a note, it submits again, the curator publishes"):
        await publisher.post(f"{path}:submit")
        note = {"ar": "أضيفوا المستوى التعليمي من فضلكم", "en": "Please add the level of education"}
        await curator.post(f"{path}:return", {"returnNote": note})
        expect((await publisher.get(path)).get("returnNote") == note, "the note does not reach the publisher")
        await publisher.patch(path, {"levelCodes": ["1", "2"]}, updateMask="levelCodes")
        await publisher.post(f"{path}:submit")
        await curator.post(f"{path}:publish")
    reader = await sign_up("reader")
    for spelling in SPELLINGS:
        with step(f"a reader finds it by {spelling}"):
            await within(2.0, functools.partial(_finds, reader, spelling, draft["recordId"]))
    with step("and reads the file: the same bytes"):
        content = await reader.content(f"/v1/files/{file_id}")
        expect(hashlib.sha256(content).digest() == hashlib.sha256(HANDBOOK).digest(), "the file has other bytes")


async def _finds(reader: Client, query: str, record_id: str) -> bool:
    found = await reader.get("/v1/records:search", q=query, pageSize=50)
    return record_id in {one["record"]["recordId"] for one in found.get("results", [])}
