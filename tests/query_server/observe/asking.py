"""A server that is observed, and what it tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from metrics_port import fetch
from processes import RunningServer
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Observed:
    """A server, its metrics port, and what it was made to do."""

    server: RunningServer
    port: int
    scored: int
    capture: float

    def log(self) -> list[dict[str, Any]]:
        """Return the log's entries; every line must be one."""
        text = (self.server.state.parent / f"{self.server.state.name}.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return the value of every series, by its name and labels."""
        status, text = fetch(self.port, "/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Return the value of one series."""
        return self.samples()[name, frozenset(labels.items())]
