"""``python -m benchmarks label-efficiency --pools NAME,...``: how many labels each strategy needs, on a portfolio.

Every campaign runs through the real server: the same random initial labels and first weights for all strategies of a
seed, a classifier from scratch every round, tested on a balanced set by balanced accuracy (the mean of the classes'
recalls). The generator and the encoder are trained on the pool as it is, with its thinned classes thin.

Finished campaigns, trained classifiers, bundles and grown pools stay in ``--work``. A pool or a strategy can be run on
another day: the report is made of everything in ``--out``.
"""

from benchmarks.label_efficiency.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
