"""The command line of every service: `python -m services.<name> COMMAND`."""

import sys
from collections.abc import Callable
from typing import TypeVar

from chassis import log, process, settings, tracing

S = TypeVar("S", bound=settings.Process)


def main(kind: type[S], service: str, **commands: Callable[[S], None]) -> None:
    """Loads the settings, prepares logs and traces, and runs the command that the first argument names.

    A command imports what it runs by itself: an api never loads Nameko, a worker never loads grpc.
    """
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"usage: python -m services.{service} {'|'.join(commands)}")
    process.prepare()
    loaded = settings.load(kind, service)
    log.configure(service, sys.argv[1], loaded.log_level)
    tracing.configure(service, sys.argv[1], loaded.otlp_endpoint)
    commands[sys.argv[1]](loaded)
