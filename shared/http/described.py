"""What a service's OpenAPI document says besides its routes: which problems each one answers.

A route names those of its own (`responses=problems_of(...)`); what every route answers, and what
is answered before a route is asked, is added here.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

PROBLEM_TYPE: Final = "application/problem+json"
Responses = dict[int | str, dict[str, Any]]

_PROBLEM: Final = {
    "title": "Problem",
    "description": "Why a request was not done (RFC 9457). `type` says which members there are.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "pattern": "^/problems/[a-z-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "because": {"enum": ["input", "actor", "state", "unknown"], "description": "of `refused`"},
        "rule": {"type": "string", "description": "of `refused`: the rule that says no"},
        "expected": {"type": "string", "description": "of `refused`"},
        "found": {"type": "string", "description": "of `refused`"},
        "clause": {"type": "string", "description": "of `refused`: where the law says so"},
        "field": {"type": "string", "description": "of `refused`: which field of the request"},
        "errors": {
            "type": "array",
            "description": "of `invalid-request`: each wrong field",
            "items": {
                "type": "object",
                "required": ["field", "rule", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "rule": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
        "error_id": {"type": "string", "format": "uuid", "description": "of `unexpected`"},
        "bytes_max": {"type": "integer", "description": "of `body-too-large`"},
        "wait_s": {"type": "number", "description": "of `body-too-slow`"},
        "accepted": {"type": "string", "description": "of `wrong-content-type`"},
    },
}
_SAYS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.UNAUTHORIZED: "Without a valid token",
    HTTPStatus.FORBIDDEN: "Not for this caller",
    HTTPStatus.NOT_FOUND: "No such thing, or not for this caller",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not come in time",
    HTTPStatus.CONFLICT: "Not in the state the case is in, or somebody else was first",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON in UTF-8",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request can never succeed as it is",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A bug; it is recorded under `error_id`",
    HTTPStatus.SERVICE_UNAVAILABLE: "Nothing was done: wait and repeat",
}
_HEADERS: Final[Mapping[HTTPStatus, Mapping[str, Any]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "Retry-After": {
            "required": True,
            "description": "Seconds to wait",
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}
_WITH_BODY: Final = frozenset({"post", "put", "patch"})


def problems_of(*statuses: HTTPStatus) -> Responses:
    """Problems as `responses` of a route, a router or an application names them."""
    return {int(status): _problem(status) for status in statuses}


def _problem(status: HTTPStatus) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    found: dict[str, Any] = {
        "description": _SAYS[status],
        "content": {PROBLEM_TYPE: {"schema": schema}},
    }
    if status in _HEADERS:
        found["headers"] = dict(_HEADERS[status])
    return found


OF_EVERY_ROUTE: Final = problems_of(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
OF_WHAT_MAY_BE_MISSING: Final = problems_of(HTTPStatus.NOT_FOUND)
"""Every path with a parameter has it by itself."""
OF_WHAT_CHANGES: Final = problems_of(HTTPStatus.CONFLICT)
_OF_BODIES: Final = problems_of(
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
"""What `limits.py` answers before any route is asked."""


def install(app: FastAPI) -> None:
    """Complete the document of an application; it is made once, when it is first asked for."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]  # FastAPI's documented way


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = {**components.get("schemas", {}), "Problem": _PROBLEM}
    components["schemas"] = dict(sorted(schemas.items()))
    for path, method, operation in _operations(document):
        responses = operation["responses"]
        if "{" in path:
            responses |= {str(status): said for status, said in OF_WHAT_MAY_BE_MISSING.items()}
        if method in _WITH_BODY:
            responses |= {str(status): said for status, said in _OF_BODIES.items()}
        operation["responses"] = dict(sorted(responses.items()))
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
