"""OpenTelemetry traces over the same path as the correlation id: gRPC, outbox, AMQP, effect. Off without an endpoint.

The context travels as W3C `traceparent`: gRPC metadata, then the CloudEvents distributed tracing extension. Spans go
out over OTLP/HTTP, since a worker must not load grpc.
"""

import contextlib
from collections.abc import Iterator, Mapping

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from chassis.events import Event

_tracer: trace.Tracer | None = None


def configure(service: str, process: str, endpoint: str) -> None:
    """Once, at the start of a process; an empty endpoint leaves traces off."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.pymongo import PymongoInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.namespace": "wasl", "service.name": f"{service}-{process}"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces"), schedule_delay_millis=1000)
    )
    trace.set_tracer_provider(provider)
    PymongoInstrumentor().instrument()
    global _tracer
    _tracer = trace.get_tracer("chassis")


def traceparent() -> str:
    """Of the current span; empty when traces are off."""
    if _tracer is None:
        return ""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")


@contextlib.contextmanager
def _span(name: str, kind: SpanKind, carrier: Mapping[str, str], **attributes: str) -> Iterator[None]:
    if _tracer is None:
        yield
        return
    with _tracer.start_as_current_span(name, propagate.extract(carrier), kind=kind, attributes=attributes):
        yield


def serve(method: str, metadata: Mapping[str, str]) -> contextlib.AbstractContextManager[None]:
    """Around one call; `method` is `/package.Service/Method`."""
    return _span(
        method[1:],
        SpanKind.SERVER,
        metadata,
        **{"rpc.system": "grpc", "rpc.method": method},
    )


def consume(event: Event, handler: str) -> contextlib.AbstractContextManager[None]:
    """Around one event's effect."""
    carrier = {"traceparent": event.traceparent}
    return _span(
        handler,
        SpanKind.CONSUMER,
        carrier,
        **{"messaging.system": "rabbitmq", "messaging.message.id": event.id},
    )


def on() -> bool:
    return _tracer is not None
