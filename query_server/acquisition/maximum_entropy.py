r"""Maximum entropy: :math:`H(p) = -\sum_c p_c \log p_c` in nats.

The score of ASAL (ICLR 2019 submission, equation 2, whose sign is corrected here: H is positive).
With :math:`p = \mathrm{softmax}(l)` the gradient is :math:`\partial H/\partial l_j = -p_j(\log p_j + H)`.
"""

from query_server.acquisition.function import AcquisitionFunction

MAXIMUM_ENTROPY = AcquisitionFunction(
    name="maximum_entropy",
    unit="nats",
    body="""
    classes = Constant <value = int64[1] {1}> ()
    log_p = LogSoftmax <axis = 1> (l)
    p = Exp (log_p)
    p_log_p = Mul (p, log_p)
    negative_entropy = ReduceSum <keepdims = 1> (p_log_p, classes)
    negative_score = Squeeze (negative_entropy, classes)
    score = Neg (negative_score)
    centered = Sub (negative_entropy, log_p)
    gradient = Mul (p, centered)
""",
)
