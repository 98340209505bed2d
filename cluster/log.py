"""Structured logs on standard error: one event a line, as JSON or as text for people.

Our own events are written straight to it: the way through `logging`, which the libraries' events take, costs more than
many a command.
"""

import contextlib
import logging
import sys
from collections import deque
from typing import Final, Literal

import structlog

LogFormat = Literal["text", "json"]


_WARNINGS: Final = frozenset({"warning", "error", "critical"})
_NO_FIELDS: Final = frozenset({"event", "level", "part", "timestamp", "exception", "_record", "_from_structlog"})
_MAX_TEXT: Final = 400
_remembered: Final[deque[tuple[str, str]]] = deque(maxlen=30)  # appended to by any thread


class _StandardError:
    """Where structlog puts finished lines; each is written whole, by whichever thread."""

    def msg(self, line: str) -> None:
        """Write one line; where nobody reads them any more, there is nobody to tell."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = exception = msg


def _remember(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event.get("level") in _WARNINGS:
        fields = ", ".join(f"{key} {value!r}" for key, value in event.items() if key not in _NO_FIELDS)
        text = f"{event.get('event')}: {fields}" if fields else str(event.get("event"))
        _remembered.append((str(event.get("timestamp", "")), text[:_MAX_TEXT]))
    return event


def last_warnings() -> tuple[tuple[str, str], ...]:
    """When (ISO, UTC) and what this process last warned of, or worse; the newest last."""
    return tuple(_remembered)


def start_logging(log_format: LogFormat, *, part: str, level: int = logging.INFO, **more: int) -> None:
    """Send all logs of this process, the libraries' too, to standard error; every event carries `part`, and `more`.

    In both formats a value is written as a literal, so a file or user name can forge neither a line nor a field.
    """

    def name_part(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["part"] = part
        event.update(more)
        return event

    shared: list[structlog.typing.Processor] = [
        name_part,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    shared.append(_remember)
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], sort_keys=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last], foreign_pre_chain=shared
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, last],
        logger_factory=lambda *_: _StandardError(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one file of the project: `log.info("login", account=…, client=…)`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
