"""``python -m benchmarks batch``: a score job on MNIST, timed beside bare ONNX Runtime on the same samples.

Both run at the same low priority with the same number of threads and take turns; the reference is the fastest of
several ways to run the same graph. The job's time is from its start to its last shard on disk, the start of its
workers included.
"""

from benchmarks.batch.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
