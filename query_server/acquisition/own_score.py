"""Own score: what the uploaded graph itself says of a sample, its output ``score [B]``, whatever network computed it.

For scores that no formula of the logits gives: VAAL's discriminator (Sinha et al. 2019), M2-VAAL's and TA-VAAL's, and
VaB-AL's p(y ≠ ŷ | x) (Choi et al. 2021). The head reads the score as the one logit of a classifier
(``graphs.own_score``), so its gradient is 1, and an ascent climbs the score's own gradient where one can be derived.
A class prior does not go with it, for the rarity it multiplies by is a function of the logits.
"""

from query_server.acquisition.function import AcquisitionFunction, Reads

OWN_SCORE = AcquisitionFunction(
    name="own_score",
    unit="own",
    reads=Reads.OWN_SCORE,
    body="""
    column_axis = Constant <value = int64[1] {1}> ()
    zero = Sub (logits, logits)
    one = Constant <value = float {1.0}> ()
    score = Squeeze (logits, column_axis)
    dlogits = Add (zero, one)
""",
)
