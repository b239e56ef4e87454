"""What ASAL's paper leaves open and what the presets do instead, and what `cpu` does less."""

from __future__ import annotations

from benchmarks.papers.paper import Reduction

OPEN = (
    Reduction(
        what="initial labels, two classes",
        paper="not said; the figures start at 50",
        ours="25 of each class",
        why="the paper leaves it open",
    ),
    Reduction(
        what="step size of the synthesis",
        paper="0.01 for CelebA, not said elsewhere",
        ours="0.01",
        why="the paper leaves it open",
    ),
    Reduction(
        what="LeNet",
        paper="LeNet",
        ours="20 and 50 filters, 500 hidden units",
        why="the paper leaves it open",
    ),
    Reduction(
        what="All-CNN",
        paper="as proposed, without data augmentation",
        ours="All-CNN-C with its dropout and weight decay (0.001), He's initialization; pixels in [-1, 1]",
        why="the paper leaves the start and whitening open, and a generator makes pixels",
    ),
    Reduction(
        what="test set",
        paper="test accuracy in the text, validation accuracy in some captions",
        ours="the 10,000 test images, never seen by any choice",
        why="the pool is the first 50,000 training images",
    ),
    Reduction(
        what="range of pixels",
        paper="not said",
        ours="[-1, 1], the generators'; [0, 1] too in mnist-two-unit",
        why="it decides how a linear model does on USPS",
    ),
    Reduction(
        what="USPS (appendix E)",
        paper="which part of it, and how it is interpolated, not said",
        ours="the 2,007 test images, bilinear",
        why="the paper leaves it open",
    ),
    Reduction(
        what="labels of synthetic samples (GAAL, agreement)",
        paper="by hand, what nobody can read left out",
        ours="by a convolutional classifier trained on the whole pool, or that of the nearest real one; all of them",
        why="no annotators",
    ),
    Reduction(
        what="auto-encoder, two classes",
        paper="64 codes",
        ours="192 codes, as with ten classes",
        why="PCA cuts both to 50",
    ),
    Reduction(
        what="auto-encoder, CIFAR-10",
        paper="100 epochs in batches of 128",
        ours="100 epochs in batches of 100",
        why="the trainer's batch",
    ),
    Reduction(
        what="synthesis, CIFAR-10, ten classes",
        paper="ten times 100 latents",
        ours="1,000 latents in one call",
        why="none looks at another",
    ),
    Reduction(
        what="generator",
        paper="the last iterate",
        ours="its moving average",
        why="the trainer exports that",
    ),
    Reduction(
        what="nearest neighbors",
        paper="k-d tree",
        ours="an exact scan of the index",
        why="the same neighbors",
    ),
    Reduction(
        what="CelebA (appendix A)", paper="three attributes", ours="none", why="the data set is not at hand"
    ),
)

CPU_REDUCTIONS = (
    Reduction(what="seeds", paper="5", ours="3", why="time"),
    Reduction(what="samples a round, two classes", paper="not said (10 for CelebA)", ours="25", why="time"),
    Reduction(what="labels, ten classes", paper="100 to 10,000", ours="100 to 1,000", why="time"),
    Reduction(
        what="WGAN-GP",
        paper="40,000 iterations (two classes), 100,000 (ten), width 64, learning rate 1e-4",
        ours="3,000 (two classes), 6,000 (ten), width 32, learning rate 2e-4",
        why="time",
    ),
    Reduction(
        what="DCGAN",
        paper="40,000 iterations (two classes), 100,000 (ten), width 64",
        ours="5,500 (two classes), 6,000 (ten), width 32: never fewer than WGAN-GP's, so as not to favor that",
        why="time",
    ),
    Reduction(
        what="auto-encoder",
        paper="40 epochs",
        ours="40 epochs (two classes), 3,000 updates (ten)",
        why="time",
    ),
    Reduction(
        what="CIFAR-10 (§5.4, §5.6), and with it the residual GANs",
        paper="two and ten classes, All-CNN for ten",
        ours="not run",
        why="time; `full` has them",
    ),
)
