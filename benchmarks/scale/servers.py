"""A server for every size at once, with classifiers that all of them have compiled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.common.classifiers import WithEmbedding, train_classifier
from benchmarks.common.pools import plan_for
from benchmarks.common.processes import serving
from benchmarks.scale.building import Bench
from benchmarks.scale.memory import Memory, memory_of_family
from benchmarks.scale.sizes import Size
from client import Acquisition, ClassifierExporter, ClassifierInfo, Client

LABELS, MORE_LABELS = 300, 100
ACQUISITION = Acquisition.MARGIN


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """A size behind a server.

    Attributes:
        size: Which.
        client: Of the server.
        process: The server's.
        classifiers: Uploaded, one a round.
        start_seconds: From the start of the process until it served.
        start_memory: Then.
    """

    size: Size
    client: Client
    process: psutil.Process
    classifiers: tuple[ClassifierInfo, ...]
    start_seconds: float
    start_memory: dict[str, Memory]


class Networks:
    """A classifier for each round, of 300 labels and 100 more each time, all of samples of the smallest pool.

    Attributes:
        modules: One a round.
        initial: Ids uint64 [300] that every campaign starts with.
    """

    def __init__(self, bench: Bench, smallest: int, rounds: int) -> None:
        grown = bench.grown
        ids = (
            np.random.default_rng(0)
            .permutation(smallest)[: LABELS + MORE_LABELS * (rounds - 1)]
            .astype(np.uint64)
        )
        samples = np.load(grown.path, mmap_mode="r")
        x, y = self.inputs(samples[ids.astype(np.int64)]), grown.labels_of(ids)
        plan = plan_for(samples.shape[1:], 10)
        counts = [LABELS + MORE_LABELS * round_ for round_ in range(rounds)]
        self.modules = tuple(train_classifier(plan, x[:count], y[:count], seed=count) for count in counts)
        self.initial = ids[:LABELS]
        self.labels_of = grown.labels_of

    @staticmethod
    def inputs(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return model inputs float32 [n, 1, 28, 28] of samples [n, 28, 28], as the bundle makes them."""
        return raw[:, None].astype(np.float32) * np.float32(2 / 255) - 1


@contextmanager
def serve_all(
    bench: Bench, sizes: Sequence[Size], networks: Networks, options: Sequence[str]
) -> Iterator[tuple[Served, ...]]:
    """Start a server for each size, upload the classifiers to it and have it compile them."""
    with ExitStack() as stack:
        served = []
        for size in sizes:
            started = time.perf_counter()
            target = stack.enter_context(
                serving(
                    bundle=bench.bundle,
                    index=bench.index(size),
                    state=bench.folder(size) / "state",
                    threads=bench.threads,
                    options=options,
                )
            )
            seconds = time.perf_counter() - started
            client = stack.enter_context(Client.connect(target, timeout_seconds=3600))
            process = _process_of(bench, size)
            memory = memory_of_family(process.pid)
            exporter = ClassifierExporter(client.get_pool().input_shape)
            uploaded = tuple(
                client.upload_classifier(exporter(WithEmbedding(each))) for each in networks.modules
            )
            for each in uploaded:
                client.synthesize_samples(each, latents=1, steps=1, acquisition=ACQUISITION)
            served.append(
                Served(
                    size=size,
                    client=client,
                    process=process,
                    classifiers=uploaded,
                    start_seconds=seconds,
                    start_memory=memory,
                )
            )
        yield tuple(served)


def _process_of(bench: Bench, size: Size) -> psutil.Process:
    index = str(bench.index(size))
    return next(child for child in psutil.Process().children() if index in child.cmdline())
