"""``python -m benchmarks throughput``: rounds a second as callers grow in number, and whether each gets its share.

Every caller has a campaign of its own and goes through rounds without a pause: it uploads a classifier that the server
has never seen, selects, and gives the samples back, so that all rounds ask for the same. Beside them one more caller
asks short questions. Numbers of callers are measured in turns, forth and back, so that drift of the machine cancels.
"""

from benchmarks.throughput.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
