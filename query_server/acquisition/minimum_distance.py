r"""Minimum distance: minus the distance to the decision boundary, :math:`-(l_1 - l_2)` for the two largest logits.

ASAL (ICLR 2019 submission), equation 1: with one logit :math:`l = w^\top\phi(x) + b` (hinge loss) it is
:math:`-|l|`; with more classes it is the distance to the nearest boundary between two classes, one against one.
The gradient is -1 at the largest logit and +1 at the second. Of a stochastic classifier it takes the mean logits.
"""

from query_server.acquisition.function import AcquisitionFunction, Reads

MINIMUM_DISTANCE = AcquisitionFunction(
    name="minimum_distance",
    unit="logit",
    reads=Reads.MEAN_LOGITS,
    nonpositive=True,
    body="""
    classes = Constant <value = int64[1] {1}> ()
    two = Constant <value = int64[1] {2}> ()
    top, top_class = TopK <axis = 1, largest = 1, sorted = 1> (l, two)
    signs = Constant <value = float[1, 2] {-1.0, 1.0}> ()
    signed = Mul (top, signs)
    score = ReduceSum <keepdims = 0> (signed, classes)
    width_all = Shape (l)
    width = Gather <axis = 0> (width_all, classes)
    off_on = Constant <value = float[2] {0.0, 1.0}> ()
    is_top = OneHot <axis = 2> (top_class, width, off_on)
    signs_column = Unsqueeze (signs, two)
    picked = Mul (is_top, signs_column)
    gradient = ReduceSum <keepdims = 0> (picked, classes)
""",
)
