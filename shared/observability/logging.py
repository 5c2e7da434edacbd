"""Log lines: one JSON object per event on stderr, with service, replica and trace.

An event's name is a constant; what varies goes into keys. Three nets keep persons out: keys that
are known to be personal are replaced, so is every twelve-digit number (the form of an IIN), and
exceptions show no values (see `faults`). They are nets: the rule is not to log such things.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Final, TextIO

import structlog
from opentelemetry import trace

from shared.observability.faults import described

PERSONAL: Final = "[personal]"

PERSONAL_KEYS: Final = frozenset(
    {
        "address",
        "authorization",
        "birth_date",
        "birthdate",
        "body",
        "email",
        "first_name",
        "form",
        "full_name",
        "given_name",
        "iban",
        "iin",
        "iins",
        "last_name",
        "middle_name",
        "password",
        "patronymic",
        "phone",
        "private",
        "recipient",
        "remark",
        "surname",
        "text",
        "token",
    }
)
_IIN: Final = re.compile(r"(?<![\w-])[0-9]{12}(?![\w-])")
_TEXT_MAX: Final = 2_000
_DEPTH_MAX: Final = 5

_QUIET: Final = ("httpx", "httpcore", "asyncio", "faststream", "aiokafka", "uvicorn.access")
"""Libraries that tell too much at INFO; httpx even whole addresses."""

Line = MutableMapping[str, object]


def configure_logging(
    service: str, *, replica: str, level: str = "info", stream: TextIO | None = None
) -> None:
    """Send everything that is logged, by us and by libraries, through here. Call it first."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    target = stream if stream is not None else sys.stderr
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Origin(service, replica),
        _with_trace,
        _with_fault,
        _without_persons,
    ]
    structlog.configure(
        processors=[*before, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_with_logger, *before],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


class _Origin:
    """Adds which process says this."""

    def __init__(self, service: str, replica: str) -> None:
        self._origin = {"service": service, "replica": replica}

    def __call__(self, _logger: object, _method: str, line: Line) -> Line:
        line.update(self._origin)
        return line


def _with_logger(_logger: object, _method: str, line: Line) -> Line:
    """Name the library a foreign line comes from."""
    record = line.get("_record")
    if isinstance(record, logging.LogRecord):
        line["logger"] = record.name
    return line


def _with_trace(_logger: object, _method: str, line: Line) -> Line:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace"] = f"{context.trace_id:032x}"
    return line


def _with_fault(_logger: object, _method: str, line: Line) -> Line:
    """Turn `exc_info` (True, an exception or a triple) into types and stacks."""
    given = line.pop("exc_info", None)
    line.pop("stack_info", None)
    if given is True:
        given = sys.exception()
    elif isinstance(given, tuple):
        given = given[1]
    if isinstance(given, BaseException):
        line["faults"] = described(given)
    return line


def _without_persons(_logger: object, _method: str, line: Line) -> Line:
    for key, value in line.items():
        if not key.startswith("_"):
            line[key] = _clean(key, value, _DEPTH_MAX)
    return line


def _clean(key: str, value: object, depth: int) -> object:
    """A value fit for a line: plain, bounded, and nothing that is known to be of a person."""
    if key.lower() in PERSONAL_KEYS:
        return PERSONAL
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Mapping) and depth:
        return {str(name): _clean(str(name), each, depth - 1) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_clean(key, each, depth - 1) for each in value]
    text = type(value).__name__ if isinstance(value, BaseException) else str(value)
    clean = _IIN.sub(PERSONAL, text[:_TEXT_MAX])
    return value if isinstance(value, int) and clean == text else clean
