"""What is known of the request under way; log lines and stages find it by a context variable."""

from __future__ import annotations

import random
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from query_server.timing import StageRun

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_MAX_TEXT = 128
# A climb searches, reads and scores hundreds of times; a trace of so many is read by nobody.
_MAX_STAGE_RUNS = 256

Fact = str | int | float | bool


@dataclass(kw_only=True, slots=True)
class RequestRecord:
    """One request, filled in while it runs.

    Attributes:
        method: For example ``"dowser.v1.SelectionService/SelectSamples"``.
        peer: The caller's address as gRPC writes it.
        request_id: The caller's, or one made here.
        caller: Who it is, where that was found out; never a secret.
        facts: Of the request and its answer: numbers and names, never samples.
        started: ``time.perf_counter()`` at its arrival.
        started_ns: The same moment, in nanoseconds since the epoch.
        code: The name of the gRPC status it ended with; empty while it runs.
        reason: The domain error's reason, where there was one.
        incident: Names the log entry of an unexpected failure.
        seconds: Its duration; 0 while it runs.
        runs: Its stages, one entry each time a stage ran, the first ``_MAX_STAGE_RUNS``.
        runs_left_out: Entries beyond those.
        span: Its trace span, where traces are made.
        message: The request message, once it has arrived; None for a stream of them.
    """

    method: str
    peer: str
    request_id: str
    caller: str = ""
    facts: dict[str, Fact] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    started_ns: int = field(default_factory=time.time_ns)
    code: str = ""
    reason: str = ""
    incident: str = ""
    seconds: float = 0.0
    runs: list[StageRun] = field(default_factory=list)
    runs_left_out: int = 0
    span: Span | None = None
    message: object = None
    _stages: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The method without its service."""
        return self.method.rpartition("/")[2]

    def add_stage(self, run: StageRun) -> None:
        """Take what a stage reports; called on the thread that does the work."""
        seconds, engine = self._stages.get(run.stage, (0.0, 0.0))
        self._stages[run.stage] = seconds + run.ended - run.started, engine + run.engine_seconds
        if len(self.runs) < _MAX_STAGE_RUNS:
            self.runs.append(run)
        else:
            self.runs_left_out += 1

    def stages(self) -> dict[str, tuple[float, float]]:
        """Return stage → (seconds, the part inside ONNX Runtime or FAISS), each summed over its runs."""
        return dict(self._stages)  # a copy: the work of a caller who left may still report

    def wall_ns(self, moment: float) -> int:
        """Return a ``time.perf_counter()`` of this process as nanoseconds since the epoch."""
        return self.started_ns + int((moment - self.started) * 1e9)

    def end(self, code: str) -> None:
        """Note the status and stop the watch."""
        self.seconds = time.perf_counter() - self.started
        self.code = code


def new_request_id() -> str:
    """Return an id for a request that came without one; it names, and guards nothing."""
    return f"{random.getrandbits(64):016x}"


CURRENT: ContextVar[RequestRecord | None] = ContextVar("dowser_request", default=None)


def plain(text: str) -> str:
    """Return a caller's text fit for one log line: printable, at most 128 characters."""
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)
