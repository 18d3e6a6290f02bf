"""Takes what OpenTelemetry exporters send over HTTP."""

import http.server

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(http.server.ThreadingHTTPServer):
    """Keeps every span, with the name of the process that sent it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        super().__init__(("127.0.0.1", 0), _Take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of_trace(self, trace_id: str) -> set[tuple[str, str]]:
        """Process and name of the spans of a trace."""
        return {(process, span.name) for process, span in self.spans[:] if span.trace_id.hex() == trace_id}


class _Take(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self._body())
        for one in request.resource_spans:
            (name,) = (item.value.string_value for item in one.resource.attributes if item.key == "service.name")
            self.server.spans += [(name, span) for scope in one.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def _body(self) -> bytes:
        """Envoy sends it in chunks (RFC 9112, 7.1), the services whole."""
        if length := self.headers["content-length"]:
            return self.rfile.read(int(length))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_: object) -> None:
        pass
