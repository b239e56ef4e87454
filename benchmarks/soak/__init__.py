"""Mixed load for as long as asked: errors, latencies, memory and file handles over time."""

from benchmarks.soak.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
