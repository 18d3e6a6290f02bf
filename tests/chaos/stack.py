"""A stack of the tests' own: `./dev up` with its own state and ports, and what one does to its processes."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
PORTS = 150  # a stack's range
UNLIMITED = {"WASL_GATEWAY_SIGN_IN_PER_MINUTE": "1000000", "WASL_GATEWAY_WRITES_PER_MINUTE": "1000000"}


def free_port_base() -> int:
    """The first of a range of ports in which none is taken now; two processes that ask at once begin apart."""
    for base in range(20_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) * 40 * PORTS, 60_000, PORTS):
        with contextlib.ExitStack() as held:
            try:
                for port in range(base, base + PORTS):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise RuntimeError("no free range of ports")


class Stack:
    """A running stack. `environment` is what `./dev` and its processes were given and found."""

    def __init__(self, home: pathlib.Path, **environment: str) -> None:
        given = {"WASL_HOME": str(home), "WASL_PORT_BASE": str(free_port_base()), **UNLIMITED, **environment}
        # WASL_… that a shell has are another stack's
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WASL_")}
        self.home, self.environment = home, {**inherited, **given}
        self.url = f"http://127.0.0.1:{given['WASL_PORT_BASE']}"

    def dev(self, *arguments: str, check: bool = True) -> str:
        """Runs `./dev …`; returns what it printed. Raises CalledProcessError with its output."""
        done = subprocess.run(
            [ROOT / "dev", *arguments], env=self.environment, cwd=ROOT, text=True, capture_output=True, timeout=240
        )
        if check and done.returncode:
            raise RuntimeError(f"./dev {' '.join(arguments)} exited {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def pids(self) -> dict[str, int]:
        """Of every process that runs, by its name."""
        rows = re.findall(r"^(\S+) +\w+ +(\d+) ", self.dev("status", check=False), re.MULTILINE)
        return {name: int(pid) for name, pid in rows}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pids()[name], number)

    def variable(self, name: str) -> str:
        """Of the file that the stack's processes read."""
        read = subprocess.run(
            ["/bin/bash", "-c", f'. "{self.home}/env"; printf %s "${name}"'], text=True, capture_output=True, check=True
        )
        return read.stdout


@contextlib.contextmanager
def running(home: pathlib.Path, *up: str, **environment: str) -> Iterator[Stack]:
    """A stack that is ready, and stopped afterwards; by SIGTERM, too, which raises KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    stack = Stack(home, **environment)
    try:
        stack.dev("up", "--detach", *up)
        yield stack
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it stops already
        stack.dev("down")
        signal.signal(signal.SIGTERM, before)
