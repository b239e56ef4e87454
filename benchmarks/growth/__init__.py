"""``python -m benchmarks growth``: the time of one selection as the pool grows, at equally many scored samples.

Two servers run side by side, one on a pool and one on the same pool grown to a million samples. They take turns, one
selection each, with one classifier and equally many labels, so that what drifts on the machine drifts for both.
"""

from benchmarks.growth.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
