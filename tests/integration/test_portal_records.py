"""The portal's knowledge bank through the gateway, against real services: found, written, submitted, curated."""

import asyncio
import contextlib
import html
import random
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from chassis.servers import Process, free_port
from services.portal.pages.records import LICENCES
from services.portal.sessions import ACCESS, REFRESH
from services.portal.visit import CSRF, CSRF_HEADER
from services.resources.worker import ResourcesWorker
from tests.integration.gateway import Gateway
from tests.support import (
    NO_ID,
    SCHOOL,
    Members,
    Service,
    Who,
    deliver,
    environment,
    members_service,
    new_uuid,
    refusal,
    relayed,
    resources_service,
)
from wasl.resources.v1 import resources_pb2 as r

pytestmark = pytest.mark.asyncio(loop_scope="module")
LARGEST = 3 << 20
PDF = b"%PDF-1.7\n" + random.Random(5).randbytes((2 << 20) + 12_345)
TOKEN = "a-token-of-the-browser"
GUIDE = {"record.title.en": "Fractions", "record.type": "GUIDE", "record.licence": "CC-BY-4.0"}


class Browser:
    """Somebody with a browser in a language, signed in or not."""

    def __init__(self, url: str, who: Who | None, code: str) -> None:
        cookies = {CSRF: TOKEN, **({ACCESS: who.token, REFRESH: "none"} if who else {})}
        self.client = httpx.AsyncClient(base_url=url, cookies=cookies, timeout=30, trust_env=False)
        self.code = code

    async def read(self, path: str, **query: Any) -> str:
        answer = await self.client.get(f"/{self.code}{path}", params=query)
        assert answer.status_code == 200, plain(answer.text)
        return answer.text

    async def send(self, path: str, fields: dict[str, Any] | None = None, **how: Any) -> httpx.Response:
        return await self.client.post(f"/{self.code}{path}", data={"csrf": TOKEN, **(fields or {})}, **how)

    async def done(self, path: str, fields: dict[str, Any] | None = None, **how: Any) -> str:
        """The same, with success: where it leads."""
        answer = await self.send(path, fields, **how)
        assert answer.status_code == 303, wrong(answer.text) or plain(answer.text)
        return answer.headers["location"].removeprefix(f"/{self.code}")

    async def script(self, method: str, path: str, headers: dict[str, Any] | None = None, **how: Any) -> httpx.Response:
        known = {CSRF_HEADER: TOKEN, **{name: str(value) for name, value in (headers or {}).items()}}
        return await self.client.request(method, path, headers=known, **how)


def plain(page: str) -> str:
    """What the main part of a page says."""
    main = page.partition("<main")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", main)))


def wrong(page: str) -> dict[str, str]:
    """What stands at the fields."""
    return {name: html.unescape(text) for name, text in re.findall(r'id="([^"]*)-wrong">([^<]*)<', page)}


def upload(data: bytes = PDF, name: str = "أطلس.pdf", kind: str = "application/pdf") -> dict[str, Any]:
    return {"file": (name, data, kind)}


class Stack(msgspec.Struct):
    """Members and resources in this process, files, the portal and a gateway before them in their own."""

    members: Members
    resources: Service
    portal: Process
    url: str
    member: Who
    publisher_id: str
    curator: Who
    other: Who
    browsers: list[Browser] = []

    def browser(self, who: Who | None = None, code: str = "en") -> Browser:
        self.browsers.append(Browser(self.url, who, code))
        return self.browsers[-1]

    async def record(self, **fields: Any) -> Any:
        known = {"title": {"en": "Atlas"}, "licence": "CC0-1.0", "type": "REPORT", "publisher_id": self.publisher_id}
        return await self.resources("CreateRecord", by=self.member, record={**known, **fields})

    async def submitted(self, **fields: Any) -> Any:
        record = await self.record(**fields)
        return await self.resources("SubmitRecord", by=self.member, record_id=record.record_id)

    async def published(self, **fields: Any) -> Any:
        record = await self.submitted(**fields)
        return await self.resources("PublishRecord", by=self.curator, record_id=record.record_id)

    async def now(self, record_id: str) -> Any:
        return await self.resources("GetRecord", by=self.member, record_id=record_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("portal")
    async with members_service(mongo_uri) as members, resources_service(mongo_uri, members) as resources:
        files_port, portal_port = free_port(), free_port()
        gateway = Gateway(
            folder,
            MEMBERS_API=members.address,
            RESOURCES_API=resources.address,
            RESOURCES_HTTP=f"127.0.0.1:{files_port}",
            PORTAL_HTTP=f"127.0.0.1:{portal_port}",
        )
        known = environment(
            mongo_uri,
            resources.db.name,
            folder,
            http_port=str(files_port),
            jwks_url=f"{gateway.url}/.well-known/jwks.json",
            resources_largest_file_bytes=str(LARGEST),
        )
        files = Process([sys.executable, "-m", "services.resources", "http"], folder / "http.log", known)
        addresses = environment(
            mongo_uri,
            "",
            folder,
            http_port=str(portal_port),
            portal_members_address=members.address,
            portal_resources_address=resources.address,
            portal_files_url=f"http://127.0.0.1:{files_port}",
        )
        portal = Process([sys.executable, "-m", "services.portal", "http"], folder / "portal.log", addresses)
        member, coordinator = await members.account("member"), await members.account("coordinator")
        submitted = await members.submitted(member, organization=SCHOOL)
        approved = await members("ApproveApplication", by=coordinator, application_id=submitted.application_id)
        await deliver(resources, ResourcesWorker, *await relayed(members))
        curator, other = await members.account("curator"), await members.account("member")
        for process in (files, portal, gateway):
            process.start()
        running = Stack(members, resources, portal, gateway.url, member, approved.member_id, curator, other)
        try:
            await await_ready(running)
            yield running
        finally:
            for browser in running.browsers:
                await browser.client.aclose()
            for process in (files, portal, gateway):
                process.kill()


async def await_ready(stack: Stack) -> None:
    """Until the gateway knows its upstreams and the files' process the keys."""
    browser = stack.browser(stack.member)
    for _ in range(200):
        with contextlib.suppress(httpx.HTTPError):
            page, file = await browser.client.get("/en/records"), await browser.client.get("/en/files/x")
            if (page.status_code, file.status_code) == (200, 404):
                return
        await asyncio.sleep(0.05)
    raise TimeoutError(stack.portal.output()[-2000:])


# -- finding -------------------------------------------------------------------------------------------------------
async def test_records_are_found_marked_and_narrowed(stack: Stack) -> None:
    word = f"zaatar{new_uuid()[:8]}"
    description = {"ar": f"<script>alert(1)</script> {word} في حلب"}
    await stack.published(title={"en": f"Growing {word} & <b>mint</b>"}, place_codes=["SY02"], language_codes=["en"])
    await stack.published(title={"ar": f"دليل {word}"}, type="GUIDE", description=description)
    nobody = stack.browser()
    page = await nobody.read("/records", q=word)
    assert f"Growing <mark>{word}</mark> &amp; &lt;b&gt;mint&lt;/b&gt;" in page
    assert f"&lt;script&gt;alert(1)&lt;/script&gt; <mark>{word}</mark>" in page
    assert '<bdi lang="ar" dir="rtl">' in page
    assert "2 results" in plain(page)
    links = dict(re.findall(r'<a href="([^"]*)"><bdi dir="auto">(Guide|Aleppo)</bdi></a>', page))
    by_type = next(html.unescape(link) for link, name in links.items() if name == "Guide")
    narrowed = (await nobody.client.get(by_type)).text
    assert "1 result " in plain(narrowed)
    assert f"Growing <mark>{word}" not in narrowed
    (chip,) = re.findall(r'<ul class="chips".*?href="([^"]*)"', narrowed, re.S)
    assert "2 results" in plain((await nobody.client.get(html.unescape(chip))).text)
    assert '<input type="hidden" name="type" value="GUIDE">' in narrowed, "other words keep what was chosen"
    arabic = await stack.browser(code="ar").read("/records", q=word)
    assert "نتيجتان" in plain(arabic)
    assert "دليل" in arabic


async def test_more_than_a_page_is_found_on_the_next(stack: Stack) -> None:
    word = f"plenty{new_uuid()[:8]}"
    for number in range(21):
        await stack.published(title={"en": f"{word} {number}"})
    nobody = stack.browser()
    page = await nobody.read("/records", q=word)
    assert ("21 results" in plain(page), page.count("<li>\n            <h2>")) == (True, 20)
    (more,) = re.findall(r'id="next" role="button" class="secondary" href="([^"]*)"', page)
    rest = (await nobody.client.get(html.unescape(more))).text
    assert f"<mark>{word}</mark> 0<" in rest
    assert 'id="next"' not in rest


async def test_the_newest_stand_first_where_nothing_is_asked(stack: Stack) -> None:
    newest = await stack.published(title={"en": f"Newest {new_uuid()}"})
    page = await stack.browser().read("/records")
    assert "Newest first" in plain(page)
    assert re.findall(r"/en/records/([0-9a-f-]{36})", page)[0] == newest.record_id


async def test_a_search_that_saw_only_a_part_says_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.resources.store.SEEN", 1)
    word = f"many{new_uuid()[:8]}"
    for _ in range(3):
        await stack.published(title={"en": word})
    assert "only the newest of them were looked at" in plain(await stack.browser().read("/records", q=word))


@pytest.mark.parametrize("name", ["path", "self", "query"])
async def test_an_argument_that_the_page_does_not_know_changes_nothing(stack: Stack, name: str) -> None:
    await stack.published()
    assert (await stack.browser().client.get("/en/records", params={name: "1"})).status_code == 200


@pytest.mark.parametrize(("code", "sentence"), [("en", "characters"), ("ar", "حرف")])
async def test_what_cannot_be_asked_is_told_at_the_field(stack: Stack, code: str, sentence: str) -> None:
    answer = await stack.browser(code=code).client.get(f"/{code}/records", params={"q": "x" * 201})
    assert answer.status_code == 400
    refused = wrong(answer.text)["q"]
    assert sentence in refused, refused
    assert f'value="{"x" * 201}"' in answer.text
    unknown = await stack.browser(code=code).client.get(
        f"/{code}/records", params={"type": "POEM", "place_code": "'><b>"}
    )
    assert unknown.status_code == 400
    assert "type" in wrong(unknown.text)
    assert "'><b>" not in unknown.text


async def test_search_pages_load_their_script_and_nothing_inline(stack: Stack) -> None:
    page = await stack.browser().read("/records")
    scripts = re.findall(r"<script[^>]*>[^<]*</script>", page)
    assert len(scripts) == 1
    (address,) = re.findall(r'src="(/static/htmx/htmx\.min\.[0-9a-f]{10}\.js)" defer', scripts[0])
    script = await stack.browser().client.get(address)
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|hx-on", page) == []
    assert 'hx-trigger="input changed delay:300ms"' in page


# -- one record ----------------------------------------------------------------------------------------------------
async def test_a_record_shows_what_it_is_and_how_to_cite_it(stack: Stack) -> None:
    record = await stack.published(
        title={"ar": "كسور", "en": "Fractions <b>"},
        description={"en": "How to teach them."},
        keywords=[{"en": "maths"}],
        creators=["Layla Haddad", "Omar Saleh"],
        language_codes=["ar", "ckb"],
        subject_codes=["mathematics"],
        level_codes=["1"],
        place_codes=["SY0203"],
        licence="CC-BY-SA-4.0",
        type="LESSON_PLAN",
    )
    page = await stack.browser().read(f"/records/{record.record_id}")
    said = plain(page)
    for text in ("Lesson plan", "Fractions <b>", "How to teach them.", "Central Kurdish", "Hope School", "maths"):
        assert text in said, text
    assert 'href="https://creativecommons.org/licenses/by-sa/4.0/"' in page
    assert f'href="/en/organizations/{stack.publisher_id}"' in page
    year = record.publish_time.ToDatetime().year
    address = f"{stack.url}/en/records/{record.record_id}"
    cited = html.unescape(re.sub("</?bdi[^>]*>", "", page))  # which keep each part in its own direction
    assert f">Layla Haddad and Omar Saleh ({year}). Fractions <b>. Hope School. Wasl. {address}<" in cited
    arabic = plain(await stack.browser(code="ar").read(f"/records/{record.record_id}"))
    for text in ("خطة درس", "كسور", "مدرسة الأمل"):
        assert text in arabic, text


async def test_versions_and_a_withdrawal_are_told(stack: Stack) -> None:
    first = await stack.published(title={"en": "An atlas"})
    draft = await stack.resources("CreateVersion", by=stack.member, record_id=first.record_id)
    await stack.resources("SubmitRecord", by=stack.member, record_id=draft.record_id)
    await stack.resources("PublishRecord", by=stack.curator, record_id=draft.record_id)
    nobody = stack.browser()
    former = await nobody.read(f"/records/{first.record_id}")
    assert "There is a newer version" in plain(former)
    assert former.count(f"/en/records/{draft.record_id}") == 2
    assert "Version 1" in plain(await nobody.read(f"/records/{draft.record_id}"))
    await stack.browser(stack.member).done(f"/records/{draft.record_id}/withdraw", {"withdraw_reason.en": "Wrong map"})
    gone = await nobody.read(f"/records/{draft.record_id}")
    assert "This record was withdrawn: Wrong map" in plain(gone)


async def test_every_licence_has_a_name_and_a_text() -> None:
    rules = r.Record.DESCRIPTOR.fields_by_name["licence"].GetOptions()
    (known,) = [getattr(value.string, "in") for field, value in rules.ListFields() if field.name == "field"]
    assert set(LICENCES) == set(known)


# -- writing -------------------------------------------------------------------------------------------------------
async def test_a_record_is_written_returned_improved_and_published(stack: Stack) -> None:
    author, curator = stack.browser(stack.member), stack.browser(stack.curator)
    fields = {
        **GUIDE,
        "record.publisher_id": stack.publisher_id,
        "record.creators": ["Layla Haddad", "", "Omar Saleh"],
        "record.language_codes": ["ar", "en", ""],
        "record.subject_codes": "mathematics",
        "record.level_codes": "1",
        "record.place_codes": ["SY02", "SY0203"],
        "record.keywords.0.en": "maths",
        "record.keywords.2.ar": "كسور",
    }
    page = await author.done("/records/new", fields)
    record = await stack.now(page.rpartition("/")[2])
    assert list(record.creators) == ["Layla Haddad", "Omar Saleh"]
    assert (list(record.language_codes), list(record.place_codes)) == (["ar", "en"], ["SY02", "SY0203"])
    assert [(one.en, one.ar) for one in record.keywords] == [("maths", ""), ("", "كسور")]
    form = await author.read(f"{page}/change")
    assert form.count(" checked") == 2 + 1 + 1 + 2
    assert 'value="Omar Saleh"' in form
    etag = re.findall(r'name="record.etag" value="([^"]*)"', form)[0]
    await author.done(f"{page}/change", {**GUIDE, "record.etag": etag, "record.title.en": "Fractions again"})
    record = await stack.now(record.record_id)
    assert (record.title.en, list(record.creators), list(record.place_codes)) == ("Fractions again", [], [])
    stale = await author.send(f"{page}/change", {**GUIDE, "record.etag": etag, "record.title.en": "Kept"})
    assert (stale.status_code, 'value="Kept"' in stale.text) == (409, True)
    assert "sent again, it replaces" in stale.text
    assert re.findall(r'name="record.etag" value="([^"]*)"', stale.text) == [record.etag]

    await author.done(f"{page}/submit")
    assert "Fractions again" in plain(await curator.read("/queues/records"))
    nothing = await curator.send(f"{page}/return", {"return_note.en": ""})
    assert (nothing.status_code, list(wrong(nothing.text))) == (400, ["return_note"])
    await curator.done(f"{page}/return", {"return_note.en": "Say for whom"})
    assert "Returned for changes: Say for whom" in plain(await author.read(page))
    assert "Say for whom" in plain(await author.read("/my-records", state="RETURNED"))
    await author.done(f"{page}/submit")
    await curator.done(f"{page}/publish")
    assert "Fractions again" in plain(await stack.browser().read(page))
    following = await author.done(f"{page}/version", {"request_id": new_uuid()})
    assert (await stack.now(following.rpartition("/")[2])).version_number == 2
    again = await author.send(f"{page}/version", {"request_id": new_uuid()})
    assert (again.status_code, "unfinished version already" in plain(again.text)) == (409, True)


@pytest.mark.parametrize("code", ["en", "ar"])
async def test_the_form_says_what_the_service_says_and_keeps_what_was_typed(stack: Stack, code: str) -> None:
    typed = {
        "record.publisher_id": stack.publisher_id,
        "record.title.en": "We need 500 dollars",
        "record.type": "",
        "record.licence": "CC-BY-4.0",
        "record.language_codes": ["ar", "English!"],
        "record.creators": ["x" * 201],
        "record.place_codes": ["SY02"],
    }
    answer = await stack.browser(stack.member, code).send("/records/new", typed)
    assert answer.status_code == 400
    told = wrong(answer.text)
    bare = {"title": {"en": "We need 500 dollars"}, "licence": "CC-BY-4.0", "language_codes": ["ar", "English!"]}
    bare |= {"creators": ["x" * 201], "place_codes": ["SY02"], "publisher_id": stack.publisher_id}
    refused = await refusal(stack.resources("CreateRecord", by=stack.member, language=code, record=bare))
    assert {re.sub(r"\[\d+\]$", "", name): text for name, text in refused.descriptions.items()} == told
    assert set(told) == {"record.type", "record.language_codes", "record.creators"}
    for kept in ("We need 500 dollars", "English!", "x" * 201):
        assert f'value="{kept}"' in answer.text
    assert answer.text.count(" checked") == 2


async def test_what_another_member_must_not_see_or_do(stack: Stack) -> None:
    draft = await stack.record(title={"en": "Secret draft"})
    for browser in (stack.browser(stack.other), stack.browser(stack.curator), stack.browser()):
        page = await browser.client.get(f"/en/records/{draft.record_id}")
        assert (page.status_code, "Secret draft" in page.text) == (404, False)
    other = stack.browser(stack.other)
    for path in ("submit", "withdraw", "version", "remove-file", "publish", "files"):
        answer = await other.send(f"/records/{draft.record_id}/{path}", {"withdraw_reason.en": "x", "file_id": NO_ID})
        assert answer.status_code in (403, 404), path
    assert (await other.client.get(f"/en/records/{draft.record_id}/change")).status_code == 404
    assert (await other.client.get("/en/queues/records")).status_code == 403
    assert "Secret draft" not in plain(await other.read("/my-records", publisher_id=stack.publisher_id, state="DRAFT"))
    for not_ones_own in ("x", NO_ID):
        answer = await stack.browser(stack.member).client.get(f"/en/my-records?publisher_id={not_ones_own}")
        assert answer.status_code == 404
    assert (await stack.now(draft.record_id)).state == draft.DRAFT
    unsigned = await stack.browser().client.get("/en/my-records")
    assert (unsigned.status_code, unsigned.headers["location"]) == (303, "/en/sign-in?next=%2Fmy-records")


async def test_the_queue_begins_with_what_waits_longest(stack: Stack) -> None:
    late = await stack.record(title={"en": f"Drafted first {new_uuid()}"})
    early = await stack.submitted(title={"en": f"Handed in first {new_uuid()}"})
    await stack.resources("SubmitRecord", by=stack.member, record_id=late.record_id)
    page = await stack.browser(stack.curator).read("/queues/records")
    assert page.index(early.title.en) < page.index(late.title.en)
    assert "ago" in plain(page)


async def test_who_became_a_curator_since_signing_in_sees_the_queue(stack: Stack) -> None:
    account = await stack.members(
        "CreateAccount", account={"email": f"{new_uuid()}@wasl.example", "password": "x" * 20}
    )
    session = await stack.members("SignIn", email=account.email, password="x" * 20)
    browser = stack.browser()
    for name, value in ((ACCESS, session.access_token), (REFRESH, session.refresh_token)):
        browser.client.cookies.set(name, value)
    coordinator = await stack.members.account("coordinator")
    await stack.members("GrantRole", by=coordinator, account_id=account.account_id, role="curator")
    assert (await browser.client.get("/en/queues/records")).status_code == 200


# -- files ---------------------------------------------------------------------------------------------------------
async def test_a_file_comes_without_a_script_and_is_kept_from_others_until_it_is_published(stack: Stack) -> None:
    record = await stack.record()
    page, author = f"/records/{record.record_id}", stack.browser(stack.member)
    assert await author.done(f"{page}/files", {"language": "ar"}, files=upload()) == page
    (file,) = (await stack.now(record.record_id)).files
    assert (file.name, file.mime_type, file.size_bytes) == ("أطلس.pdf", "application/pdf", len(PDF))
    said = plain(await author.read(page))
    assert ("2.1 MB" in said, "Arabic" in said, file.name in said) == (True, True, True)
    own = f"/en/files/{file.file_id}"
    got = await author.client.get(own)
    assert (got.status_code, got.content == PDF) == (200, True)
    assert got.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in got.headers["content-security-policy"]
    part = await author.client.get(own, headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, PDF[5:10])
    assert (await author.client.get(own, headers={"range": f"bytes={len(PDF)}-"})).status_code == 416
    for browser in (stack.browser(stack.other), stack.browser(stack.curator)):
        assert (await browser.client.get(own)).status_code == 404
    await author.done(f"{page}/submit")
    assert (await stack.browser(stack.curator).client.get(own)).content == PDF
    await stack.browser(stack.curator).done(f"{page}/publish")
    public = await stack.browser().read(page)
    (link,) = re.findall(r'href="(/v1/files/[^"]*)"', public)
    assert (await stack.browser().client.get(link)).content == PDF


async def test_a_file_is_removed(stack: Stack) -> None:
    record = await stack.record()
    page, author = f"/records/{record.record_id}", stack.browser(stack.member)
    await author.done(
        f"{page}/files", {"language": "en"}, files=upload(b"a,b\n1,2\n", "table.CSV", "application/vnd.ms-excel")
    )
    (file,) = (await stack.now(record.record_id)).files
    assert file.mime_type == "text/csv"
    await author.done(f"{page}/remove-file", {"file_id": file.file_id})
    assert list((await stack.now(record.record_id)).files) == []


@pytest.mark.parametrize(
    ("data", "name", "kind", "language", "field", "status"),
    [
        (b"<svg onload='alert(1)'/>", "a.svg", "image/svg+xml", "ar", "file", 400),
        (b"GIF89a" * 20_000, "a.pdf", "application/pdf", "ar", "file", 400),
        (PDF + bytes(1 << 20), "a.pdf", "application/pdf", "ar", "file", 413),
        (b"", "", "application/octet-stream", "ar", "file", 400),
        (b"", "empty.txt", "text/plain", "ar", "file", 400),
        (b"x", "a.txt", "text/plain", "", "language", 400),
    ],
)
async def test_what_is_wrong_with_a_file_stands_at_its_field(
    stack: Stack, data: bytes, name: str, kind: str, language: str, field: str, status: int
) -> None:
    record = await stack.record()
    for code, sign in (("en", "[a-z]"), ("ar", "[\u0600-\u06ff]")):
        author, path = stack.browser(stack.member, code), f"/records/{record.record_id}"
        body = {"language": language}
        if name:
            answer = await author.send(f"{path}/files", body, files=upload(data, name, kind))
        else:  # as a browser sends a field in which nothing was chosen
            lines = ["--b", 'Content-Disposition: form-data; name="csrf"', "", TOKEN, "--b"]
            lines += ['Content-Disposition: form-data; name="language"', "", language, "--b"]
            lines += [
                'Content-Disposition: form-data; name="file"; filename=""',
                f"Content-Type: {kind}",
                "",
                "",
                "--b--",
                "",
            ]
            headers = {"content-type": "multipart/form-data; boundary=b"}
            answer = await author.client.post(f"/{code}{path}/files", headers=headers, content="\r\n".join(lines))
        assert answer.status_code == status, plain(answer.text)
        told = wrong(answer.text)
        assert list(told) == [field]
        assert re.search(sign, told[field])
        if code == "en":  # the script leaves the second one to its expiry
            assert await stack.resources.db["uploads"].count_documents({"record_id": record.record_id}) == 0
        begun = await author.script(
            "POST",
            f"/{code}{path}/uploads",
            data={"name": name, "type": kind, "size": str(len(data)), "language": language},
        )
        if begun.status_code == 201:  # only its content tells
            begun = await author.script("PATCH", begun.json()["upload"], {"upload-offset": 0}, content=data)
        assert begun.json() == told
    assert list((await stack.now(record.record_id)).files) == []


async def test_a_file_comes_in_pieces_that_go_on_where_they_stopped(stack: Stack) -> None:
    record = await stack.record()
    author = stack.browser(stack.member, "ar")
    about = {"name": "atlas.pdf", "type": "application/pdf", "size": str(len(PDF)), "language": "en"}
    begun = await author.script("POST", f"/ar/records/{record.record_id}/uploads", data=about)
    address = begun.json()["upload"]

    async def breaks_off() -> AsyncIterator[bytes]:
        yield PDF[:700_000]
        raise ConnectionError

    with contextlib.suppress(ConnectionError):
        length = {"content-length": len(PDF), "upload-offset": 0}
        await author.script("PATCH", address, length, content=breaks_off())
    offset = 0
    for _ in range(100):
        if offset := int((await author.script("HEAD", address)).headers["upload-offset"]):
            break
        await asyncio.sleep(0.05)
    assert 0 < offset <= 700_000
    wrong_place = await author.script("PATCH", address, {"upload-offset": 3}, content=PDF[3:9])
    assert wrong_place.status_code == 409
    while offset < len(PDF):
        piece, headers = PDF[offset : offset + 999_999], {"upload-offset": offset, "upload-length": len(PDF)}
        offset = int((await author.script("PATCH", address, headers, content=piece)).headers["upload-offset"])
    (file,) = (await stack.now(record.record_id)).files
    page = await author.read(f"/records/{record.record_id}")
    assert "أُضيف الملف" in plain(page)
    assert (await author.client.get(f"/ar/files/{file.file_id}")).content == PDF


async def test_an_upload_needs_the_token_the_session_and_its_own_account(stack: Stack) -> None:
    record = await stack.record()
    author = stack.browser(stack.member)
    about = {"name": "a.txt", "type": "text/plain", "size": "3", "language": "en"}
    path = f"/en/records/{record.record_id}/uploads"
    assert (await author.script("POST", path, {CSRF_HEADER: "another"}, data=about)).status_code == 403
    address = (await author.script("POST", path, data=about)).json()["upload"]
    foreign = await author.script("PATCH", address, {CSRF_HEADER: "another", "upload-offset": 0}, content=b"abc")
    assert foreign.status_code == 403
    other = await stack.browser(stack.other).script("PATCH", address, {"upload-offset": 0}, content=b"abc")
    assert other.status_code == 404
    nobody = await stack.browser().script("PATCH", address, {"upload-offset": 0}, content=b"abc")
    assert nobody.status_code == 401
    form = await author.client.post(f"/en/records/{record.record_id}/files", data={"csrf": "x"}, files=upload())
    assert form.status_code == 403
    assert list((await stack.now(record.record_id)).files) == []


async def test_a_form_is_read_to_where_its_file_ends(stack: Stack) -> None:
    """What stands behind the file, or is missing of it, makes no file."""
    record = await stack.record()
    author = stack.browser(stack.member)
    parts = ["--b", 'Content-Disposition: form-data; name="csrf"', "", TOKEN, "--b"]
    parts += ['Content-Disposition: form-data; name="language"', "", "en", "--b"]
    parts += ['Content-Disposition: form-data; name="file"; filename="a.txt"', "Content-Type: text/plain", "", "abc"]
    for ending in (["--c--", ""], ["--b", 'Content-Disposition: form-data; name="x"', "", "y", "--b--x", ""]):
        answer = await author.client.post(
            f"/en/records/{record.record_id}/files",
            headers={"content-type": "multipart/form-data; boundary=b"},
            content="\r\n".join([*parts, *ending]),
        )
        assert answer.status_code == 400
    assert list((await stack.now(record.record_id)).files) == []
    assert await stack.resources.db["uploads"].count_documents({"record_id": record.record_id}) == 0
