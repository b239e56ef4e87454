"""``python -m benchmarks ground``: better ground to stand on, each idea tried and kept only if measured.

- a surrogate from features to scores that ranks many random rows and has the best of them scored (coarse to fine);
- index cells as arms of a bandit (Chang and Nargesian 2025, *Approximating Opaque Top-k Queries*);
- task-aware matching features: the pool's features made anew every third round of the classifier's own embedding;
- relevance proximity graphs (Morozov and Babenko 2019, *Relevance Proximity Graphs for Fast Relevance Retrieval*):
  neighbors by the class probabilities that earlier classifiers give, instead of by features.

Each is measured twice: by what a campaign learns (balanced accuracy over the rounds), and by its capture, the mean of
the best batch that was scored divided by that of the whole pool's, on classifiers of labels drawn at random.

The recipe calls the selection in its own process, on an exact index and torch classifiers, as two of the four change
what a served pool has fixed.
"""

from benchmarks.ground.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
