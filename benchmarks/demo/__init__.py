"""``python -m benchmarks demo``: an active-learning loop over gRPC on real digits, and a report that shows why.

Trains a bundle on scikit-learn's digits, builds the index, starts a server in its own process, runs four strategies as
campaigns from the same initial labels, and writes summary.json and one self-contained report.html.
"""

from benchmarks.demo.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
