"""Traces by OpenTelemetry, set up once per process; without an exporter they cost next to nothing.

Errors are marked with their type only: messages and attributes of others could name a person.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

Attributes = Mapping[str, str | int | float | bool]

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_EXPORT_S_MAX: Final = 10


class _Tracing:
    """The tracer of this process; None while tracing is off."""

    provider: TracerProvider | None = None
    tracer: trace.Tracer | None = None


class LineExporter(SpanExporter):
    """Writes one line of JSON per span to the end of a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans and hand them to the operating system."""
        self._file.write("".join(span.to_json(indent=None) + "\n" for span in spans))
        self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        self._file.close()


def configure_tracing(service: str, *, replica: str, traces: str, ratio: float) -> None:
    """Switch tracing on, or off again: `none`, `file:<path>` or `otlp:<endpoint>` (settings).

    Of traces that begin here the share `ratio` is kept; others follow their caller's decision.
    """
    stop_tracing()
    kind, _, place = traces.partition(":")
    if kind == "none":
        return
    exporter = (
        LineExporter(Path(place))
        if kind == "file"
        else OTLPSpanExporter(endpoint=place, timeout=_EXPORT_S_MAX)
    )
    _Tracing.provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource({"service.name": service, "service.instance.id": replica}),
        shutdown_on_exit=False,
    )
    _Tracing.provider.add_span_processor(BatchSpanProcessor(exporter))
    _Tracing.tracer = _Tracing.provider.get_tracer("qyzmet")


def stop_tracing() -> None:
    """Export what is left and switch off. May take as long as the exporter's time limit."""
    if _Tracing.provider is not None:
        _Tracing.provider.shutdown()
    _Tracing.provider = None
    _Tracing.tracer = None


def is_tracing() -> bool:
    """Whether spans are made at all."""
    return _Tracing.tracer is not None


def current_traceparent() -> str | None:
    """The W3C traceparent of the running span, for an event's envelope; None without one."""
    if _Tracing.tracer is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


@contextmanager
def span(
    name: str,
    parent: str | None = None,
    links: Sequence[str] = (),
    attributes: Attributes | None = None,
    *,
    is_server: bool = False,
) -> Iterator[trace.Span]:
    """Run the body in a span, under `parent` (a traceparent) or else the running span.

    A traceparent that is none is ignored: it comes from outside. The span handed out takes
    attributes also while tracing is off, and forgets them.
    """
    if _Tracing.tracer is None:
        yield trace.INVALID_SPAN
        return
    found = _span_context(parent) if parent is not None else None
    linked = (_span_context(link) for link in links)
    with _Tracing.tracer.start_as_current_span(
        name,
        context=trace.set_span_in_context(trace.NonRecordingSpan(found)) if found else None,
        kind=SpanKind.SERVER if is_server else SpanKind.INTERNAL,
        attributes=attributes,
        links=[Link(context) for context in linked if context is not None],
        record_exception=False,
        set_status_on_exception=False,
    ) as running:
        try:
            yield running
        except BaseException as error:
            running.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _span_context(traceparent: str) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
    return context if context.is_valid else None
