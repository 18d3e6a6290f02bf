"""OpenTelemetry traces over the same path as the correlation id: gRPC, outbox, AMQP, effect. Off without an endpoint.

The context travels as W3C `traceparent`: gRPC metadata, then the CloudEvents distributed tracing extension. Spans go
out over OTLP/HTTP, since a worker must not load grpc.
"""

import contextlib
from collections.abc import Iterator, Mapping

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

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


Span = contextlib.AbstractContextManager[object]
_NO_SPAN: Span = contextlib.nullcontext()


def _span(name: str, kind: SpanKind, carrier: Mapping[str, str], **attributes: str) -> Span:
    if _tracer is None:
        return _NO_SPAN
    return _recorded(_tracer, name, kind, carrier, attributes)


@contextlib.contextmanager
def _recorded(
    tracer: trace.Tracer, name: str, kind: SpanKind, carrier: Mapping[str, str], attributes: dict[str, str]
) -> Iterator[None]:
    with tracer.start_as_current_span(
        name,
        propagate.extract(carrier),
        kind=kind,
        attributes=attributes,
        record_exception=False,  # an error's text may hold what a person wrote
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", type(error).__name__)
            raise


def serve(method: str, metadata: Mapping[str, str]) -> Span:
    """Around one call; `method` is `/package.Service/Method`."""
    return _span(method[1:], SpanKind.SERVER, metadata, **{"rpc.system": "grpc", "rpc.method": method})


def consume(event: Event, handler: str) -> Span:
    """Around one event's effect."""
    about = {"messaging.system": "rabbitmq", "messaging.message.id": event.id}
    return _span(handler, SpanKind.CONSUMER, {"traceparent": event.traceparent}, **about)
