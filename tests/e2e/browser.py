"""A real Chromium before the portal of a running stack, and somebody who uses it."""

import pathlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, sync_playwright

from services.portal import language

ROOT = pathlib.Path(__file__).parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SIZES = {"small": (360, 740), "large": (1280, 900)}
LANGUAGES = language.load()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's own; as root it runs without its sandbox."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


class Person:
    """Somebody with a browser of his or her own, in one language, with or without JavaScript."""

    def __init__(self, browser: Browser, url: str, code: str, *, scripts: bool = True, size: str = "large") -> None:
        width, height = SIZES[size]
        context = browser.new_context(
            base_url=url,
            java_script_enabled=scripts,
            viewport={"width": width, "height": height},
            locale={"ar": "ar-SY", "en": "en-GB"}[code],
        )
        self.code, self.page = code, context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def word(self, key: str, **values: Any) -> str:
        """What the catalogue says."""
        return str(LANGUAGES[self.code].gettext(key)) % values

    def go(self, path: str) -> Page:
        self.page.goto(f"/{self.code}{path}")
        return self.page

    def fill(self, **fields: str) -> None:
        """Fields by their name, `__` for a dot."""
        for name, value in fields.items():
            field = self.page.locator(f'[name="{name.replace("__", ".")}"]:not([type="hidden"])').first
            kind = field.evaluate("it => it.tagName + (it.type || '')")
            if kind.startswith("SELECT"):
                field.select_option(value)
            elif kind.endswith("checkbox"):
                field.check()
            else:
                field.fill(value)

    def press(self, key: str) -> None:
        """The first button, or else link, with these words. It leads to a page, which is there when this returns."""
        word = self.word(key)
        button = self.page.get_by_role("button", name=word, exact=True)
        self.follow(button if button.count() else self.page.get_by_role("link", name=word, exact=True))

    def follow(self, link: Locator) -> None:
        """To the page that the first of these leads to; a click alone may return while the old one still stands."""
        with self.page.expect_navigation():
            link.first.click()

    def finds(self, text: str) -> None:
        """In a list, which has "more" until then. Raises TimeoutError at its end."""
        while not self.sees(text):
            before, url = self.page.locator(".entries > li").count(), self.page.url
            self.page.get_by_role("link", name=self.word("list.more"), exact=True).click()
            grown = (
                "([before, url]) => location == url"
                " ? document.querySelectorAll('.entries > li').length > before : document.readyState != 'loading'"
            )
            self.page.wait_for_function(grown, arg=[before, url])  # a script adds to the page, else it is the next

    def sees(self, text: str) -> bool:
        """Are these words on the page?"""
        said = re.sub(r"\s+", " ", self.page.locator("body").inner_text())
        return text in said

    def says(self, key: str) -> bool:
        return self.sees(self.word(key))

    def sign_up(self, email: str, password: str) -> None:
        self.go("/sign-up")
        self.fill(account__email=email, account__password=password)
        self.press("sign_up.do")

    def sign_out(self) -> None:
        self.press("nav.sign_out")

    def sign_in(self, email: str, password: str) -> None:
        self.go("/sign-in")
        self.fill(email=email, password=password)
        self.press("sign_in.do")


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA. The page's own policy stays: axe comes by the debugger."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE.read_text())
    found = page.evaluate(  # without a selector for each element that is right: most of the time went into these
        """async rules => {
            const found = await axe.run({runOnly: rules, resultTypes: ["violations"], selectors: false});
            return found.violations.map(one => `${one.id}: ${one.nodes[0].html.slice(0, 160)}`);
        }""",
        RULES,
    )
    return list(found)


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def heard_on_the_wire(page: Page, go: Callable[[], object], *, slow: bool = False) -> tuple[int, float]:
    """Bytes that came while `go` loads a page, compressed and with headers; and seconds to the first contents.

    `slow`: a weak link, 400 ms there and back and 50 kB/s.
    """
    devtools, came = page.context.new_cdp_session(page), [0]

    def count(event: dict[str, Any]) -> None:
        came[0] += event["encodedDataLength"]

    devtools.on("Network.loadingFinished", count)
    devtools.send("Network.enable")
    if slow:
        link = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
        devtools.send("Network.emulateNetworkConditions", link)
    go()
    page.wait_for_load_state("networkidle")
    first = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    painted = page.wait_for_function(first).json_value()  # the network may be idle before anything is painted
    devtools.detach()
    return int(came[0]), painted / 1000


def out_of_reach(page: Page) -> list[str]:
    """What can be pressed but not reached by the Tab key, or is reached without showing it."""
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
            .filter(it => it.checkVisibility({visibilityProperty: true}))
            .map((it, index) => (it.dataset.reach = index, index))"""
    )
    reached, hidden = set(), []
    page.evaluate("document.activeElement.blur()")
    for _ in range(len(wanted) + 20):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const it = document.activeElement, style = getComputedStyle(it);
                const outlined = parseFloat(style.outlineWidth) > 0 && style.outlineStyle != "none";
                return [it.dataset.reach, outlined || style.boxShadow != "none", it.outerHTML.slice(0, 120)];
            }"""
        )
        if found[0] is not None:
            reached.add(int(found[0]))
            if not found[1]:
                hidden.append(f"no focus is seen: {found[2]}")
    missing = [index for index in wanted if index not in reached and not _radio(page, index)]
    told = "i => document.querySelector(`[data-reach='${i}']`).outerHTML.slice(0, 120)"
    return [page.evaluate(told, index) for index in missing] + hidden


def _radio(page: Page, index: int) -> bool:
    """Of a group of them one is reached by Tab, the others by arrows."""
    return bool(page.evaluate("i => document.querySelector(`[data-reach='${i}']`).type == 'radio'", index))


def foreign_letters(page: Page, code: str) -> str:
    """What a page says in letters of the other language outside of passages that are marked."""
    marked = f'[lang]:not(html):not([lang={code}]), bdi[dir="auto"], code, svg, input, textarea, option'
    said = page.evaluate(
        """marked => {
            const body = document.body.cloneNode(true);
            body.querySelectorAll(marked).forEach(it => it.remove());
            return body.textContent;
        }""",
        marked,
    )
    return " ".join(re.findall("[A-Za-z]{2,}" if code == "ar" else "[\u0600-\u06ff]+", said))
