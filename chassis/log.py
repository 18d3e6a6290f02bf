"""JSON logs on standard output, one object a line, with the correlation id of whatever is being done.

Values of fields that the contract marks `sensitive` or `personal` are replaced, whatever message or keyword they come
in. Of an exception its type and its place are written, but not its text, which may hold any of them.
"""

import asyncio
import atexit
import datetime
import logging
import pathlib
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from google.protobuf import descriptor_pb2
from google.protobuf.message import Message

from chassis import pb
from chassis.call import SECRET_HEADER
from wasl.options.v1 import options_pb2

REDACTED = "[redacted]"
FLUSH_SECONDS = 0.1
# What is secret though no contract names it; `configure` adds the contract's own.
_private = {
    *("authorization", "token", "secret", "service_secret", SECRET_HEADER),
    *("private_key", "jwk", "password_hash", "mongo_uri", "amqp_uri"),
}
_CONTRACT = pathlib.Path(options_pb2.__file__).parents[3] / "wasl.binpb"  # every message, also of other services


def _private_fields() -> Iterator[str]:
    contract = descriptor_pb2.FileDescriptorSet.FromString(_CONTRACT.read_bytes())
    messages = [message for file in contract.file for message in file.message_type]
    for message in messages:
        messages += message.nested_type
        for field in message.field:
            marks = field.options.Extensions
            if marks[options_pb2.sensitive] or marks[options_pb2.personal]:
                yield from (field.name, field.json_name)


def correlation_id() -> str:
    """Of the call or the event that this task works on; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get("correlation_id", ""))


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name in _private:
            event[name] = REDACTED
        elif not isinstance(value, str | int | float):
            event[name] = _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Message):
        return _clean(pb.to_json(value))
    if isinstance(value, msgspec.Struct):
        return _clean(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {name: REDACTED if name in _private else _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list | tuple | set | frozenset) else value


class Lines:
    """Writes lines to `file`: a warning or worse at once, the rest together every FLUSH_SECONDS.

    A write for each line costs a fifth of a read's time. What a killed process had not written yet is lost.
    """

    def __init__(self, file: TextIO) -> None:
        self._file, self._waiting = file, list[str]()
        atexit.register(self.flush)

    def msg(self, line: str) -> None:
        self._waiting.append(line)
        if len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
            except RuntimeError:  # no loop: a command, or a thread
                self.flush()

    debug = info = msg

    def urgent(self, line: str) -> None:
        self._waiting.append(line)
        self.flush()

    warning = error = critical = urgent

    def flush(self) -> None:
        lines, self._waiting = self._waiting, []
        if lines and not self._file.closed:
            self._file.write("\n".join(lines) + "\n")
            self._file.flush()


def tell_where(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Instead of an exception: the types of it and of its causes, each with its stack."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    elif error and not isinstance(error, BaseException):
        error = sys.exc_info()[1]
    lines: list[str] = []
    while error:
        lines += [f"{type(error).__qualname__}\n", *traceback.format_tb(error.__traceback__)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if lines:
        event["exception"] = "".join(lines)
    return event


def where(error: BaseException) -> str:
    """File and line of what raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _json(event: MutableMapping[str, Any], **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def configure(service: str, process: str, level: str = "info") -> None:
    """Once, at the start of a process. Standard library loggers end in the same lines."""
    _private.update(_private_fields())

    def say_who_and_when(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        # No context variables for the process: a greenlet has its own.
        return {"timestamp": now, "level": method, "service": service, "process": process, **event}

    shared: list[Any] = [structlog.contextvars.merge_contextvars, say_who_and_when, redact]
    lines = Lines(sys.stdout)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            *shared,
            tell_where,
            structlog.processors.JSONRenderer(_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                tell_where,
                structlog.processors.JSONRenderer(_json),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
