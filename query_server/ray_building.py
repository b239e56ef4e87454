"""Index builds on Ray: spans of the pool are encoded, and blocks of the index filled, by any node that sees the files.

The driver alone writes: tasks return bytes, so a task that runs twice (its node was given up and still lives) does no
harm, and a directory is the same as the local engine's at every moment.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from query_server.errors import corrupt_file, invalid_argument
from query_server.models import Bundle, Runtime
from query_server.pool import Encoded, Span, SpanEncoder, filled_block
from query_server.ray_tasks import MAX_RESULT_BYTES, in_order
from samples.files import open_samples


@dataclass(frozen=True, kw_only=True)
class RayWorkers:
    """What the nodes open, all of them under the same absolute paths.

    Attributes:
        bundle: The bundle's folder.
        bundle_digest: The driver's bundle; a node that has another refuses.
        pool: The raw samples.
        key: The array inside an .npz file.
        size: N.
        sample_bytes: Of a raw sample with its features.
        threads: Of a task; the bits of what is encoded depend on them.
        device: "cpu", or "cuda" for a GPU a task.
    """

    bundle: Path
    bundle_digest: str
    pool: Path
    key: str | None
    size: int
    sample_bytes: int
    threads: int
    device: str

    def encode(self, spans: Sequence[Span]) -> Iterator[Encoded]:
        """Yield the raw samples and features of each span.

        Raises:
            DowserError: INVALID_ARGUMENT for spans too long for Ray; CORRUPT_FILE where a node sees other files.
            SampleError: A sample cannot be read.
        """
        longest = max((last - first for first, last in spans), default=0)
        limit = MAX_RESULT_BYTES // self.sample_bytes
        if longest > limit:
            raise invalid_argument("chunk", longest, f"at most {limit} samples on Ray (2 GiB with features)")
        task = functools.partial(_encode, workers=self, spans=tuple(spans))
        return in_order(task, range(len(spans)), threads=self.threads, device=self.device)

    def fill(self, directory: Path, spans: Sequence[Span]) -> Iterator[bytes]:
        """Yield each span's block of an unfinished index directory."""
        task = functools.partial(_fill, directory=directory, spans=tuple(spans), threads=self.threads)
        return in_order(task, range(len(spans)), threads=self.threads, device="cpu")


def _encode(number: int, *, workers: RayWorkers, spans: tuple[Span, ...]) -> Encoded:
    return _encoder(workers)(*spans[number])


def _fill(number: int, *, directory: Path, spans: tuple[Span, ...], threads: int) -> bytes:
    return filled_block(directory, spans[number], threads=threads)


@functools.lru_cache(maxsize=1)
def _encoder(workers: RayWorkers) -> SpanEncoder:
    """Open bundle and pool, once in each of Ray's processes."""
    bundle = Bundle.open(workers.bundle, Runtime(device=workers.device, threads=workers.threads))
    if bundle.digest != workers.bundle_digest:
        raise corrupt_file(workers.bundle, "this node sees another bundle than the one the build began with")
    source = open_samples(workers.pool, key=workers.key)
    if len(source) != workers.size:
        raise corrupt_file(
            workers.pool, f"this node sees {len(source)} samples, the build began with {workers.size}"
        )
    return SpanEncoder(
        source=source,
        encode=bundle.encode,
        preprocessing=bundle.preprocessing,
        feature_dim=bundle.feature_dim,
    )
