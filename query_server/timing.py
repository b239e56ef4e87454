"""Where a request's time goes: wall time per stage, and the part of each spent inside ONNX Runtime or FAISS.

The adapters around the two engines mark their calls with ``engine()``; whoever runs a request activates a
``StageClock``. The clock travels in a context variable, so no signature between the two has to carry it. So does the
``LISTENER``, who hears of every stage as it ends, whether or not the request comes to an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class StageTiming:
    """Time of one stage.

    Attributes:
        stage: For example ``"synthesize"``.
        seconds: Wall time.
        engine_seconds: The part of it inside ONNX Runtime or FAISS.
    """

    stage: str
    seconds: float
    engine_seconds: float


@dataclass(frozen=True, slots=True)
class StageRun:
    """One run of a stage.

    Attributes:
        stage: For example ``"search"``.
        started: ``time.perf_counter()`` at its start.
        ended: At its end.
        engine_seconds: The part of it inside ONNX Runtime or FAISS.
    """

    stage: str
    started: float
    ended: float
    engine_seconds: float


# Called on the thread that did the work.
LISTENER: ContextVar[Callable[[StageRun], None] | None] = ContextVar("dowser_stage_listener", default=None)


class StageClock:
    """Collects the stages of one request; not shared between threads."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, list[float]] = {}
        self.engine_seconds = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage; a stage entered again adds up. Stages do not nest."""
        token = _CLOCK.set(self)
        started, engine_before = time.perf_counter(), self.engine_seconds
        try:
            yield
        finally:
            ended, engine = time.perf_counter(), self.engine_seconds - engine_before
            sums = self._stages.setdefault(name, [0.0, 0.0])
            sums[0] += ended - started
            sums[1] += engine
            _CLOCK.reset(token)
            report(name, started, ended, engine)

    def timings(self) -> tuple[StageTiming, ...]:
        """Return the stages in the order they first ran."""
        return tuple(
            StageTiming(stage=name, seconds=seconds, engine_seconds=engine)
            for name, (seconds, engine) in self._stages.items()
        )

    def total_seconds(self) -> float:
        """Return the wall time since the clock was made."""
        return time.perf_counter() - self._started


_CLOCK: ContextVar[StageClock | None] = ContextVar("dowser_stage_clock", default=None)


def report(stage: str, started: float, ended: float, engine_seconds: float = 0.0) -> None:
    """Tell the listener of a stage; for what no clock measures, such as the wait for a thread."""
    listener = LISTENER.get()
    if listener is not None:
        listener(StageRun(stage, started, ended, engine_seconds))


@contextmanager
def reported(stage: str) -> Iterator[None]:
    """Report work that no clock measures, such as the commit after the answer was made."""
    started = time.perf_counter()
    try:
        yield
    finally:
        report(stage, started, time.perf_counter())


@contextmanager
def engine() -> Iterator[None]:
    """Mark a call into ONNX Runtime or FAISS."""
    clock = _CLOCK.get()
    if clock is None:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        clock.engine_seconds += time.perf_counter() - started


def measured(work: Callable[[], _Result]) -> tuple[_Result, float]:
    """Run work that has a thread of its own; return its result and its engine seconds, to be credited."""
    clock = StageClock()
    token = _CLOCK.set(clock)
    try:
        return work(), clock.engine_seconds
    finally:
        _CLOCK.reset(token)


def credit(engine_seconds: float) -> None:
    """Add engine time spent on other threads while this one waited."""
    clock = _CLOCK.get()
    if clock is not None:
        clock.engine_seconds += engine_seconds
