"""One cluster for all tests here; a test that kills a node gets it back in the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ray_cluster import TwoNodes, two_nodes


@pytest.fixture(scope="session")
def _cluster() -> Iterator[TwoNodes]:
    pytest.importorskip("ray", reason="needs the extra ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        with two_nodes() as cluster:
            yield cluster


@pytest.fixture
def cluster(_cluster: TwoNodes) -> TwoNodes:
    """Return the cluster with both nodes up."""
    _cluster.start_second()
    return _cluster
