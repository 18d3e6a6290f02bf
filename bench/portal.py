"""Pages of the portal against the RPC behind each, through the same gateway, with the sample network.

On a stack of `./dev up --sample`, 32 connections, in turn: the home page and GET /v1/statistics, a search of records as
a page and as GET /v1/records:search, the page of a need and GET /v1/needs/{id}, both signed in. A page makes more
calls than the one that it is compared with (docs/reference/pages.md), and is rendered anew for each visit; but visitors
of the same moment share a home page. Then a real browser, with an empty cache: what comes over the wire for the first
page, and for each next one.
"""

import json
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any

import httpx

from bench import load
from bench.report import finish, in_turn, median, ratio, table
from tests.chaos.stack import running
from tests.e2e.browser import Person, chromium, heard_on_the_wire

QUERY = "علوم"
NEXT = ("/organizations", "/convenings", "/records", "/map")  # after the home page


def main(*, quick: bool) -> None:
    seconds, rounds = (2, 2) if quick else (3, 6)
    with tempfile.TemporaryDirectory(prefix="wasl-bench-") as name, running(pathlib.Path(name), "--sample") as stack:
        folder = pathlib.Path(name)
        account = json.loads((stack.home / "state/sample.json").read_text())["member"]
        session = _post(stack.url, "/v1/sessions:signIn", account)
        token = session["accessToken"]
        bearer = {"Authorization": f"Bearer {token}"}
        cookies = f"wasl_access={token}; wasl_refresh={session['refreshToken']}"
        need = _get(stack.url, "/v1/needs?pageSize=1", bearer)["needs"][0]["needId"]
        asked = httpx.URL("/", params={"q": QUERY}).query.decode()
        works = {
            "home": ("/ar", "/v1/statistics", {}, {}),
            "search": (f"/ar/records?{asked}", f"/v1/records:search?{asked}", {}, {}),
            "need": (f"/ar/needs/{need}", f"/v1/needs/{need}", {"Cookie": cookies}, bearer),
        }
        measured = {}
        for work, (page, rpc, visitor, caller) in works.items():
            print(f"\n{work}: {page} and {rpc}, {load.CONNECTIONS} connections, {seconds} s each")
            sides = {
                "page": _side(folder, stack.url, page, seconds, visitor),
                "bare_rpc": _side(folder, stack.url, rpc, seconds, caller),
            }
            for side in sides.values():
                side()  # caches and connections
            measured[work] = in_turn(sides, rounds)
        first, following = _weighed(stack.url)
    _tell(measured, first, following)


def _side(
    folder: pathlib.Path, url: str, path: str, seconds: float, headers: dict[str, str]
) -> Callable[[], load.Load]:
    requests = folder / f"{re.sub(r'[^a-z]+', '-', path)}.txt"
    requests.write_text(f"GET {path}")
    return lambda: load.http(url, requests, seconds, {"Accept-Encoding": "br", **headers})


def _weighed(url: str) -> tuple[float, float]:
    """KB of the first visit, the heavier of both languages, and of the heaviest page after it."""
    first, following = 0.0, 0.0
    with chromium() as browser:
        for code in ("ar", "en"):
            person = Person(browser, url, code)
            first = max(first, heard_on_the_wire(person.page, lambda: person.go(""))[0] / 1000)  # noqa: B023
            for path in NEXT:
                came, _ = heard_on_the_wire(person.page, lambda: person.go(path))  # noqa: B023
                following = max(following, came / 1000)
            person.page.context.close()
    return first, following


def _get(url: str, path: str, headers: dict[str, str]) -> Any:
    return httpx.get(url + path, headers=headers, trust_env=False).raise_for_status().json()


def _post(url: str, path: str, body: Any) -> Any:
    return httpx.post(url + path, json=body, trust_env=False).raise_for_status().json()


def _tell(measured: dict[str, dict[str, list[load.Load]]], first: float, following: float) -> None:
    ratios, figures = {}, {"first_visit_kb": first, "next_page_kb": following}
    for name, sides in measured.items():
        rows = {}
        for side, loads in sides.items():
            middle = [median([getattr(one, value) for one in loads]) for value in ("per_second", "p50_ms", "p95_ms")]
            rows[side] = middle
            figures |= {f"{name}/{side}_per_s": middle[0], f"{name}/{side}_p95_ms": middle[2]}
        ratios[f"{name}/bare_rpc"] = ratio(*([one.per_second for one in sides[side]] for side in ("page", "bare_rpc")))
        table(name, ["per second", "p50 ms", "p95 ms"], rows)
    print(f"\nfirst visit: {first:.1f} KB; the heaviest page after it: {following:.1f} KB")
    finish("portal", ratios, figures)
