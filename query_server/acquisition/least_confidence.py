r"""Least confidence: :math:`1 - \max_c p_c` (Lewis and Gale, 1994).

With m the most probable class, :math:`\partial s/\partial l_j = -p_m(\delta_{jm} - p_j)`.
"""

from query_server.acquisition.function import AcquisitionFunction

LEAST_CONFIDENCE = AcquisitionFunction(
    name="least_confidence",
    unit="probability",
    body="""
    classes = Constant <value = int64[1] {1}> ()
    one = Constant <value = float {1.0}> ()
    p = Softmax <axis = 1> (l)
    top = ReduceMax <keepdims = 1> (p, classes)
    top_flat = Squeeze (top, classes)
    score = Sub (one, top_flat)
    width_all = Shape (l)
    width = Gather <axis = 0> (width_all, classes)
    off_on = Constant <value = float[2] {0.0, 1.0}> ()
    top_class = ArgMax <axis = 1, keepdims = 0> (p)
    is_top = OneHot <axis = 1> (top_class, width, off_on)
    away = Sub (p, is_top)
    gradient = Mul (top, away)
""",
)
