r"""BALD: :math:`H(m) - \frac1T\sum_t H(p_t)` in nats, with :math:`m = \frac1T\sum_t p_t` the mean distribution.

The mutual information between a sample's label and the classifier's weights: high where every pass is sure and they
contradict each other (Houlsby et al. 2011, equation 2; over dropout masks, Gal et al. 2017, §4). Computed as the equal
:math:`\frac1T\sum_t \mathrm{KL}(p_t \| m)`, which does not subtract two large numbers. With
:math:`d_{tc} = \log p_{tc} - \log m_c` the gradient is
:math:`\partial s/\partial l_{tj} = \frac1T p_{tj}(d_{tj} - \sum_c p_{tc} d_{tc})`.
"""

from query_server.acquisition.function import AcquisitionFunction, Reads

BALD = AcquisitionFunction(
    name="bald",
    unit="nats",
    reads=Reads.EVERY_PASS,
    body="""
    passes_axis = Constant <value = int64[1] {0}> ()
    classes_axis = Constant <value = int64[1] {2}> ()
    log_p = LogSoftmax <axis = 2> (l)
    p = Exp (log_p)
    logits_shape = Shape (l)
    passes_count = Gather <axis = 0> (logits_shape, passes_axis)
    passes = Cast <to = 1> (passes_count)
    log_passes = Log (passes)
    log_sum = ReduceLogSumExp <keepdims = 1> (log_p, passes_axis)
    log_mean = Sub (log_sum, log_passes)
    log_ratio = Sub (log_p, log_mean)
    divergence_terms = Mul (p, log_ratio)
    divergence = ReduceSum <keepdims = 1> (divergence_terms, classes_axis)
    divergence_flat = Squeeze (divergence, classes_axis)
    score = ReduceMean <keepdims = 0> (divergence_flat, passes_axis)
    centered = Sub (log_ratio, divergence)
    weighted = Mul (p, centered)
    gradient = Div (weighted, passes)
""",
)
