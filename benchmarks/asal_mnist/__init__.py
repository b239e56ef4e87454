"""``python -m benchmarks asal-mnist``: MNIST with ten classes as in ASAL §5.5, through the real server.

Mayer and Timofte, "Adversarial Sampling for Active Learning" (2018): LeNet trained from scratch in every round (10
epochs, Adam, batches of 50, learning rate 0.001), 10 initial labels a class, 50 more a round; a WGAN-GP, and features
from pixels, an auto-encoder or the critic, cut to 50 dimensions by PCA; 100 Adam steps a synthesis.

Deviations: the pool is MNIST's first 50,000 training images and the test set its 10,000 test images; 3 seeds instead
of 5; up to 1,000 labels instead of 10,000; the paper does not say which LeNet, here it is the one with 20 and 50
filters. Beside plain ASAL (the nearest real sample of each synthetic one) stand Dowser's re-scoring of real neighbors
and the top of an equally large random subset.
"""

from benchmarks.asal_mnist.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
