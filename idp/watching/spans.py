"""What does a trace tell about the inside of one request? Spans that we open ourselves (OpenTelemetry, extra `traces`).

Off (no `traces_to`), `span` hands out one object that does nothing, and OpenTelemetry is not even imported. On, spans
carry kinds, counts and codes: no path, address, name or token. What goes out goes to one collector of the operator's.
"""

from __future__ import annotations

import atexit
import importlib.util
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

PATIENCE = 2.0
"""Seconds for a collector to answer."""
_tracer: Any = None
_off: AbstractContextManager[Any] = nullcontext()


def installed() -> bool:
    return all(
        importlib.util.find_spec(name)
        for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    )


def begin(collector: str, *, share: float, exporter: Any = None) -> None:
    """From here on this process traces this share of its requests, and sends spans to the collector in the background."""
    global _tracer  # noqa: PLW0603 - one process, one tracer
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider = TracerProvider(
        resource=Resource({"service.name": "leersleutel"}),
        sampler=ParentBased(TraceIdRatioBased(share)),
        shutdown_on_exit=False,
    )
    if exporter is None:
        to = OTLPSpanExporter(f"{collector.rstrip('/')}/v1/traces", timeout=PATIENCE)
        provider.add_span_processor(BatchSpanProcessor(to))
        atexit.register(_leave, provider)
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    _tracer = provider.get_tracer("idp")


def _leave(provider: Any) -> None:
    """Send what is left, but wait for no collector that is away."""
    sending = threading.Thread(target=provider.shutdown, daemon=True)
    sending.start()
    sending.join(PATIENCE)


def end() -> None:
    """Trace no more: for tests."""
    global _tracer  # noqa: PLW0603
    _tracer = None


def span(name: str, **words: str | int) -> AbstractContextManager[Any]:
    """A piece of work inside the span that is open."""
    if _tracer is None:
        return _off
    opened: AbstractContextManager[Any] = _tracer.start_as_current_span(
        name, attributes=words, record_exception=False, set_status_on_exception=True
    )
    return opened


def request(kind: str) -> AbstractContextManager[Any]:
    """The span of a whole request. What a stranger says in `traceparent` chooses nothing here."""
    if _tracer is None:
        return _off
    from opentelemetry.trace import SpanKind

    opened: AbstractContextManager[Any] = _tracer.start_as_current_span(
        kind, kind=SpanKind.SERVER, record_exception=False
    )
    return opened


def number() -> str | None:
    """The id of the trace that is open, for the log."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
