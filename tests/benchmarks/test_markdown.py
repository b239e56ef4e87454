from __future__ import annotations

import numpy as np

from benchmarks.common.markdown import mean_and_spread, p_text


def test_a_spread_is_that_of_a_sample_and_of_one_value_there_is_none() -> None:
    assert mean_and_spread(np.array([1.0, 3.0]), 2) == "2.00 ± 1.41"
    assert mean_and_spread(np.array([1.0]), 1) == "1.0"


def test_a_p_value_is_never_written_as_zero() -> None:
    assert p_text(0.0214, 3) == "0.021"
    assert p_text(0.0214, 3, relation=True) == "= 0.021"
    assert p_text(0.0004, 3) == p_text(0.0004, 3, relation=True) == "< 0.001"
