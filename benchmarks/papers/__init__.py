"""``python -m benchmarks papers --paper NAME [--preset cpu|full]``: the claims of five papers, put to the test.

A paper is a package here whose `PAPER` says what it compares (`paper.py`): settings (data set, classifier and
protocol) with their strategies, how one strategy is run from one seed, and the claims with how each is judged. Shared
is the rest: units of work that are finished once and never again, the report claim by claim, the figures, the JSON.

``full`` is the paper's protocol as it states it, ``cpu`` the largest faithful reduction that two cores finish within
three hours, with every reduction listed in its report. All strategies of a seed start from the same labels and first
weights, and no choice sees a test sample.
"""

from benchmarks.papers.recipe import add_arguments, run

__all__ = ["add_arguments", "run"]
