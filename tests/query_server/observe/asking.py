"""Asks a server's metrics port."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from processes import RunningServer
from prometheus_client.parser import text_string_to_metric_families

# urlopen's own reads the proxies of the environment when it is first used, whoever set them then.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port: int, path: str) -> tuple[int, str]:
    """Return (status, body) of a path."""
    try:
        with _DIRECT.open(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


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
