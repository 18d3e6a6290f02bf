"""The operator's tool for parked messages: look, replay, or drop. Run `python -m chassis.parked --help`.

Traps guarded here: a tool that acks and then publishes loses the message when it is interrupted in between (so: publish
to the home queue with confirm, then ack); a quorum queue's client in the broker keeps acks beyond 32 back until earlier
ones are applied, and drops them when the connection closes (so: each ack is waited for); whatever is not chosen goes
back when the connection closes, uncounted (chassis/topology.py: parking has no delivery limit).
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from amqp.exceptions import NotFound

from chassis import frames, settings, topology
from chassis.publisher import FAILURES, Outgoing, Publisher, connect

LANGUAGE = next(
    (os.environ[name] for name in ("WASL_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), ""
)
TEXT = {
    "about": ("Messages that could not be handled", "الرسائل التي تعذرت معالجتها"),
    "all": ("every parked message", "كل الرسائل المركونة"),
    "consumers": ("whose: names of services, by comma", "لمن: أسماء الخدمات مفصولة بفاصلة"),
    "head": (
        ("ID", "CONSUMER", "EVENT TYPE", "ATTEMPTS", "SINCE", "REASON"),
        ("المعرّف", "المستهلك", "نوع الحدث", "المحاولات", "منذ", "السبب"),
    ),
    "none": ("Nothing is parked.", "لا شيء مركون."),
    "unknown": ("No parked message has the ID {}.", "لا رسالة مركونة بالمعرّف {}."),
    "which": ("Name at least one ID, or --all.", "اذكر معرّفا واحدا على الأقل، أو --all."),
    "away": ("The broker cannot be reached: {}", "تعذر الوصول إلى وسيط الرسائل: {}"),
    "replay": ("replayed {}", "أعيد إرسال {}"),
    "drop": ("dropped {}", "حُذف {}"),
    "homeless": ("The queue of {} does not take it; it stays parked.", "طابور {} لا يقبلها؛ تبقى مركونة."),
}


def text(name: str) -> Any:
    """The sentence in the operator's language."""
    return TEXT[name][LANGUAGE.startswith("ar")]


def tell(*lines: str) -> None:
    try:
        print(*lines, sep="\n", flush=True)
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def printable(told: object) -> str:
    """On one line, without what would command the operator's terminal: whoever may publish could have written it."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", " ", str(told))


class Parked(msgspec.Struct, frozen=True):
    """One parked message; `home` is the queue that it comes from. What is told of it is printable."""

    id: str
    consumer: str
    event_type: str
    attempts: int
    since: str
    reason: str
    home: str
    message: Any

    @classmethod
    def of(cls, consumer: str, message: Any) -> "Parked":
        """Whatever stands in its headers: anybody who may publish could have written them."""
        headers = message.properties.get("application_headers", {})
        deaths = headers.get("x-death")  # there when the broker parked it and not a worker
        death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
        home = str(headers.get("wasl-queue") or death.get("queue", ""))
        died, attempts = death.get("time"), headers.get("wasl-attempt")
        since = ""
        if isinstance(died, datetime.datetime):
            since = died.replace(tzinfo=datetime.UTC).isoformat(timespec="seconds")
        return cls(
            printable(message.properties.get("message_id", "none")),
            consumer,
            printable(home.removeprefix(f"{consumer}.")),
            attempts if isinstance(attempts, int) else 0,
            printable(headers.get("wasl-since", since)),
            printable(headers.get("wasl-reason") or f"broker: {death.get('reason', 'unknown')}"),
            home,
            message,
        )


def waiting(connection: Any, consumers: list[str]) -> Iterator[Parked]:
    """Everything that is parked now, held by the connection until it is acked or the connection closes."""
    for consumer in consumers:
        channel = connection.channel()
        channel.auto_decode = False
        try:
            while (message := channel.basic_get(topology.parking_name(consumer))) is not None:
                yield Parked.of(consumer, message)
        except NotFound:
            continue  # it has no handler that could have failed


def replay(publisher: Publisher, one: Parked) -> bool:
    """Sends it home as if it had never failed; says whether its queue took it."""
    content_type = one.message.properties.get("content_type", "application/octet-stream")
    out = Outgoing("", one.home, one.message.body, one.id, content_type)
    return publisher.publish([out]) == {0}


def ack(one: Parked) -> None:
    """Returns when the broker has applied it: the queue answers in turn, and a get is answered at once."""
    one.message.channel.basic_ack(one.message.delivery_tag)
    one.message.channel.basic_get(topology.parking_name(one.consumer))


def show(one: Parked) -> None:
    body = one.message.body
    body = body if isinstance(body, str) else body.decode(errors="replace")
    with contextlib.suppress(ValueError, RecursionError):  # which may be why it is here
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    fields = (one.id, one.consumer, one.event_type, one.attempts, one.since, one.reason)
    tell(*(f"{name}: {value}" for name, value in zip(text("head"), fields, strict=True)))
    tell(*map(printable, body.splitlines()))


def table(rows: list[Parked]) -> None:
    cells = [text("head"), *((o.id, o.consumer, o.event_type, str(o.attempts), o.since, o.reason) for o in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(5)]
    for row in cells:
        tell("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]))


def run(command: str, ids: list[str], every: bool, consumers: list[str], uri: str) -> int:
    """The exit code: 1 when something that was asked for could not be done."""
    frames.tolerate()
    publisher = Publisher(uri)
    connection = connect(uri)
    try:
        parked = list(waiting(connection, consumers))
        if command == "list":
            table(parked) if parked else tell(text("none"))
            return 0
        if unknown := set(ids) - {one.id for one in parked}:
            print(text("unknown").format(", ".join(sorted(unknown))), file=sys.stderr)
            return 1
        failed = 0
        for one in [one for one in parked if every or one.id in ids]:
            if command == "show":
                show(one)
            elif command == "replay" and not replay(publisher, one):
                print(text("homeless").format(one.id), file=sys.stderr)
                failed = 1
            else:
                ack(one)
                tell(text(command).format(one.id))
        return failed
    finally:
        publisher.close()
        connection.release()


def main() -> int:
    parser = argparse.ArgumentParser(prog="parked", description=text("about"))
    parser.add_argument("command", choices=["list", "show", "replay", "drop"])
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--all", action="store_true", help=text("all"))
    parser.add_argument("--consumers", default=os.environ.get("WASL_CONSUMERS"), help=text("consumers"))
    asked = parser.parse_args()
    if not asked.consumers:
        parser.error(text("consumers"))
    if asked.command != "list" and not asked.ids and not asked.all:
        parser.error(text("which"))
    uri = settings.load(settings.Settings, "operator").amqp_uri
    try:
        return run(asked.command, asked.ids, asked.all, asked.consumers.split(","), uri)
    except FAILURES as error:
        print(text("away").format(type(error).__name__), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
