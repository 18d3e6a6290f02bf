"""The portal's pages as a browser gets them; members' figures come over real gRPC from a server of the test's own."""

import asyncio
import contextlib
import functools
import html.parser
import json
import pathlib
import re
import tempfile
from collections.abc import AsyncIterator, Iterable

import brotli  # type: ignore[import-untyped]
import grpc
import httpx
import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from google.protobuf.descriptor import EnumDescriptor

from services.portal import app, language
from services.portal.config import Config
from services.portal.visit import Visit
from tests.support import ACCEPTED
from wasl.events.v1 import convenings_pb2, registrations_pb2
from wasl.matching.v1 import matches_pb2, matching_pb2, postings_pb2, suggestions_pb2
from wasl.members.v1 import affiliations_pb2, members_pb2, members_pb2_grpc
from wasl.resources.v1 import resources_pb2

PORTAL = pathlib.Path(language.__file__).parent
NOBODY = "127.0.0.1:1"  # nothing listens there
SOCKET = f"unix:{tempfile.mkdtemp()}/members"  # the same for all tests: one portal serves them


class Figures(members_pb2_grpc.MembersServiceServicer):
    """Answers with the figures that the test sets."""

    def __init__(self) -> None:
        self.now = members_pb2.Statistics()
        self.request_id = ""

    async def GetStatistics(
        self, request: members_pb2.GetStatisticsRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> members_pb2.Statistics:
        self.request_id = str(dict(context.invocation_metadata() or ())["x-request-id"])
        return self.now


application_at = functools.cache(lambda address: app.application(Config(service="portal", members_address=address)))


@contextlib.asynccontextmanager
async def visit(members_address: str = NOBODY) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before a running portal."""
    application = application_at(members_address)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://portal") as browser,
    ):
        yield browser


@contextlib.asynccontextmanager
async def visit_with(figures: Figures) -> AsyncIterator[httpx.AsyncClient]:
    server = grpc.aio.server()
    members_pb2_grpc.add_MembersServiceServicer_to_server(figures, server)
    server.add_insecure_port(SOCKET)
    await server.start()
    try:
        async with visit(SOCKET) as browser:
            yield browser
    finally:
        await server.stop(None)


class Text(html.parser.HTMLParser):
    """What a page says outside of passages marked with another language, and outside of code."""

    VOID = frozenset({"meta", "link", "br", "wbr", "img", "input", "path"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self._marked: list[bool] = []
        self._language = ""
        self.said: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.VOID:
            return
        spoken = dict(attrs).get("lang")
        self._language = self._language or spoken or ""
        foreign = (spoken is not None and spoken != self._language) or tag in ("code", "svg", "style")
        self._marked.append(foreign or (bool(self._marked) and self._marked[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            self._marked.pop()

    def handle_data(self, data: str) -> None:
        if not (self._marked and self._marked[-1]):
            self.said.append(data)


def plain(page: str) -> str:
    """Tags out, spaces joined."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


# -- languages -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("accepted", "code"), ACCEPTED)
async def test_the_first_address_leads_to_the_visitors_language(accepted: str, code: str) -> None:
    async with visit() as browser:
        answer = await browser.get("/", headers={"accept-language": accepted})
        assert (answer.status_code, answer.headers["location"]) == (302, f"/{code}")
        assert answer.headers["vary"] == "accept-language"


@pytest.mark.parametrize(("code", "direction", "other"), [("ar", "rtl", "en"), ("en", "ltr", "ar")])
async def test_a_page_has_its_language_direction_and_switch(code: str, direction: str, other: str) -> None:
    async with visit() as browser:
        for page in ("", "/docs"):
            text = (await browser.get(f"/{code}{page}")).text
            assert f'<html lang="{code}" dir="{direction}"' in text
            assert f'href="/{other}{page}" lang="{other}"' in text


@pytest.mark.parametrize("page", ["", "/docs", "/nowhere"])
async def test_no_word_of_a_page_is_left_in_the_other_language(page: str) -> None:
    async with visit() as browser:
        arabic, english = Text((await browser.get(f"/ar{page}")).text), Text((await browser.get(f"/en{page}")).text)
        allowed = {"CloudEvents"}
        assert set(re.findall("[A-Za-z]+", " ".join(arabic.said))) <= allowed
        assert re.findall("[\u0600-\u06ff]+", " ".join(english.said)) == []


def test_the_catalogues_have_each_message_that_pages_use_and_no_other() -> None:
    used = {
        message[0] if isinstance(message, tuple) else message
        for _, _, message, _, _ in extract_from_dir(
            PORTAL / "templates",
            [("**.html", "jinja2.ext:babel_extract")],
            {"**.html": {"encoding": "utf-8"}},
            keywords={"_": None, "ngettext": (1, 2)},
        )
    }
    code = "".join(path.read_text() for path in PORTAL.rglob("*.py"))
    used |= set(re.findall(r'"((?:notice|form|error|licence|tongue|size)\.(?!html)[a-z0-9_.]+)"', code))
    shown = set(re.findall(r'"([A-Z]\w+(?:\.[A-Z]\w+)*)\.[A-Z_]+"', "".join(map(text_of, catalogues("ar")))))
    for enum in enums():  # an enum has a word for each of its values, or for none
        if language.short(enum.full_name) in shown:
            used |= {language.enum_key(enum, value.number) for value in enum.values if value.number}
    for code in ("ar", "en"):
        messages: dict[str, Message] = {}
        for path in catalogues(code):
            with path.open(encoding="utf-8") as file:
                catalogue = read_po(file, abort_invalid=True)
            for message in catalogue:
                if message.id:
                    key = str(message.id[0] if message.pluralizable else message.id)
                    assert key not in messages, f"{path}: {key} is there twice"
                    messages[key] = message
        assert set(messages) == used, code
        for key, message in messages.items():
            forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
            assert all(forms), f"{code}: {key} is empty"
            assert len(forms) == (catalogue.num_plurals if message.pluralizable else 1), f"{code}: {key}"


def catalogues(code: str) -> list[pathlib.Path]:
    return sorted((PORTAL / "locale" / code / "LC_MESSAGES").glob("*.po"))


def text_of(path: pathlib.Path) -> str:
    return path.read_text("utf-8")


def enums() -> Iterable[EnumDescriptor]:
    """All of the contract."""
    for module in (
        members_pb2,
        affiliations_pb2,
        postings_pb2,
        matches_pb2,
        suggestions_pb2,
        matching_pb2,
        convenings_pb2,
        registrations_pb2,
        resources_pb2,
    ):
        yield from module.DESCRIPTOR.enum_types_by_name.values()
        for message in module.DESCRIPTOR.message_types_by_name.values():
            yield from message.enum_types


# -- figures -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("count", "arabic", "english"),
    [
        (0, "٠ منظمة", "0 organizations"),
        (1, "منظمة واحدة", "1 organization"),
        (2, "منظمتان", "2 organizations"),
        (3, "٣ منظمات", "3 organizations"),
        (10, "١٠ منظمات", "10 organizations"),
        (11, "١١ منظمة", "11 organizations"),
        (99, "٩٩ منظمة", "99 organizations"),
        (100, "١٠٠ منظمة", "100 organizations"),
        (103, "١٠٣ منظمات", "103 organizations"),
        (1268, "١٬٢٦٨ منظمة", "1,268 organizations"),
    ],
)
async def test_figures_are_counted_as_the_language_counts(count: int, arabic: str, english: str) -> None:
    figures = Figures()  # type: ignore[abstract]  # the portal asks for nothing else
    figures.now = members_pb2.Statistics(people_count=count, organization_count=count)
    async with visit_with(figures) as browser:
        assert f" {arabic} " in plain((await browser.get("/ar")).text)
        assert f" {english} " in plain((await browser.get("/en")).text)


def test_arabic_has_six_plural_forms() -> None:
    arabic = language.load()["ar"].templates.from_string(
        "{{ ngettext('figures.people', 'figures.people', n, number=n | number) }}"
    )
    said = {n: plain(arabic.render(n=n)).strip() for n in (0, 1, 2, 3, 11, 100)}
    assert said == {0: "٠ فرد", 1: "فرد واحد", 2: "فردان", 3: "٣ أفراد", 11: "١١ فردًا", 100: "١٠٠ فرد"}


async def test_the_figures_are_of_this_moment_and_asked_for_under_the_visitors_request_id() -> None:
    figures = Figures()  # type: ignore[abstract]  # the portal asks for nothing else
    async with visit_with(figures) as browser:
        first = await browser.get("/en", headers={"x-request-id": "visit-1"})
        figures.now = members_pb2.Statistics(people_count=7)
        second = await browser.get("/en")
        assert ("0 people" in plain(first.text), "7 people" in plain(second.text)) == (True, True)
        assert first.headers["etag"] != second.headers["etag"]
        await browser.get("/en", headers={"x-request-id": "visit-3"})
        assert figures.request_id == "visit-3"


async def test_visitors_of_the_same_moment_share_a_rendering_but_no_address() -> None:
    figures = Figures()  # type: ignore[abstract]  # the portal asks for nothing else
    async with visit_with(figures) as browser:
        paths = ["/en", "/en?a=1", "/ar"] * 5
        pages = [one.text for one in await asyncio.gather(*(browser.get(path) for path in paths))]
        assert len(set(pages)) == 3
        for path, page in zip(paths, pages, strict=True):
            assert f'href="/{"en" if path == "/ar" else "ar"}{path[3:]}" lang=' in page


async def test_the_page_comes_without_figures_when_members_is_away() -> None:
    async with visit(NOBODY) as browser:
        for code, sentence in (("ar", "تعذّرت قراءة أرقام الشبكة الآن"), ("en", "The network's figures cannot be read")):
            answer = await browser.get(f"/{code}")
            assert answer.status_code == 200
            assert sentence in answer.text.replace("&#39;", "'")
        assert (await browser.get("/ready")).status_code == 200


# -- security and caching ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/", "/ar", "/en/docs", "/openapi.json", "/nowhere", "/static/nothing.css"])
async def test_every_answer_is_guarded(path: str) -> None:
    async with visit() as browser:
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self';" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"]


async def test_pages_need_nothing_from_elsewhere_and_nothing_inline() -> None:
    async with visit() as browser:
        for path in ("/ar", "/en", "/ar/docs", "/ar/nowhere"):
            text = (await browser.get(path)).text
            assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == [], path
            assert re.findall(r"<script|<style|\sstyle=|\son[a-z]+=", text) == [], path


async def test_links_lead_somewhere() -> None:
    async with visit() as browser:
        fetched: dict[str, httpx.Response] = {}
        for path in ("/ar", "/en", "/ar/docs", "/en/docs", "/en/nowhere"):
            page = await browser.get(path)
            assert re.findall(r"<a [^>]*>\s*</a>", page.text) == [], path
            for link in re.findall(r'(?:src|href)="([^"]*)"', page.text):
                target, _, anchor = link.partition("#")
                if target and target not in fetched:
                    fetched[target] = await browser.get(target)
                    # 303: to the sign-in; 503: of a page whose service is not there in this test
                    assert fetched[target].status_code in (200, 303, 503), f"{path}: {link}"
                text = fetched[target].text if target else page.text
                assert not anchor or f'id="{anchor}"' in text, f"{path}: {link}"


@pytest.mark.parametrize("path", ["/ar", "/en/docs", "/openapi.json", "/asyncapi.json"])
async def test_what_has_not_changed_is_not_sent_again(path: str) -> None:
    async with visit() as browser:
        first = await browser.get(path)
        assert first.headers["etag"].startswith("W/"), "a strong one would be lost when the gateway compresses"
        again = await browser.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_files_have_names_that_change_with_their_contents_and_are_kept_for_ever() -> None:
    async with visit() as browser:
        page = (await browser.get("/ar")).text
        sheets = re.findall(r'"(/static/[^"]+\.css)"', page)
        assert len(sheets) == 2
        for sheet in sheets:
            assert re.search(r"\.[0-9a-f]{10}\.css$", sheet)
            answer = await browser.get(sheet)
            assert "immutable" in answer.headers["cache-control"]
            for inside in re.findall(r'url\("(/[^"]+)"\)', answer.text):
                assert (await browser.get(inside)).status_code == 200, inside


async def test_a_first_visit_is_light() -> None:
    """Issue: at most 60 KB over the wire, fonts included; text as the gateway compresses it."""

    def weight(answer: httpx.Response) -> int:
        compressed = not answer.headers["content-type"].startswith("font/") and len(answer.content) > 1024
        body = brotli.compress(answer.content, quality=4) if compressed else answer.content
        return len(body) + len(str(answer.headers))

    async with visit() as browser:
        for code, script in (("ar", "arabic"), ("en", "latin")):
            page = await browser.get(f"/{code}")
            files = [await browser.get(path) for path in re.findall(r'href="(/static/[^"]+)"', page.text)]
            sheets = "".join(file.text for file in files if "css" in file.headers["content-type"])
            used = [path for path in re.findall(r'url\("(/[^"]+)"\)', sheets) if script in path or "svg" in path]
            files += [await browser.get(path) for path in used]
            assert sum(map(weight, [page, *files])) < 60_000


# -- errors --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "accepted", "sentence"),
    [
        ("/ar/nowhere", "en", "لا شيء في هذا العنوان"),
        ("/en/nowhere", "ar", "There is nothing at this address"),
        ("/nowhere", "ar", "لا شيء في هذا العنوان"),
        ("/fr", "fr", "There is nothing at this address"),
    ],
)
async def test_a_wrong_address_is_told_in_the_visitors_language(path: str, accepted: str, sentence: str) -> None:
    async with visit() as browser:
        answer = await browser.get(path, headers={"accept-language": accepted})
        assert answer.status_code == 404
        assert f"<h1>{sentence}</h1>" in answer.text


async def test_a_page_takes_no_other_method() -> None:
    async with visit() as browser:
        answer = await browser.post("/ar")
        assert answer.status_code == 405
        assert "تعذّر تنفيذ الطلب" in answer.text


@pytest.mark.parametrize(("code", "sentence"), [("ar", "وقع خطأ من جهتنا"), ("en", "Something went wrong on our side")])
async def test_a_fault_of_ours_is_a_page_with_the_request_id(
    code: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret internals")

    monkeypatch.setattr(Visit, "part", broken)
    async with visit() as browser:
        answer = await browser.get(f"/{code}", headers={"x-request-id": "visit-500"})
        assert answer.status_code == 500
        assert sentence in answer.text
        assert "visit-500" in answer.text
        assert "secret" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


# -- reference -----------------------------------------------------------------------------------------------------
def operations(document: dict[str, dict[str, dict[str, dict[str, str]]]]) -> Iterable[str]:
    return (operation["x-rpc"] for path in document["paths"].values() for operation in path.values())


async def test_the_reference_lists_every_rpc_and_every_event() -> None:
    async with visit() as browser:
        openapi = json.loads((await browser.get("/openapi.json")).text)
        asyncapi = json.loads((await browser.get("/asyncapi.json")).text)
        for path in ("/docs", "/ar/docs", "/en/docs"):
            text = (await browser.get(path)).text.replace("<wbr>", "")
            for rpc in operations(openapi):
                assert f"<code>{rpc}</code>" in text, f"{path}: {rpc}"
            for address in openapi["paths"]:
                assert f"<code>{address}</code>" in text, f"{path}: {address}"
            for kind in asyncapi["channels"]:
                assert f'id="{kind}"' in text, f"{path}: {kind}"
        types = (await browser.get("/ar/docs/types")).text
        for schema in openapi["components"]["schemas"]:
            assert f'id="{schema}"' in types, schema


async def test_the_contracts_text_is_marked_as_english() -> None:
    async with visit() as browser:
        text = (await browser.get("/ar/docs")).text
        assert text.count('lang="en" dir="ltr"') > 5
        assert '<bdi lang="ar">' in text


async def test_probes_answer() -> None:
    async with visit() as browser:
        assert (await browser.get("/live")).text == "live\n"
        await browser.get("/ar")
        assert 'wasl_page_seconds_count{route="/ar",status="200"}' in (await browser.get("/metrics")).text
