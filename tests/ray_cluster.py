"""A Ray cluster of two small nodes on this machine, of which one can be killed at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil


class TwoNodes:
    """Head and second node, a CPU each.

    Attributes:
        address: HOST:PORT.
    """

    def __init__(self, cluster: Any, node: dict[str, Any]) -> None:
        self._cluster = cluster
        self._node = node
        self._second: Any = None
        self.address: str = cluster.address

    def start_second(self) -> None:
        """Start the second node unless it is up."""
        if self._second is None:
            self._second = self._cluster.add_node(**self._node)
            self._cluster.wait_for_nodes(timeout=60)

    def kill_second_at_work(self, still_running: Callable[[], bool], tasks: int = 2) -> None:
        """Kill the second node, its processes and what they computed, while it has one of our tasks at hand.

        Args:
            still_running: Whether the command that is to outlive the node goes on.
            tasks: How often it must be seen at work.
        """
        (raylet,) = self._second.all_processes["raylet"]
        seen = 0
        deadline = time.monotonic() + 240
        while seen < tasks:
            assert still_running(), "it ended before"
            assert time.monotonic() < deadline, "the second node has nothing to do"
            seen += _is_at_work(psutil.Process(raylet.process.pid))
            time.sleep(0.01)
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = None


def _is_at_work(raylet: psutil.Process) -> bool:
    """Say whether a worker of a node runs a task: Ray names its process after it meanwhile."""
    for process in raylet.children():
        try:
            title = " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        if title.startswith("ray::") and "_answered" in title:
            return True
    return False


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Start a cluster and end it."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.2"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        yield TwoNodes(cluster, node)
    finally:
        cluster.shutdown()
