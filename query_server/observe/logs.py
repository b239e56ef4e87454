"""Log lines as text or as JSON, one object a line; lines written during a request carry its id."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from query_server.observe.request import CURRENT

_encode = json.JSONEncoder(ensure_ascii=False).encode  # made once: dumps makes one a call

LogFormat = Literal["text", "json"]


def configure_logs(level: str, log_format: LogFormat, stream: TextIO) -> None:
    """Send every logger of this process to a stream, in one of the two formats."""
    # The library finds out for every line what neither format says.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("faiss").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """For a terminal: time, level, logger, message, and the request's id where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Append the request's id."""
        line = super().formatMessage(record)
        request = CURRENT.get()
        if request is None:
            return line
        caller = f" caller={request.caller}" if request.caller else ""
        return f"{line} [request_id={request.request_id} peer={request.peer}{caller}]"


class JsonFormatter(logging.Formatter):
    """For a collector of logs. Fields that do not apply are left out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line: time, level, logger, message, what is known of the request, and the exception."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        settings = getattr(record, "settings", None)
        if settings is not None:
            entry["settings"] = settings
        request = CURRENT.get()
        if request is not None:
            running = time.perf_counter() - request.started
            entry |= {
                "request_id": request.request_id,
                "method": request.name,
                "peer": request.peer,
                "caller": request.caller,
                "code": request.code,
                "duration_ms": round((request.seconds or running) * 1e3, 3),
                "reason": request.reason,
                "incident": request.incident,
            }
            if request.span is not None:
                entry["trace_id"] = f"{request.span.get_span_context().trace_id:032x}"
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _encode({key: value for key, value in entry.items() if value != ""})
