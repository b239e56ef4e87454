"""``python -m benchmarks latency``: one selection on MNIST, timed at the client, beside the same in plain PyTorch.

The server runs in its own process; both sides get the same weights, the same pool, the same number of threads and take
turns, so that drift of the machine cancels. Then rounds of growing campaigns, as the server synthesizes by default
beside 100 steps from random starts: the time and the capture of each.
"""

from benchmarks.latency.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
