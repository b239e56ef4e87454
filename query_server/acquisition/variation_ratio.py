r"""Variation ratio: :math:`1 - v_k`, with :math:`v_c` the share of passes that predict c and k the modal class.

Freeman (1965); over stochastic passes, Gal et al. 2017, §4. One of only T values, so many samples tie; equals
keep the order they were found in. Its gradient is zero almost everywhere. **The head gives the gradient of a smooth
surrogate instead**, :math:`1 - \frac1T\sum_t p_{tk}`, each pass's vote softened to its softmax and k still the modal
class of the hard votes: :math:`\partial/\partial l_{tj} = -\frac1T p_{tk}(\delta_{jk} - p_{tj})`. An ascent climbs the
surrogate; the scores it reports and compares are variation ratios.
"""

from query_server.acquisition.function import AcquisitionFunction, Reads

VARIATION_RATIO = AcquisitionFunction(
    name="variation_ratio",
    unit="probability",
    reads=Reads.EVERY_PASS,
    body="""
    passes_axis = Constant <value = int64[1] {0}> ()
    flat_classes_axis = Constant <value = int64[1] {1}> ()
    classes_axis = Constant <value = int64[1] {2}> ()
    one = Constant <value = float {1.0}> ()
    off_on = Constant <value = float[2] {0.0, 1.0}> ()
    logits_shape = Shape (l)
    width = Gather <axis = 0> (logits_shape, classes_axis)
    vote_class = ArgMax <axis = 2, keepdims = 0> (l)
    vote = OneHot <axis = 2> (vote_class, width, off_on)
    votes = ReduceMean <keepdims = 0> (vote, passes_axis)
    modal_share = ReduceMax <keepdims = 0> (votes, flat_classes_axis)
    score = Sub (one, modal_share)
    modal_class = ArgMax <axis = 1, keepdims = 0> (votes)
    is_modal = OneHot <axis = 1> (modal_class, width, off_on)
    p = Softmax <axis = 2> (l)
    p_if_modal = Mul (p, is_modal)
    p_modal = ReduceSum <keepdims = 1> (p_if_modal, classes_axis)
    passes_count = Gather <axis = 0> (logits_shape, passes_axis)
    passes = Cast <to = 1> (passes_count)
    away = Sub (p, is_modal)
    unscaled = Mul (p_modal, away)
    gradient = Div (unscaled, passes)
""",
)
