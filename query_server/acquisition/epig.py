r"""EPIG: how much a sample's label is expected to tell about the labels of M target samples, in nats.

Bickford Smith et al. 2023, *Prediction-Oriented Bayesian Active Learning*, the expected predictive information gain
estimated over T passes and M targets drawn from the distribution that predictions will be made on:

.. math:: s = \frac1M \sum_m \sum_{c,c'} \hat p(c, c'_m) \log\frac{\hat p(c, c'_m)}{\hat p(c)\,\hat p(c'_m)}, \qquad
    \hat p(c, c'_m) = \frac1T \sum_t p_t(c)\,p_t(c'_m)

BALD asks what a label tells about the weights; this counts only what moves the targets' predictions. Computed from the
ratio :math:`\rho = \hat p(c, c'_m) / (\hat p(c)\hat p(c'_m)) = \sum_t \pi_t(c)\,p_t(c'_m) / \hat p(c'_m)`, where
:math:`\pi_t(c) = p_t(c) / \sum_u p_u(c)`, at most T whatever underflows, as the equal mean of
:math:`\rho\log\rho - \rho + 1 \ge 0`, which does not subtract two large numbers. The gradient is

.. math:: \frac{\partial s}{\partial p_t(c)} = u_t(c) = \frac1{TM} \sum_{m,c'} p_t(c'_m) \log\rho, \qquad
    \frac{\partial s}{\partial l_{tj}} = p_t(j)\Bigl(u_t(j) - \sum_c p_t(c)\,u_t(c)\Bigr)

**Cost.** O(C · MC) logarithms and O(T · C · MC) products a sample; its largest intermediates hold C · MC floats a
sample. ``target_count`` keeps that at or below ``MAX_VALUES_PER_SAMPLE``, up to C = 512; from about 100 classes on few
targets remain, and the estimate is noisy. With 10 passes, score and gradient take 0.17 ms a sample of 10 classes (100
targets) and 2.3 ms of 100 classes (26 targets) on one core; BALD's take 2 and 7 µs. No score exceeds log T.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from query_server.acquisition.function import AcquisitionFunction, Reads

MAX_TARGETS = 100
MAX_VALUES_PER_SAMPLE = 2**18
"""Floats of an intermediate, C · M · C, one sample: 1 MiB."""


def target_count(classes: int) -> int:
    """Return how many targets M to draw for C classes: at least 1, at most ``MAX_TARGETS``."""
    return max(1, min(MAX_TARGETS, MAX_VALUES_PER_SAMPLE // classes**2))


def _constants(targets: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
    """Return what the body reads of target probabilities [T, M, C], as matrices with K = M · C columns or rows."""
    passes, count, _ = targets.shape
    p = targets.astype(np.float64)
    p = (p / p.sum(axis=2, keepdims=True)).reshape(passes, -1)  # [T, M, C] -> [T, K]
    mean = p.mean(axis=0)
    return {
        "target_ratio": np.asarray(p / np.maximum(mean, np.finfo(np.float64).tiny), np.float32),
        "target_share": np.asarray(mean[:, None] / count, np.float32),
        "target_pull": np.asarray(p.T / (passes * count), np.float32),
    }


EPIG = AcquisitionFunction(
    name="epig",
    unit="nats",
    reads=Reads.EVERY_PASS,
    target_constants=_constants,
    body="""
    passes_axis = Constant <value = int64[1] {0}> ()
    flat_classes_axis = Constant <value = int64[1] {1}> ()
    classes_axis = Constant <value = int64[1] {2}> ()
    tiny = Constant <value = float {0.000000000000000000000000000001}> ()
    one = Constant <value = float {1.0}> ()
    log_p = LogSoftmax <axis = 2> (l)
    p = Exp (log_p)
    log_sum = ReduceLogSumExp <keepdims = 1> (log_p, passes_axis)
    log_posterior = Sub (log_p, log_sum)
    posterior = Exp (log_posterior)
    posterior_last = Transpose <perm = [1, 2, 0]> (posterior)
    ratio = MatMul (posterior_last, target_ratio)
    safe_ratio = Max (ratio, tiny)
    log_ratio = Log (safe_ratio)
    weighted_log = Mul (safe_ratio, log_ratio)
    excess = Sub (safe_ratio, one)
    divergence = Sub (weighted_log, excess)
    gain_column = MatMul (divergence, target_share)
    gain = Squeeze (gain_column, classes_axis)
    mean = ReduceMean <keepdims = 0> (p, passes_axis)
    expected_gain = Mul (mean, gain)
    score = ReduceSum <keepdims = 0> (expected_gain, flat_classes_axis)
    slope_last = MatMul (log_ratio, target_pull)
    slope = Transpose <perm = [2, 0, 1]> (slope_last)
    pushed = Mul (p, slope)
    pushed_sum = ReduceSum <keepdims = 1> (pushed, classes_axis)
    pulled = Mul (p, pushed_sum)
    gradient = Sub (pushed, pulled)
""",
)
