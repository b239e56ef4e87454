"""``python -m benchmarks capture --pool NAME``: how near a bounded search comes to the highest scores of the pool.

Capture is the mean score of the picks divided by that of the best batch of all unlabeled samples. It is the diagnostic
of the search, not the goal: the highest scores are not what teaches most (``label-efficiency`` measures that).

Every strategy runs through the same sequence of classifiers, trained on 100, 200, ... 500 labels drawn at random, so
that none makes its own later rounds easier or harder; the exhaustive scores of those classifiers are then the same for
all and kept on disk. What a strategy picks is labeled in its own campaign and so leaves its pool, as in a real one, and
the exhaustive best batch it is divided by is that of what its campaign has left; but the classifiers are not trained on
it. Carry-over thus sees consecutive rounds, and its first round is one without anything carried.

Scores are maximum entropies in nats, computed in float32 for both sides of the division.
"""

from benchmarks.capture.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
