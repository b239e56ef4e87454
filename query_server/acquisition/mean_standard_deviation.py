r"""Mean standard deviation: :math:`\frac1C\sum_c \sigma_c`, :math:`\sigma_c^2 = \frac1T\sum_t (p_{tc} - m_c)^2`.

How far the passes' probabilities spread around their mean m, averaged over classes (Kampffmeyer et al. 2016; as an
acquisition function, Gal et al. 2017, §4). With :math:`u_{tc} = (p_{tc} - m_c) / (T\sigma_c)` the gradient is
:math:`\partial s/\partial l_{tj} = \frac1C p_{tj}(u_{tj} - \sum_c u_{tc} p_{tc})`. Where all passes agree on a class
:math:`\sigma_c` has a kink; the gradient through it is 0 there.
"""

from query_server.acquisition.function import AcquisitionFunction, Reads

MEAN_STANDARD_DEVIATION = AcquisitionFunction(
    name="mean_standard_deviation",
    unit="probability",
    reads=Reads.EVERY_PASS,
    body="""
    passes_axis = Constant <value = int64[1] {0}> ()
    classes_axis = Constant <value = int64[1] {2}> ()
    flat_classes_axis = Constant <value = int64[1] {1}> ()
    tiny = Constant <value = float {0.000000000001}> ()
    p = Softmax <axis = 2> (l)
    mean = ReduceMean <keepdims = 1> (p, passes_axis)
    away = Sub (p, mean)
    square = Mul (away, away)
    variance = ReduceMean <keepdims = 1> (square, passes_axis)
    deviation = Sqrt (variance)
    deviation_flat = Squeeze (deviation, passes_axis)
    score = ReduceMean <keepdims = 0> (deviation_flat, flat_classes_axis)
    logits_shape = Shape (l)
    passes_count = Gather <axis = 0> (logits_shape, passes_axis)
    passes = Cast <to = 1> (passes_count)
    classes_count = Gather <axis = 0> (logits_shape, classes_axis)
    classes = Cast <to = 1> (classes_count)
    safe_deviation = Max (deviation, tiny)
    direction = Div (away, safe_deviation)
    pushed = Mul (p, direction)
    pushed_sum = ReduceSum <keepdims = 1> (pushed, classes_axis)
    pulled = Mul (p, pushed_sum)
    unscaled = Sub (pushed, pulled)
    terms = Mul (passes, classes)
    gradient = Div (unscaled, terms)
""",
)
