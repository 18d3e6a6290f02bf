"""Writes docs/reference/, and what docs/services/ says between markers, from code and contract; `./dev proto` runs it.

settings.md from the Structs in chassis/settings.py and the config.py files (name, type, default, the comment beside
it) and from deploy/envoy/render.py; errors.md from the error classes and deploy/envoy/*.toml; rpcs.md and events.md
from the descriptors and the workers; pages.md from the portal's functions. Of a service: the states that its model
knows (docs/states.py), its RPCs, what it emits and hears. What lacks its comment or docstring raises Undocumented,
which names the place. tests/contract/test_docs.py compares.
"""

import ast
import functools
import importlib
import inspect
import pathlib
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in (".", "gen", "docs", "proto/tools", "deploy/envoy")]

import generate  # noqa: E402 - proto/tools/generate.py
import render  # noqa: E402
import states  # noqa: E402
from contract import Contract  # noqa: E402
from google.rpc import code_pb2  # noqa: E402

from chassis import errors, validation, worker  # noqa: E402
from services.portal.pages import PAGES  # noqa: E402

HTTP = {
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    13: 500,
    14: 503,
    16: 401,
}  # as Envoy maps them
LEVELS = ("nobody", "anybody", "signed in", "role", "other services")


class Undocumented(Exception):
    """Something that a reader needs is not said where it stands."""


def table(*head: str, rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


# -- settings ------------------------------------------------------------------------------------------------------
def fields(path: pathlib.Path, struct: str) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and comment of each field of a settings Struct."""
    source = path.read_text()
    lines = source.splitlines()
    for node in ast.parse(source).body:
        for line in node.body if isinstance(node, ast.ClassDef) and node.name == struct else ():
            if isinstance(line, ast.AnnAssign) and line.value is not None:
                name, _, comment = ast.unparse(line.target), *lines[(line.end_lineno or 1) - 1].partition("  # ")[1:]
                if not comment:
                    raise Undocumented(f"{path.relative_to(ROOT)}: {name} has no comment")
                default = re.sub(r"^(pathlib\.)?Path\((.*)\)$", r"\2", ast.unparse(line.value)).strip("'")
                yield name, ast.unparse(line.annotation).rpartition(".")[2], default, comment


def variables(path: pathlib.Path, prefix: str, struct: str = "Config") -> str:
    rows = [
        (f"`{prefix}{name.upper()}`", kind, f"`{default}`" if default else "", comment)
        for name, kind, default, comment in fields(path, struct)
    ]
    return table("variable", "type", "default", "meaning", rows=rows)


def settings() -> str:
    own = sorted(ROOT.glob("services/*/config.py"))
    rows = []
    for one in render.all_settings():
        default = "needed" if one.default is None else f"`{one.default}`" if one.default else ""
        rows.append((f"`{one.name}`", default, one.help))
    parts = [
        "# Settings\n\nEverything is set by environment variables. `./dev` has a few more: [dev.md](dev.md).",
        "## Every process\n\n`WASL_<SERVICE>_<NAME>` wins over `WASL_<NAME>`, for example `WASL_MEMBERS_LOG_LEVEL` over"
        "\n`WASL_LOG_LEVEL`. With `_FILE` at its end a variable names a file that holds the value: for secrets.",
        variables(ROOT / "chassis/settings.py", "WASL_", "Process"),
        "## Every service\n\nThe portal reads none of these: no secret, no database, no broker.",
        variables(ROOT / "chassis/settings.py", "WASL_", "Settings"),
    ]
    for path in own:
        parts += [f"## {path.parent.name}", variables(path, f"WASL_{path.parent.name.upper()}_")]
    parts += [
        "## Gateway\n\nRead by `deploy/envoy/render.py`, which writes Envoy's configuration.",
        table("variable", "default", "meaning", rows=rows),
    ]
    return "\n\n".join(parts)


# -- errors --------------------------------------------------------------------------------------------------------
def error_classes() -> list[type[errors.Error]]:
    for path in sorted([*ROOT.glob("chassis/*.py"), *ROOT.glob("participants/*.py"), *ROOT.glob("services/**/*.py")]):
        if re.search(r"^class \w+\(errors\.\w+\):", path.read_text(), re.MULTILINE):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found, waiting = [], [errors.Error]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        found += [one for one in subclasses if one.__module__.split(".")[0] in ("chassis", "participants", "services")]
        waiting += subclasses
    return sorted(found, key=lambda one: (one.__module__, inspect.getsourcelines(one)[1]))


def error_rows() -> Iterator[tuple[str, ...]]:
    for one in error_classes():
        if not one.__doc__ or not one.__dict__.get("en", one.en) or not one.ar:
            raise Undocumented(f"{one.__module__}.{one.__name__} needs a docstring, `en` and `ar`")
        reason = one.__new__(one).reason  # of the class: no values are needed
        meaning = " ".join(one.__doc__.split())
        status = f"{code_pb2.Code.Name(one.code)} {one.http or HTTP[one.code]}"
        yield f"`{reason}`", status, one.__module__, meaning, one.en, one.ar


def error_reference() -> str:
    gateway = [
        (f"`{reason}`", f"{code_pb2.Code.Name(one['code'])} {one.get('http', '')}".strip(), one["en"], one["ar"])
        for reason, one in render.read_replies().items()
    ]
    rules = {**validation.TEXTS, **validation.REFUSED}
    transcoder = tomllib.loads((ROOT / "deploy/envoy/violations.toml").read_text())["violations"]
    rules |= {one["reason"]: (one["en"], one["ar"]) for one in transcoder}
    return "\n\n".join(
        [
            "# Errors\n\nEvery error is a `google.rpc.Status`. Programs look at `ErrorInfo.reason`, people read"
            "\n`LocalizedMessage`. `{…}` stands for a value, which is in `ErrorInfo.metadata` too. How each kind ends"
            "\nin a consumer: [ADR 0010](../adr/0010-one-error-taxonomy.md).",
            "## Of the services",
            table("reason", "code, HTTP", "raised in", "when", "English", "العربية", rows=list(error_rows())),
            "## Of the gateway\n\nWhat Envoy refuses before a service sees it. Without a number: Envoy's own status.",
            table("reason", "code, HTTP", "English", "العربية", rows=gateway),
            "## Of fields\n\n`BadRequest.field_violations[].reason`; errors above that name a field appear here with"
            " their own reason.",
            table(
                "reason",
                "English",
                "العربية",
                rows=sorted({(f"`{rule.replace('.', '_').upper()}`", en, ar) for rule, (en, ar) in rules.items()}),
            ),
        ]
    )


# -- contract ------------------------------------------------------------------------------------------------------
def rpcs(contract: Contract) -> str:
    parts = [
        "# RPCs\n\nRequests, replies and their fields: `/docs` of a running stack, or `gen/openapi.json`. Who may call"
        "\nis what the contract says; whose data a caller may see or change, each method says in its sentence."
    ]
    services: dict[str, list[tuple[str, ...]]] = {}
    for method in contract.methods():
        if not method.comment:
            raise Undocumented(f"{method.service}/{method.name} has no comment")
        services.setdefault(method.service, []).append((*call(method), method.comment))
    for service, rows in services.items():
        parts += [f"## {service}\n\n{contract.comments.get(service, '')}"]
        parts += [table("method", "REST", "who may call", "what it does", rows=rows)]
    return "\n\n".join(parts)


def call(method: Any) -> tuple[str, str, str]:
    """Name, route and who may call."""
    verb = method.http.WhichOneof("pattern") if method.http else ""
    route = f"`{verb.upper()} {getattr(method.http, verb)}`" if verb else "none"
    return f"`{method.name}`", route, " or ".join(method.access.roles) or LEVELS[method.access.level]


@functools.cache
def workers() -> dict[str, type[worker.Worker]]:
    """By service."""
    found = {}
    for path in sorted(ROOT.glob("services/*/worker.py")):
        module = importlib.import_module(f"services.{path.parent.name}.worker")
        [found[path.parent.name]] = [
            one
            for one in vars(module).values()
            if inspect.isclass(one) and issubclass(one, worker.Worker) and one.__module__ == module.__name__
        ]
    return found


def hearers() -> dict[str, list[str]]:
    """Services by the event type that they handle."""
    found: dict[str, list[str]] = {}
    for service, one in workers().items():
        for subscription in one.subscriptions():
            found.setdefault(subscription.event_type, []).append(service)
    return found


def events(contract: Contract) -> str:
    heard, rows = hearers(), []
    for name, kind in contract.events():
        if not contract.comments.get(name):
            raise Undocumented(f"{name} has no comment")
        rows.append((f"`{kind}`", f"`{name}`", contract.comments[name], ", ".join(heard.get(kind, [])) or "nobody yet"))
    return "\n\n".join(
        [
            "# Events\n\nCloudEvents 1.0 in structured JSON, each on the topic exchange `<service>.events`, its type as"
            "\nrouting key. Fields: `/docs` of a running stack, or `gen/asyncapi.json`. Why they look so:"
            "\n[ADR 0014](../adr/0014-events-are-messages.md).",
            table("type", "message", "when", "heard by", rows=rows),
        ]
    )


# -- pages ---------------------------------------------------------------------------------------------------------
def calls(page: Callable[..., object], rpcs: set[str], bound: tuple[Any, ...] = ()) -> set[str]:
    """The RPCs that a page's function names, and those of the portal's functions that it calls.

    `bound` is what a partial gave it: a page that serves two nouns or several verbs says `side.rpc(visit, "Get")` or
    f"{verb}Match", or is given the RPC's name.
    """
    if isinstance(page, functools.partial):
        return calls(page.func, rpcs, page.args)
    found = {one for one in bound if one in rpcs}
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(page)))):
        match node:
            case ast.Attribute(attr=name) if name in rpcs:
                found.add(name)
            case ast.Call(func=ast.Attribute(attr="rpc"), args=[_, *words]):
                verb, ending = [*(str(word.value) for word in words if isinstance(word, ast.Constant)), ""][:2]
                found.add(f"{verb}{bound[0].noun.title()}{ending}")
            case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant(value=str(noun))]) if bound:
                found |= {f"{bound[0]}{noun}"} & rpcs
            case (
                ast.Call(func=ast.Name(id=name))
                | ast.Call(func=ast.Attribute(attr="partial"), args=[ast.Name(id=name), *_])
            ):
                called = inspect.unwrap(page).__globals__.get(name)
                if inspect.iscoroutinefunction(called) and called.__module__.startswith("services.portal"):
                    found |= calls(called, rpcs, bound)
    return found


def pages(contract: Contract) -> str:
    rpcs = {method.name for method in contract.methods()}
    rows = []
    for path, page, methods in PAGES:
        function = page.func if isinstance(page, functools.partial) else page
        called = ", ".join(f"`{name}`" for name in sorted(calls(page, rpcs))) or "none"
        rows.append((f"`{path or '/'}`", methods, summary(function), called))
    return f"""# Pages

What the portal shows, at `/ar` and `/en`. A page whose methods are POST alone is what a button does; it leads back to
a page. Who may see what, the RPCs decide: [RPCs](rpcs.md).

{table("page", "methods", "what it is", "RPCs", rows=rows)}
"""


def summary(function: Callable[..., object]) -> str:
    """The first line of its docstring, or else its name in words."""
    return (inspect.getdoc(function) or function.__name__.replace("_", " ").capitalize() + ".").split("\n")[0]


# -- services ------------------------------------------------------------------------------------------------------
def service_page(path: pathlib.Path, contract: Contract) -> str:
    """The page of a service, with what stands between its markers written anew. Raises Undocumented."""
    page, service = path.read_text(encoding="utf-8"), path.stem
    for name, written in (("states", state_diagrams(service)), ("contract", service_contract(service, contract))):
        begin, end = f"<!-- {name}: written by docs/write_reference.py -->\n", f"<!-- end of {name} -->\n"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise Undocumented(f"{path.relative_to(ROOT)} needs the lines {begin}{end}")
        page = f"{page.partition(begin)[0]}{begin}\n{written}\n\n{end}{page.partition(end)[2]}"
    return page


def state_diagrams(service: str) -> str:
    """Of its model.py, then of the nouns that have grown a module of their own."""
    paths = sorted(ROOT.glob(f"services/{service}/*.py"), key=lambda path: (path.stem != "model", path.stem))
    structs = [path.stem for path in paths if re.search(r"^class \w+\(Struct,", path.read_text(), re.MULTILINE)]
    found = [one for name in structs for one in states.diagrams(importlib.import_module(f"services.{service}.{name}"))]
    return "\n\n".join(f"**{name}**\n\n{diagram}" for name, diagram in found)


def service_contract(service: str, contract: Contract) -> str:
    """What others have to do with it."""
    heard, own = hearers(), workers()[service]
    kinds = {kind: name for name, kind in contract.events()}
    emitted = [
        (f"`{noun_and_verb(kind)}`", contract.comments[name], ", ".join(heard.get(kind, [])) or "nobody yet")
        for kind, name in kinds.items()
        if kind.split(".")[2] == service
    ]
    listened = [
        (f"`{noun_and_verb(one.event_type)}`", one.source, contract.comments[kinds[one.event_type]])
        for one in own.subscriptions()
    ]
    methods = [call(method) for method in contract.methods() if method.service.split(".")[1] == service]
    timers = ", ".join(f"`{name}`" for name in sorted(own.timers()))
    return "\n\n".join(
        [
            f"**RPCs**; [what each does](../reference/rpcs.md#wasl{service}v1{service}service)",
            table("method", "REST", "who may call", rows=methods),
            "**Emits**",
            table("event", "when", "heard by", rows=emitted),
            "**Hears**",
            table("event", "of", "when", rows=listened) if listened else "Nobody.",
            f"**Timers**: {timers or 'none'}.",
        ]
    )


def noun_and_verb(kind: str) -> str:
    return kind.split(".", 3)[3].rpartition(".")[0]


def render_all() -> dict[str, str]:
    """{path in docs/: contents}. Raises Undocumented."""
    ours = sorted(str(path.relative_to(generate.PROTO)) for path in generate.PROTO.rglob("*.proto"))
    contract = Contract(generate.descriptors(*ours))
    references = {
        "reference/settings.md": settings(),
        "reference/errors.md": error_reference(),
        "reference/rpcs.md": rpcs(contract),
        "reference/events.md": events(contract),
        "reference/pages.md": pages(contract),
    }
    head = "<!-- Written by docs/write_reference.py: change the code or the contract, then run it. -->\n"
    written = {name: f"{head}{page}\n" for name, page in references.items()}
    for service in workers():
        name = f"services/{service}.md"
        written[name] = service_page(ROOT / "docs" / name, contract)
    return written


if __name__ == "__main__":
    for name, page in render_all().items():
        (ROOT / "docs" / name).write_text(page, encoding="utf-8")
