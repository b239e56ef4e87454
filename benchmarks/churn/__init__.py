"""``python -m benchmarks churn``: a pool that changes by a quarter, and the compaction that follows.

A tenth of the samples is removed and 15 % as many are added, in rounds, most of them of two classes that the index was
built without. Recall@10 is that of the served pool on encoded synthetic samples, against all that is alive, scanned
exactly; a neighbor counts as found if it is no farther than the exact tenth. Selections are timed before, after the
changes, while the pool is compacted, and afterwards.
"""

from benchmarks.churn.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
