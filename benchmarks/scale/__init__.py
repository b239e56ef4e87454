"""``python -m benchmarks scale``: one round from a hundred thousand samples to a hundred million.

MNIST is grown by seeded distortion; a smaller pool is the beginning of the larger ones. Every size is built with
``dowser-server index build`` and measured: time by part, files, memory, opening, recall. Then a server for each size
is up, and they answer in turns, so that what drifts on the machine drifts for all; ratios are of one run. Beyond 16
million only features are kept, made in feature space from the encoded ones; there the server proposes and the caller
scores, at the small pool beside it too.
"""

from benchmarks.scale.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
