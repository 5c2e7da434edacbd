"""What surrounds every request: its id, its span, its measure, and headers for safety."""

import time
from typing import Final

import structlog
from opentelemetry.trace import Span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.identifiers import new_id
from shared.observability import metrics
from shared.observability.tracing import is_tracing, span

_SAFE_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_UNWATCHED: Final = ("/health/", "/metrics")
"""What machines ask every few seconds: neither traced nor measured."""

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class RequestFrame:
    """See the module. A pure ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Its id is ours: one from outside could name a person in every log line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        frame = _Frame(scope, send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if not is_tracing() or scope["path"].startswith(_UNWATCHED):
                await self._app(scope, receive, frame.send)
                return
            with span(
                f"HTTP {frame.method}", parent=_traceparent(scope), is_server=True
            ) as running:
                frame.span = running
                await self._app(scope, receive, frame.send)


class _Frame:
    """One request on its way out."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id.encode()
        self._began = time.perf_counter()
        self.method = scope["method"] if scope["method"] in _METHODS else "other"
        self.span: Span | None = None

    async def send(self, message: Message) -> None:
        """Complete the headers when the answer starts, and measure how long that took."""
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += (pair for pair in _SAFE_HEADERS if pair[0] not in present)
            headers.append((b"x-request-id", self._request_id))
            message["headers"] = headers
            self._measure(message["status"])
        await self._send(message)

    def _measure(self, status: int) -> None:
        if self._scope["path"].startswith(_UNWATCHED):
            return
        # The pattern, not the path: paths carry ids, and each would be a series of its own.
        route: str = getattr(self._scope.get("route"), "path", "none")
        elapsed_s = time.perf_counter() - self._began
        metrics.REQUEST_SECONDS.labels(self.method, route, str(status)).observe(elapsed_s)
        if self.span is not None:
            self.span.update_name(f"{self.method} {route}")
            self.span.set_attributes(
                {
                    "http.request.method": self.method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "qyzmet.request_id": self._request_id.decode(),
                }
            )


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value, "latin-1")
    return None
