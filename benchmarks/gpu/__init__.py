"""``python -m benchmarks gpu``: rounds at 16M and 100M on a GPU, beside the CPUs of the same machine.

The generator has the size of ASAL's for CelebA (Table 1: 64 x 64 x 3, a residual WGAN-GP), with random weights, which
is enough for times. Pools are features alone, a seeded mixture of Gaussians in 50 dimensions, or indexes that are
there. The parts that a round of plain ASAL runs in the server are called in this process, so that both sides share
index, graph and starts. Without a GPU it says what is missing and exits 2; ``--quick --device cpu`` goes
through every step with the CPU in the GPU's place, and means nothing else.
"""

from benchmarks.gpu.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
