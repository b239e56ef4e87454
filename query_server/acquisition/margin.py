r"""Margin: :math:`1 - (p_1 - p_2)` for the two largest class probabilities (Scheffer et al., 2001).

With a, b the two most probable classes,
:math:`\partial s/\partial l_j = -p_a(\delta_{ja} - p_j) + p_b(\delta_{jb} - p_j)`.
"""

from query_server.acquisition.function import AcquisitionFunction

MARGIN = AcquisitionFunction(
    name="margin",
    unit="probability",
    body="""
    classes = Constant <value = int64[1] {1}> ()
    two = Constant <value = int64[1] {2}> ()
    one = Constant <value = float {1.0}> ()
    p = Softmax <axis = 1> (l)
    top, top_class = TopK <axis = 1, largest = 1, sorted = 1> (p, two)
    signs = Constant <value = float[1, 2] {-1.0, 1.0}> ()
    signed = Mul (top, signs)
    negative_gap = ReduceSum <keepdims = 1> (signed, classes)
    negative_gap_flat = Squeeze (negative_gap, classes)
    score = Add (one, negative_gap_flat)
    width_all = Shape (l)
    width = Gather <axis = 0> (width_all, classes)
    off_on = Constant <value = float[2] {0.0, 1.0}> ()
    is_top = OneHot <axis = 2> (top_class, width, off_on)
    signed_column = Unsqueeze (signed, two)
    picked_each = Mul (is_top, signed_column)
    picked = ReduceSum <keepdims = 0> (picked_each, classes)
    pulled = Mul (negative_gap, p)
    gradient = Sub (picked, pulled)
""",
)
