"""The documents say what is there: nothing undocumented, nothing documented that is not."""

import pathlib
import re
import runpy
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from descriptors import ROOT, events

DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if path.name != "template.md")
RECORDS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
SERVICES = sorted(path.parent.name.upper() for path in ROOT.glob("services/*/config.py"))
ARABIC = re.compile(r"[\u0621-\u064a]")
TOP = "chassis|participants|services|proto|gen|deploy|docs|tests|bench|demo|third_party|vocabularies"
WRITE = "run: .venv/bin/python docs/write_reference.py"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def sources() -> Iterator[pathlib.Path]:
    """Every file that may read an environment variable; tests set some of their own."""
    for pattern in ("chassis/**/*", "services/**/*.py", "deploy/**/*", "demo/*", "bench/**/*", "dev", "*.yml", ".ci/*"):
        yield from (path for path in ROOT.glob(pattern) if path.is_file() and path.suffix != ".pyc")


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """What a command writes in docs/, as it should be. Raises when a setting, error, RPC or event lacks its comment."""
    written: Any = runpy.run_path(str(ROOT / "docs/write_reference.py"))["render_all"]()
    return dict(written)


def test_the_reference_is_what_the_code_says(reference: dict[str, str]) -> None:
    """And what the pages of the services say of states, RPCs and events."""
    assert {"reference/errors.md", "services/members.md"} <= reference.keys()
    for name, page in reference.items():
        assert text(f"docs/{name}") == page, f"docs/{name}; {WRITE}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs/services").glob("*.md")), ids=lambda page: page.stem)
def test_what_a_service_owns_are_its_collections(page: pathlib.Path) -> None:
    owns = page.read_text().partition("## Owns")[2].partition("\n## ")[0]
    names = [name for cell in re.findall(r"^\| (`.*?) \|", owns, re.MULTILINE) for name in re.findall(r"`(.+?)`", cell)]
    code = "".join(path.read_text() for path in [*ROOT.glob(f"services/{page.stem}/*.py"), *ROOT.glob("*/store.py")])
    assert len(names) > 3
    for name in {*names} - {"timers"}:  # which every service has
        assert f'"{name}"' in code, name


def test_every_error_of_the_services_is_in_the_reference() -> None:
    """By another way than the one that writes it: the classes as they stand in the files."""
    reasons = re.findall(r"^\| `([A-Z0-9_]+)`", text("docs/reference/errors.md"), re.MULTILINE)
    known = {reason.replace("_", "") for reason in reasons}
    kinds = re.findall(r"^class (\w+)\((?:Error|\w*\.?Error)\)", text("chassis/errors.py"), re.MULTILINE)
    for path in [*ROOT.glob("chassis/*.py"), *ROOT.glob("services/**/*.py")]:
        for name in re.findall(rf"^class (\w+)\((?:errors\.)?(?:{'|'.join(kinds)})\)", path.read_text(), re.MULTILINE):
            assert name.upper() in known, f"{path.name}: {name}; {WRITE}"


def test_a_reason_has_one_sentence_in_each_language_whoever_gives_it() -> None:
    """Services and gateway speak of a request, and both of a field, in the same words."""
    for part in text("docs/reference/errors.md").split("## Of fields"):
        rows = re.findall(r"^\| `([A-Z0-9_]+)` .*?\| ([^|]+) \| ([^|]+) \|$", part, re.MULTILINE)
        assert len(rows) > 10
        said: dict[str, tuple[str, str]] = {}
        for reason, english, arabic in rows:
            assert said.setdefault(reason, (english, arabic)) == (english, arabic), reason
            assert ARABIC.search(arabic), reason
            assert not ARABIC.search(english), reason


def test_every_refusal_of_the_gateway_is_provoked_by_a_test() -> None:
    tests = text("tests/integration/test_gateway.py") + text("tests/integration/test_gateway_failures.py")
    violations = tomllib.loads(text("deploy/envoy/violations.toml"))["violations"]
    for reason in (*tomllib.loads(text("deploy/envoy/replies.toml")), *(one["reason"] for one in violations)):
        assert f'"{reason}"' in tests, reason


def test_every_environment_variable_is_documented() -> None:
    documented = "".join(
        map(text, ("docs/reference/settings.md", "docs/reference/dev.md", "docs/how-to/containers.md"))
    )
    known = set(re.findall(r"`(WASL_\w+)`", documented))
    for path in sources():
        for name in re.findall(r"\bWASL_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8", errors="replace")):
            plain = name.removesuffix("_FILE")
            shared = re.sub(rf"^WASL_({'|'.join(SERVICES)})_", "WASL_", plain.upper())  # of one service
            own = [plain.replace("WASL_", f"WASL_{service}_", 1) for service in SERVICES]  # of all that have it
            assert {plain, shared, *own} & known, f"{path.relative_to(ROOT)} reads {name}"


def test_every_verb_of_dev_is_documented() -> None:
    cases = text("dev").rpartition("\ncase $verb in\n")[2]
    verbs = set(re.findall(r"^  ([a-z]+)[a-z |-]*\)", cases, re.MULTILINE)) - {"help"}
    assert {"up", "down", "test"} <= verbs, "the test no longer finds the verbs of ./dev"
    for language in ("en", "ar"):
        helped = subprocess.run(
            ["./dev", "help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={"WASL_LANGUAGE": language, "PATH": "/usr/bin:/bin"},
        ).stdout
        assert set(re.findall(r"^\./dev ([a-z]+)", helped, re.MULTILINE)) == verbs, f"./dev help, {language}"
    assert set(re.findall(r"^\| `\./dev ([a-z]+)", text("docs/reference/dev.md"), re.MULTILINE)) == verbs, (
        "docs/reference/dev.md"
    )


def test_the_ports_of_every_process_are_documented() -> None:
    listed = re.search(r"^REPLICAS=\((.*?)\)$", text("dev"), re.MULTILINE | re.DOTALL)
    assert listed
    rows = re.findall(r"^\| \+ (\d+) \+ .*? \| `([a-z-]+)`", text("docs/reference/dev.md"), re.MULTILINE)
    assert sorted(f"{name}:{port}" for port, name in rows) == sorted(listed[1].split())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(path: pathlib.Path) -> None:
    """Links with their headings, files in backticks, and tests, alone or as `file::test`."""
    said = path.read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\(([^)#:]+)#?([^):]*)\)", said):
        found = path.parent / target
        assert found.exists(), f"link to {target}"
        assert not heading or heading in headings(found), f"link to {target}#{heading}"
    for name, test in re.findall(rf"`((?:{TOP})/[^`:\s]*)(?:::(\w+))?`", said):
        if "<" not in name and "…" not in name:
            assert list(ROOT.glob(name.rstrip("/"))), f"there is no {name}"
            assert not test or f"def {test}(" in text(name), f"there is no {test} in {name}"
    for test in re.findall(r"`(test_\w+)`", said):
        assert any(f"def {test}(" in file.read_text() for file in ROOT.glob("tests/**/test_*.py")), test


def headings(path: pathlib.Path) -> set[str]:
    """As addresses of a page's parts: `Deploy order` is `deploy-order`."""
    found = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in found}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_promises_nothing_for_later(path: pathlib.Path) -> None:
    assert not re.findall(r"\b(TODO|FIXME|TBD|coming soon)\b", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_decision_record_is_complete(path: pathlib.Path) -> None:
    said = path.read_text(encoding="utf-8")
    title = re.match(r"# (\d{4})\. (.+)\n\n(accepted|superseded by \d{4}) · \d{4}-\d\d-\d\d\n", said)
    assert title, "number, title, state and date"
    assert path.name.startswith(title[1])
    sections = re.findall(r"^## (\w+)", said, re.MULTILINE)
    assert sections == ["Context", "Decision", "Consequences", "Rejected"]
    assert re.search(r"^## Decision\n\n> ", said, re.MULTILINE), "a decision that can be quoted"
    assert len(said.splitlines()) <= 60, "one page"
    assert f"]({path.name})" in text("docs/adr/README.md"), "its line in the index"


def test_numbers_of_records_are_used_once() -> None:
    numbers = [path.name[:4] for path in RECORDS]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def test_architecture_is_short() -> None:
    assert len(text("ARCHITECTURE.md").splitlines()) <= 150


def test_the_table_of_services_is_what_the_contract_says() -> None:
    """README's first screen: which services there are, and their events by noun and verb."""
    rows = re.findall(r"^\| \*\*(\w+)\*\* \| .* \| .* \| (.*) \| (.*) \|$", text("README.md"), re.MULTILINE)
    line = r"^\| `org\.wasl\.[a-z]+\.([a-z_.]+)\.v\d` .* \| ([a-z, ]+) \|$"
    heard = [(event, by.split(", ")) for event, by in re.findall(line, text("docs/reference/events.md"), re.MULTILINE)]
    assert heard
    assert {service for service, _, _ in rows} == {path.parent.name for path in ROOT.glob("services/*/worker.py")}
    for service, emits, hears in rows:
        own = {kind.split(".", 3)[3].rpartition(".")[0] for _, kind in events() if kind.split(".")[2] == service}
        assert set(re.findall(r"`([a-z_.]+)`", emits)) == own, f"{service} emits"
        assert set(re.findall(r"`([a-z_.]+)`", hears)) == {event for event, by in heard if service in by}, service
