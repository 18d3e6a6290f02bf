"""`./dev screenshots [--all FOLDER]`: pictures of the portal of the running stack, by a real browser.

Without arguments, those of docs/guide/ into docs/guide/img/. With --all, every page in both languages and both sizes
into FOLDER, to be looked at. The stack is one of `./dev up --sample`, whose sign-ins are in its state folder.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

import httpx
from playwright.sync_api import Page

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "gen")]

from tests.e2e.browser import SIZES, Person, chromium  # noqa: E402
from tests.e2e.pages import PAGES  # noqa: E402

URL = os.environ["WASL_URL"]
STATE = pathlib.Path(os.environ["WASL_STATE_DIR"])
IMAGES = ROOT / "docs/guide/img"
GUIDE = {  # picture: who looks at which page
    "apply": ("", "/sign-up"),
    "need": ("member", "/needs/{need}"),
    "convening": ("member", "/convenings/{convening}"),
    "record": ("member", "/records/{record}"),
    "queue": ("coordinator", "/queues/applications"),
    "application": ("coordinator", "/queues/applications/{application}"),
}


class Sample:
    """The sample network: sign-ins by role, and one of each kind of thing to be shown."""

    def __init__(self) -> None:
        self.sign_ins: dict[str, dict[str, str]] = json.loads((STATE / "sample.json").read_text())
        self.ids = dict(self._ids())

    def _ids(self) -> Iterator[tuple[str, str]]:
        """By what stands in brackets in PAGES."""
        mine = self._get("member", "/v1/applications?state=APPROVED")["applications"]
        own = [str(one["memberId"]) for one in mine if "organization" in one]  # that the member speaks for
        yield "account", str(mine[0]["accountId"])
        for name, noun, role, path in (
            ("organization", "organization", "", "/v1/organizations"),
            ("other", "organization", "", "/v1/organizations"),
            ("convening", "convening", "", "/v1/convenings"),
            ("convening", "convening", "member", "/v1/convenings?organizerId={own}&state=PUBLISHED"),
            ("record", "record", "", "/v1/records"),
            ("written", "record", "member", "/v1/records?state=DRAFT&publisherId={own}"),
            ("need", "need", "member", "/v1/needs?state=PUBLISHED&participantId={own}"),
            ("match", "match", "member", "/v1/matches?participantId={own}"),
            ("offer", "offer", "member", "/v1/offers?state=PUBLISHED"),
            ("own_offer", "offer", "member", "/v1/offers?participantId={own}"),
            ("person", "person", "member", "/v1/people"),
            ("draft", "application", "member", "/v1/applications?state=DRAFT"),
            ("application", "application", "coordinator", "/v1/applications?state=SUBMITTED"),
            ("affiliation", "affiliation", "coordinator", "/v1/affiliations?state=REQUESTED"),
        ):
            pages = [self._get(role, path.format(own=one)) for one in (own if "{own}" in path else [""])]
            lists = (value for page in pages for value in page.values() if isinstance(value, list))
            items: list[dict[str, Any]] = list(itertools.chain.from_iterable(lists))
            items.sort(key=lambda one: one.get("audience") != "EVERYBODY")  # first those that visitors see, too
            if items:
                yield name, str(items[-1 if name == "other" else 0][f"{noun}Id"])

    def _get(self, role: str, path: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._token(role)}"} if role else {}
        answer: dict[str, Any] = httpx.get(URL + path, headers=headers, trust_env=False).raise_for_status().json()
        return answer

    def _token(self, role: str) -> str:
        session = httpx.post(f"{URL}/v1/sessions:signIn", json=self.sign_ins[role], trust_env=False).raise_for_status()
        return str(session.json()["accessToken"])

    def sign_in(self, person: Person, role: str) -> None:
        if role:
            person.sign_in(self.sign_ins[role]["email"], self.sign_ins[role]["password"])

    def path(self, pattern: str) -> str | None:
        """None when the network has nothing of the kind, which is told."""
        try:
            return pattern.format(**self.ids)
        except KeyError as missing:
            print(f"{pattern}: no {missing}", flush=True)
            return None


def guide(sample: Sample) -> None:
    """One picture for each page of the guides and language, as wide as a reader's column."""
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        for name, (role, pattern) in GUIDE.items():
            for code in ("ar", "en"):
                person = Person(browser, URL, code)
                sample.sign_in(person, role)
                if (path := sample.path(pattern)) is not None:
                    _shoot(person.go(path), IMAGES / f"{name}.{code}.png", whole=False)
                person.page.context.close()


def everything(sample: Sample, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for role, patterns in PAGES.items():
            for code in ("ar", "en"):
                for size in SIZES:
                    person = Person(browser, URL, code, size=size)
                    sample.sign_in(person, role)
                    for pattern in patterns:
                        if (path := sample.path(pattern)) is not None:
                            name = re.sub(r"\W+", "-", f"{role or 'visitor'}{pattern}").strip("-")
                            _shoot(person.go(path), folder / f"{name}.{code}.{size}.png", whole=True)
                    person.page.context.close()


def _shoot(page: Page, path: pathlib.Path, *, whole: bool) -> None:
    page.evaluate("document.fonts.ready")
    page.screenshot(path=path, full_page=whole, timeout=60_000)
    print(path, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev screenshots", description="pictures of the running portal")
    parser.add_argument("--all", type=pathlib.Path, metavar="FOLDER", help="every page, both languages, both sizes")
    arguments = parser.parse_args()
    sample = Sample()
    everything(sample, arguments.all) if arguments.all else guide(sample)


main()
